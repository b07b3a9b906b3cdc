"""The bound of a subscription's waiting deliveries: the same on every store."""

from typing import Any

import pytest

from webhooksub.events import DeliveryState, Outcome

pytestmark = pytest.mark.stores("sqlite", "postgresql", "memory")


def test_past_its_backlog_a_subscriptions_deliveries_are_dead(kit: Any) -> None:
    store = kit.store(waiting_per_subscription_max=5)
    full, other = kit.subscribe(store), kit.subscribe(store)
    store.begin_dispatching(kit.info())
    events = [p.seq for p in store.publish(kit.events(9))]
    store.settle(kit.spilled([(e, full) for e in events[:4]]))
    store.settle(kit.spilled([(e, full) for e in events[4:]] + [(events[0], other)]))
    rows = store.deliveries(subscription=full.seq)
    states = [row.state for row in reversed(rows)]
    assert states == [DeliveryState.WAITING] * 5 + [DeliveryState.DEAD] * 4
    assert {r.outcome for r in rows if r.state == DeliveryState.DEAD} == {Outcome.BACKLOG_FULL}
    assert {r.next_at for r in rows if r.state == DeliveryState.DEAD} == {None}
    assert store.stats()["backlog_full"] == 4
    assert [r.state for r in store.deliveries(subscription=other.seq)] == [DeliveryState.WAITING]


def test_when_the_backlog_has_shrunk_deliveries_wait_again(kit: Any) -> None:
    store = kit.store(waiting_per_subscription_max=5)
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    events = [p.seq for p in store.publish(kit.events(12))]
    store.settle(kit.spilled([(e, sub) for e in events[:6]]))
    assert store.stats()["dead"] == 1
    taken = store.claim_due(3, 3)
    store.settle(kit.delivered([(e[0], sub) for e, _, _ in taken]))
    store.settle(kit.spilled([(e, sub) for e in events[6:9]]))
    assert (store.stats()["waiting"], store.stats()["dead"]) == (5, 1)
    dead = [d for d in store.deliveries(state=DeliveryState.DEAD)]
    assert store.replay([(d.event_seq, d.subscription_seq) for d in dead]) == 1


def test_what_was_refused_is_told_once_by_subscription(kit: Any) -> None:
    store = kit.store(waiting_per_subscription_max=2)
    one, two = kit.subscribe(store), kit.subscribe(store)
    store.begin_dispatching(kit.info())
    events = [p.seq for p in store.publish(kit.events(5))]
    assert store.take_refused() == {}
    store.settle(kit.spilled([(e, one) for e in events] + [(e, two) for e in events[:3]]))
    assert store.take_refused() == {one.seq: 3, two.seq: 1}
    assert store.take_refused() == {}
    assert store.stats()["backlog_full"] == 4
    assert store.subscription_ids([one.seq, two.seq, 999]) == {one.seq: one.id, two.seq: two.id}


def test_a_delivery_that_has_waited_keeps_its_place(kit: Any) -> None:
    """Others came while it was tried."""
    store = kit.store(waiting_per_subscription_max=2)
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    events = [p.seq for p in store.publish(kit.events(4))]
    store.settle(kit.spilled([(events[0], sub)]))
    [(claimed, _, _)] = store.claim_due(9, 9)
    store.settle(kit.spilled([(e, sub) for e in events[1:]]))
    reports = kit.failed(claimed[0], sub)
    reports.waited = [(claimed[0], sub.seq, False)]
    store.settle(reports)
    [row] = store.deliveries(event=claimed[0])
    assert row.state == DeliveryState.WAITING
    assert 2 <= store.stats()["waiting"] <= 3
    assert store.stats()["backlog_full"] + store.stats()["waiting"] == 4
