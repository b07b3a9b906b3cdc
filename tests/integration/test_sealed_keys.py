"""A dispatcher with a keyring: it signs as ever, and a key that cannot be opened stops its own
subscription and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import KEY, PATH, RECORDS, Make
from seen import wait_until

from webhooksub import (
    Dispatcher,
    KeyUnreadable,
    OperatorEvent,
    SubscriptionInfo,
    SubscriptionStatus,
    Verifier,
    _core,
)
from webhooksub.feed import UNREADABLE
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]

OLD = {1: b"the secret of key 1, long enough"}
NEW = {2: b"the secret of key 2, long enough"}
OTHER_KEY = "another-key-of-24-and-more-bytes"


def with_keyring(keyring: Any) -> dict[str, Any]:
    return {"config": {"keyring": keyring}}


def hurt_key_of(kit: Any, subscription: SubscriptionInfo) -> None:
    """Flips a bit of it, as a disk or a hand may do."""
    [(sealed,)] = kit.sql(
        "select sealed from webhooksub_secret s join webhooksub_subscription u"
        " on u.seq = s.subscription_seq where u.resource = ?",
        subscription.resource,
    )
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    kit.sql("update webhooksub_secret set sealed = ? where sealed = ?", changed, sealed)


def put_other_key_to(kit: Any, subscription: SubscriptionInfo) -> None:
    """That of its neighbour, whose owner would be able to forge then."""
    kit.sql(
        "update webhooksub_secret set sealed = (select sealed from webhooksub_secret"
        " where subscription_seq = 2) where subscription_seq = 1"
    )


def status_of(hooks: Dispatcher, subscription: SubscriptionInfo) -> SubscriptionStatus:
    return hooks.subscription(subscription.id).status


@pytest.fixture
def sealed(make: Make) -> Dispatcher:
    return make(**with_keyring(OLD))


def test_what_is_sealed_signs(sealed: Dispatcher, receiver: Receiver, subscribe: Subscribe) -> None:
    subscribe(sealed)
    sealed.start().publish(PATH, "update", {"n": 1})
    receiver.wait_for(1)
    request = receiver.requests[0]
    Verifier(KEY).verify(request.body, request.headers)


def test_while_a_key_rotates_both_sign_and_the_store_holds_neither(
    sealed: Dispatcher, receiver: Receiver, subscribe: Subscribe, tmp_path: Path
) -> None:
    subscription = subscribe(sealed)
    sealed.start()
    sealed.rotate_secret(subscription.id, integrity_key=OTHER_KEY, overlap=timedelta(hours=1))
    sealed.publish(PATH, "update", {"n": 1})
    receiver.wait_for(1)
    request = receiver.requests[0]
    signatures = request.headers["webhook-signature"].split(" ")
    assert [word[:3] for word in signatures] == ["v1,", "v1,"]
    assert len(set(signatures)) == 2
    for key in (KEY, OTHER_KEY):
        headers = {n: v for n, v in request.headers.items() if n.lower() != "integrityhash"}
        Verifier(key).verify(request.body, headers)
    Verifier(OTHER_KEY).verify(request.body, request.headers)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("hooks.db*"))
    assert KEY.encode() not in stored
    assert OTHER_KEY.encode() not in stored


@pytest.mark.parametrize("trouble", ["flipped", "swapped", "unknown"])
def test_a_key_that_cannot_be_opened_stops_its_subscription_alone(
    make: Make,
    sealed: Dispatcher,
    receiver: Receiver,
    subscribe: Subscribe,
    told: list[OperatorEvent],
    kit: Any,
    trouble: str,
) -> None:
    other = "tenant/acme/sidedrawer/s2/record"
    if trouble != "unknown":
        hurt, well = subscribe(sealed, "/hurt"), subscribe(sealed, "/well", resource=other)
        hurt_by = {"flipped": hurt_key_of, "swapped": put_other_key_to}[trouble]
        hurt_by(kit, hurt)
        hooks = make(**with_keyring(OLD)).start()
    else:
        hurt = subscribe(sealed, "/hurt")
        well = subscribe(make(**with_keyring(NEW)), "/well", resource=other)
        hooks = make(**with_keyring(NEW)).start()
    assert wait_until(lambda: status_of(hooks, hurt) is SubscriptionStatus.INVALID)
    assert status_of(hooks, well) is SubscriptionStatus.ACTIVE
    [event] = [event for event in told if event.kind == "key_unreadable"]
    assert event.facts["subscription_id"] == hurt.id
    assert hurt.id in event.message
    said = "key 1, which the keyring lacks" if trouble == "unknown" else "belongs to another row"
    assert said in event.message
    hooks.publish_many([(f"{RECORDS}/r1", "update"), (f"{other}/r1", "update")])
    assert hooks.flush(timeout=10).delivered == 1
    assert [request.path for request in receiver.requests] == ["/well"]
    found = hooks.subscription(hurt.id)
    assert found.has_integrity_key
    assert found.status_reason == "its integrityKey cannot be read; set another one"
    with pytest.raises(KeyUnreadable, match=hurt.id):
        hooks.send_test(hurt.id)


def test_another_key_heals_it_and_a_replay_brings_what_it_missed(
    make: Make, sealed: Dispatcher, receiver: Receiver, subscribe: Subscribe, kit: Any
) -> None:
    hurt = subscribe(sealed)
    hurt_key_of(kit, hurt)
    since = datetime.now(UTC) - timedelta(minutes=1)
    hooks = make(**with_keyring(OLD)).start()
    assert wait_until(lambda: status_of(hooks, hurt) is SubscriptionStatus.INVALID)
    hooks.publish(PATH, "update", {"n": 1})
    assert hooks.flush(timeout=10).delivered == 0
    hooks.update(hurt.id, integrity_key=OTHER_KEY)
    assert wait_until(lambda: status_of(hooks, hurt) is SubscriptionStatus.ACTIVE)
    assert hooks.replay(subscription=hurt.id, since=since) == 1
    receiver.wait_for(1)
    Verifier(OTHER_KEY).verify(receiver.requests[0].body, receiver.requests[0].headers)


def test_the_right_keyring_heals_it_at_the_next_start(
    make: Make,
    sealed: Dispatcher,
    receiver: Receiver,
    subscribe: Subscribe,
    told: list[OperatorEvent],
) -> None:
    subscription = subscribe(sealed)
    wrong = make(**with_keyring(NEW)).start()
    assert wait_until(lambda: status_of(wrong, subscription) is SubscriptionStatus.INVALID)
    wrong.close()
    make(**with_keyring(NEW)).start().close()
    assert [event.kind for event in told] == ["key_unreadable"] * 2, "at each start once"
    right = make(**with_keyring(NEW | OLD)).start()
    assert wait_until(lambda: status_of(right, subscription) is SubscriptionStatus.ACTIVE)
    right.publish(PATH, "update", {"n": 1})
    receiver.wait_for(1)


def test_dispatchers_with_different_keyrings_do_not_undo_each_other_for_ever(
    make: Make, sealed: Dispatcher, subscribe: Subscribe
) -> None:
    subscription = subscribe(sealed)
    hooks = sealed.start()
    id_ = _core.uuid_bytes(subscription.id)
    stopped = {"status": int(SubscriptionStatus.INVALID), "status_reason": UNREADABLE}
    for active in (True, False):
        make()._store.update_subscription(id_, stopped)
        healed = wait_until(
            lambda: status_of(hooks, subscription) is SubscriptionStatus.ACTIVE,
            20 if active else 3,
        )
        assert healed is active


def test_what_waited_for_it_waits_until_it_is_healed(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    sealed = make(config={"keyring": OLD, "retry_steps_ms": (1_500,)}).start()
    subscription = subscribe(sealed)
    receiver.script([500])
    sealed.publish(PATH, "update", {"n": 1})
    receiver.wait_for(1)
    sealed.close()
    wrong = make(**with_keyring(NEW)).start()
    assert wait_until(lambda: status_of(wrong, subscription) is SubscriptionStatus.INVALID)
    assert not wait_until(lambda: len(receiver.requests) > 1, seconds=2)
    wrong.close()
    make(**with_keyring(NEW | OLD)).start()
    receiver.wait_for(2)


def test_a_publisher_needs_no_keyring_to_look_and_to_change_the_rest(
    make: Make, sealed: Dispatcher, subscribe: Subscribe
) -> None:
    subscription = subscribe(sealed)
    publisher = make()
    [found] = publisher.subscriptions()
    assert (found.has_integrity_key, found.status) == (True, SubscriptionStatus.ACTIVE)
    assert found.subscription is not None
    publisher.update(subscription.id, brand_code="mine")
    publisher.pause(subscription.id)
    publisher.resume(subscription.id)
    changed = sealed.subscription(subscription.id)
    assert changed.subscription is not None
    assert changed.subscription.brand_code == "mine"
    assert changed.subscription._key() == KEY.encode()


def test_keys_are_sealed_anew_while_a_dispatcher_delivers(
    make: Make, sealed: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(sealed)
    hooks = make(**with_keyring(OLD | NEW)).start()
    assert make(**with_keyring(NEW | OLD)).rotate_keys().sealed == 1
    hooks.publish(PATH, "update", {"n": 1})
    receiver.wait_for(1)
    hooks.close()
    last = make(**with_keyring(NEW)).start()
    last.publish(PATH, "update", {"n": 2})
    receiver.wait_for(2)
    for request in receiver.requests:
        Verifier(KEY).verify(request.body, request.headers)
