"""Subscriptions and their revisions: the same on every store."""

from typing import Any

import pytest

from webhooksub.errors import Conflict, NotFound
from webhooksub.store import Store


def test_a_subscription_comes_back_as_it_was_written(store: Store, kit: Any) -> None:
    record = kit.subscribe(store, brand_code="b", max_retries=3, options='{"batch":{}}')
    assert store.subscription(record.id) == record
    assert (record.seq, record.rev, record.created_rev) == (1, 1, 1)
    assert (record.created_at, record.updated_at) == (kit.clock.now, kit.clock.now)
    assert (record.brand_code, record.max_retries, record.options) == ("b", 3, '{"batch":{}}')
    assert (record.origin, record.origin_seq) == ("https://one.example:443", 1)
    assert (record.failing_since, record.deleted_at, record.status_reason) == (None, None, None)
    assert record.keys == (b"k" * 32,)
    assert store.subscription(kit.id()) is None


def test_a_socket_subscription_has_no_origin(store: Store, kit: Any) -> None:
    record = kit.subscribe(store, url=None, origin=None, socket_event="changed", channel=2)
    assert (record.origin, record.origin_seq, record.socket_event) == (None, None, "changed")


def test_keys_stand_in_no_repr(store: Store, kit: Any) -> None:
    record = kit.subscribe(store, keys=(b"canary-key",))
    assert record.keys == (b"canary-key",)
    assert "canary" not in repr(record)


def test_an_id_is_given_once(store: Store, kit: Any) -> None:
    record = kit.subscribe(store)
    revision = store.revision()
    with pytest.raises(Conflict):
        kit.subscribe(store, id=record.id)
    assert store.revision() == revision
    assert kit.subscribe(store).rev == revision + 1


def test_one_origin_has_one_number(store: Store, kit: Any) -> None:
    one, two, three = (kit.subscribe(store, host) for host in ("a", "b", "a"))
    assert one.origin_seq == three.origin_seq != two.origin_seq


def test_every_change_is_a_revision_and_tells_what_changed(store: Store, kit: Any) -> None:
    one, two = kit.subscribe(store), kit.subscribe(store)
    assert store.revision() == 2
    assert store.changes(0) == (2, [one, two])
    kit.clock.advance(5)
    changed = store.update_subscription(one.id, {"status": 3, "status_reason": "by its owner"})
    assert (changed.status, changed.status_reason, changed.rev) == (3, "by its owner", 3)
    assert (changed.created_rev, changed.updated_at) == (1, kit.clock.now)
    assert store.changes(2) == (3, [changed])
    deleted = store.delete_subscription(two.id)
    assert (deleted.deleted_at, deleted.keys) == (kit.clock.now, ())
    assert store.changes(2) == (4, [changed, deleted])
    assert store.changes(4) == (4, [])


def test_events_carry_the_revision_they_saw(store: Store, kit: Any) -> None:
    events = kit.events(2)
    store.publish(events[:1])
    created = kit.subscribe(store)
    store.publish(events[1:])
    revisions = [store.event(e.id).revision for e in events]  # type: ignore[union-attr]
    assert revisions == [0, 1]
    assert revisions[0] < created.created_rev <= revisions[1]


def test_a_change_can_insist_on_what_it_was_read_as(store: Store, kit: Any) -> None:
    record = kit.subscribe(store)
    changed = store.update_subscription(record.id, {"owner": "bob"}, expected_rev=record.rev)
    with pytest.raises(Conflict):
        store.update_subscription(record.id, {"owner": "eve"}, expected_rev=record.rev)
    stored = store.subscription(record.id)
    assert stored == changed
    assert store.revision() == changed.rev, "a refused change is no revision"


def test_what_is_not_there_cannot_be_changed(store: Store, kit: Any) -> None:
    record = kit.subscribe(store)
    store.delete_subscription(record.id)
    for id_ in (record.id, kit.id()):
        with pytest.raises(NotFound):
            store.update_subscription(id_, {"status": 2})
        with pytest.raises(NotFound):
            store.delete_subscription(id_)
    assert store.subscription(record.id).deleted_at is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["seq", "id", "rev", "deleted_at", "nonsense"])
def test_only_columns_that_may_change_can_be_changed(store: Store, kit: Any, name: str) -> None:
    record = kit.subscribe(store)
    with pytest.raises(ValueError, match=name):
        store.update_subscription(record.id, {name: 1})
    assert store.subscription(record.id) == record


def test_another_url_brings_its_origin(store: Store, kit: Any) -> None:
    record = kit.subscribe(store)
    moved = {"url": "https://two.example/h", "origin": "https://two.example:443"}
    changed = store.update_subscription(record.id, moved)
    assert (changed.origin, changed.origin_seq) == ("https://two.example:443", 2)


# --- keys ----------------------------------------------------------------------------


def test_keys_are_kept_replaced_or_cleared(store: Store, kit: Any) -> None:
    record = kit.subscribe(store, keys=(b"old",))
    assert store.update_subscription(record.id, {}).keys == (b"old",)
    assert store.update_subscription(record.id, {}, keys=(b"new", b"older")).keys == (
        b"new",
        b"older",
    )
    assert store.update_subscription(record.id, {}, keys=()).keys == ()


def test_an_old_key_serves_beside_the_new_one_for_a_while(store: Store, kit: Any) -> None:
    record = kit.subscribe(store, keys=(b"old",))
    turned = store.update_subscription(record.id, {}, keys=(b"new",), keys_overlap_ms=1_000)
    assert turned.keys == (b"new", b"old")
    kit.clock.advance(999)
    assert store.subscription(record.id).keys == (b"new", b"old")  # type: ignore[union-attr]
    kit.clock.advance(1)
    assert store.subscription(record.id).keys == (b"new",)  # type: ignore[union-attr]
    assert store.changes(0)[1][0].keys == (b"new",)
    assert store.subscriptions(roots=None)[0].keys == (b"new",)


# --- lists ---------------------------------------------------------------------------


def test_subscriptions_are_listed_by_every_filter(store: Store, kit: Any) -> None:
    one = kit.subscribe(store, brand_code="x")
    two = kit.subscribe(store, owner="bob", resource="tenant/acme/sidedrawer")
    three = kit.subscribe(store, root="tenant/other", status=3)
    gone = kit.subscribe(store)
    store.delete_subscription(gone.id)

    def found(**filters: Any) -> list[int]:
        return [r.seq for r in store.subscriptions(**({"roots": None} | filters))]

    assert found() == [one.seq, two.seq, three.seq]
    assert found(roots=["tenant/acme"]) == [one.seq, two.seq]
    assert found(roots=[]) == []
    assert found(owner="bob") == [two.seq]
    assert found(resource="tenant/acme/sidedrawer") == [two.seq]
    assert found(status=3) == [three.seq]
    assert found(brand_code="x") == [one.seq]
    assert found(limit=2) == [one.seq, two.seq]
    assert found(after=one.seq) == [two.seq, three.seq]
