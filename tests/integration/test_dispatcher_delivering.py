"""Published, delivered, seen: the way of an event through a started dispatcher."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from acme import KEY, PATH, RECORDS, Make

from webhooksub import (
    Closed,
    DeliveryState,
    Dispatcher,
    OperatorEvent,
    Outcome,
    SubscriptionInfo,
    SubscriptionStatus,
    Verifier,
)
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]


def test_a_notification_arrives_signed_and_complete(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    info = subscribe(hooks, brand_code="mybrand")
    event = hooks.publish(PATH, "update", {"name": "Taxes"}, open_id="auth0|1")
    assert hooks.flush(timeout=10).delivered == 1
    [request] = receiver.requests
    body = request.json()
    assert body["data"] == {"name": "Taxes"}
    assert body["subscriptionId"] == info.id
    assert (body["resource"], body["resourcePath"]) == (RECORDS, PATH)
    assert (body["modificationType"], body["brandCode"]) == ("update", "mybrand")
    assert body["openId"] == "auth0|1"
    assert body["id"] == request.headers["webhook-id"]
    expected = hmac.new(KEY.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["integrityHash"] == expected
    [notification] = Verifier(KEY).verify(request.body, request.headers.items())
    assert notification.resource_path == PATH
    assert event.root == "tenant/acme"


def test_data_that_is_json_already_arrives_byte_for_byte(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(hooks)
    data = b'{ "n": 1.00,"n": 99999999999999999999, "\\u0000": "\\ud800" }'
    hooks.publish(PATH, "update", data)
    assert hooks.flush(timeout=10).delivered == 1
    assert data in receiver.requests[0].body


def test_no_key_means_no_signature_headers(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(hooks, integrity_key=None)
    hooks.publish(PATH, "update", {"n": 1})
    hooks.flush(timeout=10)
    headers = receiver.requests[0].headers
    assert headers["webhook-id"] and headers["webhook-timestamp"]
    assert headers["integrityHash"] is None and headers["webhook-signature"] is None


def test_own_headers_are_sent(hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe) -> None:
    subscribe(hooks, delivery={"headers": {"X-Token": "a b\tc"}})
    hooks.publish(PATH, "update", {"n": 1})
    hooks.flush(timeout=10)
    assert receiver.requests[0].headers["X-Token"] == "a b\tc"


def test_a_batch_is_an_array_of_notifications(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(hooks, delivery={"batch": {"maxNotifications": 10, "lingerMs": 200}})
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(25)])
    assert hooks.flush(timeout=10).delivered == 25
    bodies = [request.json() for request in receiver.requests]
    assert all(isinstance(body, list) and len(body) <= 10 for body in bodies)
    assert sorted(item["data"]["n"] for body in bodies for item in body) == list(range(25))
    request = receiver.requests[0]
    assert len(Verifier(KEY).verify(request.body, request.headers.items())) == len(request.json())


def test_several_paths_of_one_entity_notify_a_subscription_once(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(hooks, resource="tenant/acme/sidedrawer/s1/network")
    subscribe(hooks, "/person", resource="tenant/acme/network/auth0|9")
    paths = ["tenant/acme/sidedrawer/s1/network/n1", "tenant/acme/network/auth0|9"]
    hooks.publish(paths, "create", {"n": 1})
    assert hooks.flush(timeout=10).delivered == 2
    assert {r.json()["resourcePath"] for r in receiver.requests} == set(paths)


def test_the_operator_is_told_of_dead_letters_and_of_no_other_deliveries(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    hooks = make(config={"retry_max_retries": 0}).start()
    subscription = subscribe(hooks)
    hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    receiver.answer(500)
    lost = hooks.publish_many([(PATH, "update"), (PATH, "update")])
    hooks.flush(timeout=10)
    dead = [pair for event in told if event.kind == "dead" for pair in event.facts["deliveries"]]
    assert sorted(dead) == sorted((event.id, subscription.id) for event in lost)
    receiver.answer(200)
    hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    assert sum(e.facts["count"] for e in told if e.kind == "dead") == 2


def test_a_failure_without_retries_left_is_a_dead_letter_that_can_be_replayed(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    info = subscribe(hooks, max_retries=0)
    assert info.warnings == ("maxRetries 0: one attempt only",)
    receiver.script([500])
    event = hooks.publish(PATH, "update", {"n": 1})
    result = hooks.flush(timeout=10)
    assert (result.delivered, result.dead) == (0, 1)
    [delivery] = hooks.deliveries(state="dead")
    assert (delivery.http_status, delivery.outcome) == (500, Outcome.HTTP_ERROR)
    assert hooks.replay(state="dead") == 1
    assert hooks.flush(timeout=10).delivered == 1
    assert [a.http_status for a in hooks.attempts(event.id, info.id)] == [500, 200]
    assert hooks.deliveries(event=event.id)[0].state is DeliveryState.DELIVERED


def test_410_disables_the_subscription_and_says_so(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    hooks = make().start()
    info = subscribe(hooks)
    receiver.answer(410)
    hooks.publish(PATH, "update", {"n": 1})
    hooks.flush(timeout=10)
    assert hooks.subscription(info.id).status is SubscriptionStatus.DISABLED
    assert "disabled" in [event.kind for event in told]
    receiver.answer(200)
    hooks.publish(PATH, "update", {"n": 2})
    hooks.flush(timeout=10)
    assert len(receiver.requests) == 1
    hooks.resume(info.id)
    hooks.publish(PATH, "update", {"n": 3})
    assert hooks.flush(timeout=10).delivered == 1


def test_a_paused_subscription_hears_nothing_and_can_be_given_what_it_missed(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    info = subscribe(hooks)
    began = datetime.now(UTC) - timedelta(seconds=1)
    hooks.pause(info.id)
    hooks.publish(PATH, "update", {"n": 1})
    assert hooks.flush(timeout=10).delivered == 0
    assert hooks.explain(PATH, "update", subscription=info.id)[0].code == "paused"
    hooks.resume(info.id)
    assert hooks.replay(subscription=info.id, since=began) == 1
    assert hooks.flush(timeout=10).delivered == 1
    assert receiver.requests[0].json()["data"] == {"n": 1}


def test_nothing_starts_after_unsubscribing(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make(config={"in_flight_per_subscription": 1, "spill_after_ms": 60_000}).start()
    info = subscribe(hooks)
    receiver.answer(delay=0.5)
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(20)])
    receiver.wait_for(1)
    hooks.unsubscribe(info.id)
    before = len(receiver.requests)
    hooks.flush(timeout=10)
    assert len(receiver.requests) <= before + 1, "but what was under way"
    states = {d.state for d in hooks.deliveries(event=None)}
    assert DeliveryState.CANCELLED in states


def test_what_waits_at_close_is_delivered_after_the_next_start(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    first = make().start()
    subscribe(first)
    receiver.answer(delay=30)
    first.publish_many([(PATH, "update", {"n": n}) for n in range(30)])
    receiver.wait_for(1)
    first.close(grace=0.1)
    receiver.answer(delay=0)
    second = make().start()
    second.flush(timeout=10)
    assert {r.json()["data"]["n"] for r in receiver.requests} == set(range(30))
    assert second.stats()["outbox"] == 0


def test_an_update_counts_for_the_next_event(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    info = subscribe(hooks)
    changed = hooks.update(info.id, notification_url=receiver.url("/other"), brand_code="b")
    assert changed.has_integrity_key and changed.revision > info.revision
    hooks.publish(PATH, "update", {"n": 1})
    hooks.flush(timeout=10)
    assert receiver.requests[0].path == "/other"
    assert receiver.requests[0].headers["integrityHash"]


def test_several_events_of_one_key_are_published_once(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)
    events = [hooks.publish(PATH, "update", {"n": 1}, idempotency_key="one") for _ in range(3)]
    assert len({event.id for event in events}) == 1
    assert [event.duplicate for event in events] == [False, True, True]
    assert hooks.flush(timeout=10).delivered == 1


def test_flush_needs_a_dispatcher_that_delivers(make: Make) -> None:
    hooks = make()
    with pytest.raises(Closed):
        hooks.flush()
    hooks.start()
    assert hooks.flush(timeout=5).complete
    hooks.close()
    hooks.close()
    for use in (hooks.flush, lambda: hooks.publish(PATH, "update"), hooks.start):
        with pytest.raises(Closed):
            use()


def test_flush_says_what_was_left_when_its_timeout_came(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(hooks)
    receiver.answer(delay=4)
    hooks.publish(PATH, "update", {"n": 1})
    receiver.wait_for(1)
    result = hooks.flush(timeout=0.3)
    assert not result.complete
    assert result.in_flight == 1
    assert hooks.flush(timeout=10).delivered == 1


def test_the_same_works_awaited(make: Make, receiver: Receiver) -> None:
    async def run() -> None:
        async with make() as hooks:
            await hooks.asubscribe(RECORDS, "any", receiver.url("/hook"), expires=timedelta(days=1))
            await asyncio.gather(*(hooks.apublish(PATH, "update", {"n": n}) for n in range(20)))
            assert (await hooks.aflush(timeout=10)).delivered == 20

    asyncio.run(run())
    assert {json.loads(r.body)["data"]["n"] for r in receiver.requests} == set(range(20))


def test_dead_letters_are_counted_alike_after_a_restart(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks, max_retries=0)
    receiver.answer(500)
    hooks.publish(PATH, "update", {"n": 1})
    assert hooks.flush(timeout=10).dead == 1
    assert hooks.stats()["dead"] == 1
    hooks.close()
    again = make()
    assert again.stats()["dead"] == 1
    assert again.start().stats()["dead"] == 1


def test_stats_tell_where_everything_is(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(hooks)
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(5)])
    hooks.flush(timeout=10)
    stats = hooks.stats()
    assert stats["delivering"] is True
    assert (stats["delivered"], stats["outbox"], stats["in_flight"]) == (5, 0, 0)
    assert stats["subscriptions"] == 1


def test_a_pruned_store_has_forgotten_what_ended(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(5)])
    hooks.flush(timeout=10)
    counts = hooks.prune(datetime.now(UTC) + timedelta(seconds=1))
    assert counts["events"] == 5
    assert hooks.deliveries() == []


def test_a_retry_is_made_when_it_is_due_though_the_rhythm_is_slow(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make(config={"poll_ms": 60_000}).start()
    subscribe(hooks)
    receiver.script([500])
    hooks.publish(PATH, "update", {"n": 1})
    receiver.wait_for(2)
