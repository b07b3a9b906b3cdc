"""Settling, waiting, claiming what is due, replaying: the same on every store."""

from typing import Any

import pytest

from webhooksub.events import DeliveryState, Outcome, SubscriptionStatus
from webhooksub.store import Store

DAY = 86_400_000
ACTIVE, PAUSED = {"status": 2}, {"status": 3}


def claimed_event(store: Store, kit: Any, **fields: Any) -> int:
    """Publishes one event and claims it; answers its seq."""
    [published] = store.publish([kit.event(**fields)])
    store.claim_events(1_000, 10**9)
    return published.seq


def states(store: Store) -> list[int]:
    return sorted(d.state for d in store.deliveries(limit=10_000))


def due(store: Store, per_origin: int = 64, limit: int = 1_000) -> list[tuple[int, int, int]]:
    """(event seq, subscription seq, attempts) of what claim_due takes."""
    return [(event[0], sub, n) for event, sub, n in store.claim_due(per_origin, limit)]


# --- settling ------------------------------------------------------------------------


def test_a_success_is_a_delivery_row_and_ends_its_event(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    assert dispatching.settle(kit.delivered([(event, sub)]))
    [row] = dispatching.deliveries()
    assert (row.event_seq, row.subscription_seq, row.subscription_id) == (event, sub.seq, sub.id)
    assert (row.state, row.attempts, row.next_at) == (DeliveryState.DELIVERED, 1, None)
    assert (row.http_status, row.outcome, row.duration_ms) == (200, Outcome.SUCCESS, 12)
    assert dispatching.attempts(event, sub.seq) == []
    assert dispatching.stats()["outbox"] == 0


def test_a_failure_waits_until_its_time_and_keeps_its_attempt(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    dispatching.settle(kit.failed(event, sub, delay=5_000))
    assert dispatching.due_in() == 5_000
    assert due(dispatching) == []
    kit.clock.advance(5_000)
    assert due(dispatching) == [(event, sub.seq, 1)]
    assert due(dispatching) == [], "claimed once"
    [attempt] = dispatching.attempts(event, sub.seq)
    assert (attempt.n, attempt.http_status, attempt.outcome) == (1, 500, Outcome.HTTP_ERROR)
    assert (attempt.address, attempt.snippet) == ("192.0.2.1", b"no")


def test_a_retry_that_succeeds_updates_its_row(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    dispatching.settle(kit.failed(event, sub, delay=0))
    due(dispatching)
    dispatching.settle(kit.delivered([(event, sub)], attempts=2))
    [row] = dispatching.deliveries()
    assert (row.state, row.attempts, row.next_at) == (DeliveryState.DELIVERED, 2, None)
    assert dispatching.due_in() is None
    assert dispatching.stats()["waiting"] == dispatching.stats()["claimed"] == 0


def test_a_due_delivery_brings_its_event_along(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = kit.event(open_id="auth0|1")
    [published] = dispatching.publish([event])
    dispatching.claim_events(10, 10**6)
    dispatching.settle(kit.failed(published.seq, sub, delay=0))
    [(brought, _, _)] = dispatching.claim_due(64, 10)
    assert (*brought[:3], tuple(brought[3]), *brought[4:9]) == (
        published.seq, event.id, 2, event.paths, "auth0|1", event.data, kit.clock.now, 1, None,
    )  # fmt: skip


def test_reports_change_their_subscription(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    revision = dispatching.revision()

    def settle(word: str) -> Any:
        reports = kit.failed(event, sub)
        reports.changed = [(sub.seq, word, int(Outcome.GONE))]
        dispatching.settle(reports)
        return dispatching.subscription(sub.id)

    began = kit.clock.now
    assert settle("failing").failing_since == began
    kit.clock.advance(1_000)
    assert settle("failing").failing_since == began, "a failing period has one beginning"
    assert settle("recovered").failing_since is None
    assert dispatching.revision() == revision, "the engine told us: it need not be told"
    disabled = settle("disabled")
    assert (disabled.status, disabled.status_reason) == (SubscriptionStatus.DISABLED, "gone")
    assert disabled.rev == dispatching.revision() == revision + 1
    assert [r.id for r in dispatching.changes(revision)[1]] == [sub.id]


def test_who_has_not_the_role_settles_nothing(store: Store, kit: Any) -> None:
    sub = kit.subscribe(store)
    [published] = store.publish([kit.event()])
    assert not store.settle(kit.delivered([(published.seq, sub)]))
    assert store.deliveries() == []
    assert store.stats()["outbox"] == 1


# --- what is due ---------------------------------------------------------------------


def test_due_deliveries_are_taken_so_many_of_each_origin(dispatching: Store, kit: Any) -> None:
    """A long backlog of one origin does not stand before the others."""
    slow, quick = kit.subscribe(dispatching, "slow"), kit.subscribe(dispatching, "quick")
    events = [p.seq for p in dispatching.publish(kit.events(50))]
    dispatching.settle(kit.spilled([(e, slow) for e in events]))
    kit.clock.advance(10)
    dispatching.settle(kit.spilled([(e, quick) for e in events[:3]]))
    taken = due(dispatching, per_origin=5)
    assert sum(s == slow.seq for _, s, _ in taken) == 5
    assert sum(s == quick.seq for _, s, _ in taken) == 3
    assert len(due(dispatching, per_origin=100, limit=20)) == 20


def test_released_deliveries_are_due_again_later(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    events = [p.seq for p in dispatching.publish(kit.events(2))]
    dispatching.settle(kit.spilled([(e, sub) for e in events]))
    assert len(due(dispatching)) == 2
    dispatching.release_due([(events[0], sub.seq)], 700)
    assert dispatching.due_in() == 700
    assert due(dispatching) == []
    kit.clock.advance(700)
    assert due(dispatching) == [(events[0], sub.seq, 0)]


def test_deliveries_of_a_paused_subscription_wait_for_it(dispatching: Store, kit: Any) -> None:
    paused, other = kit.subscribe(dispatching), kit.subscribe(dispatching)
    events = [p.seq for p in dispatching.publish(kit.events(30))]
    dispatching.settle(kit.spilled([(e, paused) for e in events]))
    dispatching.settle(kit.spilled([(e, other) for e in events[:4]]))
    dispatching.update_subscription(paused.id, PAUSED)
    assert {s for _, s, _ in due(dispatching, per_origin=4)} == {other.seq}
    assert due(dispatching, per_origin=4) == []
    assert dispatching.stats()["waiting"] == 30
    dispatching.update_subscription(paused.id, ACTIVE)
    assert len(due(dispatching, per_origin=20)) == 20
    assert len(due(dispatching, per_origin=20)) == 10


def test_paused_deliveries_still_expire(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    dispatching.settle(kit.spilled([(event, sub)]))
    dispatching.update_subscription(sub.id, PAUSED)
    assert due(dispatching) == []
    kit.clock.advance(DAY)
    assert due(dispatching) == []
    assert states(dispatching) == [DeliveryState.EXPIRED]


def test_deliveries_of_an_expired_subscription_expire(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching, expires_at=kit.clock.now + 100)
    event = claimed_event(dispatching, kit)
    dispatching.settle(kit.failed(event, sub, delay=50))
    kit.clock.advance(100)
    assert due(dispatching) == []
    [row] = dispatching.deliveries()
    assert (row.state, row.outcome, row.next_at) == (
        DeliveryState.EXPIRED,
        Outcome.EXPIRED,
        None,
    )


def test_deleting_a_subscription_cancels_what_waits_for_it(dispatching: Store, kit: Any) -> None:
    gone, other = kit.subscribe(dispatching), kit.subscribe(dispatching)
    events = [p.seq for p in dispatching.publish(kit.events(3))]
    dispatching.settle(kit.spilled([(e, gone) for e in events] + [(events[0], other)]))
    dispatching.delete_subscription(gone.id)
    assert states(dispatching) == [DeliveryState.WAITING] + [DeliveryState.CANCELLED] * 3
    assert due(dispatching) == [(events[0], other.seq, 0)]


def test_what_fails_after_its_subscription_was_deleted_is_not_tried_again(
    dispatching: Store, kit: Any
) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    dispatching.delete_subscription(sub.id)
    dispatching.settle(kit.failed(event, sub, delay=0))
    assert due(dispatching) == []
    assert states(dispatching) == [DeliveryState.CANCELLED]


# --- replay --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.CANCELLED],
)
def test_what_ended_can_be_replayed(dispatching: Store, kit: Any, state: DeliveryState) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    dispatching.settle(kit.ended(event, sub, state))
    assert dispatching.replay([(event, sub.seq), (event, 999)]) == 1
    assert due(dispatching) == [(event, sub.seq, 0)]


def test_what_is_under_way_is_not_replayed(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    dispatching.settle(kit.failed(event, sub, delay=1_000))
    assert dispatching.replay([(event, sub.seq)]) == 0
    assert due(dispatching) == []


def test_a_replayed_success_keeps_its_history(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    dispatching.settle(kit.delivered([(event, sub)]))
    dispatching.replay([(event, sub.seq)])
    [attempt] = dispatching.attempts(event, sub.seq)
    assert (attempt.n, attempt.http_status, attempt.duration_ms) == (1, 200, 12)


def test_nothing_is_replayed_to_a_deleted_subscription(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    event = claimed_event(dispatching, kit)
    dispatching.settle(kit.delivered([(event, sub)]))
    dispatching.delete_subscription(sub.id)
    assert dispatching.replay([(event, sub.seq)]) == 0


def test_a_range_is_matched_anew_with_what_was_missed(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    before = dispatching.publish(kit.events(2))
    kit.clock.advance(60_000)
    since = kit.clock.now
    inside = dispatching.publish(kit.events(6))
    kit.clock.advance(60_000)
    until = kit.clock.now
    after = dispatching.publish(kit.events(2))
    for event in (*before, *inside, *after):
        dispatching.settle(None, [(event.seq,)])
    dispatching.settle(kit.delivered([(inside[0].seq, sub)]))
    wanted = {inside[0].seq, inside[1].seq, inside[5].seq, after[0].seq, before[1].seq}
    count = dispatching.replay_range(sub.seq, since, until, lambda e: e.seq in wanted)
    expected = sorted((e.seq, sub.seq, 0) for e in (inside[0], inside[1], inside[5]))
    assert count == 3
    assert sorted(due(dispatching)) == expected


def test_a_range_leaves_out_what_the_fan_out_will_bring_anyway(
    dispatching: Store, kit: Any
) -> None:
    dispatching.publish([kit.event()])
    later = kit.subscribe(dispatching)
    [queued] = dispatching.publish([kit.event()])
    span = (kit.clock.now - 1, kit.clock.now + 1)
    assert dispatching.replay_range(later.seq, *span, lambda _: True) == 1, "the one it missed"
    assert queued.seq not in {event for event, _, _ in due(dispatching)}


# --- looking -------------------------------------------------------------------------


def test_deliveries_are_listed_newest_first_and_by_every_filter(
    dispatching: Store, kit: Any
) -> None:
    one = kit.subscribe(dispatching)
    two = kit.subscribe(dispatching, root="tenant/other")
    events = [p.seq for p in dispatching.publish(kit.events(3))]
    kit.clock.advance(1_000)
    [late] = dispatching.publish([kit.event()])
    dispatching.settle(kit.delivered([(e, one) for e in events]))
    dispatching.settle(kit.delivered([(e, two) for e in (*events, late.seq)]))
    dispatching.settle(kit.failed(late.seq, one))

    def found(**filters: Any) -> list[tuple[int, int]]:
        rows = dispatching.deliveries(**filters)
        return [(row.event_seq, row.subscription_seq) for row in rows]

    everything = sorted([(e, s.seq) for e in (*events, late.seq) for s in (one, two)], reverse=True)
    assert found() == everything
    assert found(limit=3) == everything[:3]
    assert found(limit=3, before=everything[2]) == everything[3:6]
    assert found(subscription=one.seq) == [k for k in everything if k[1] == one.seq]
    assert found(event=events[1]) == [k for k in everything if k[0] == events[1]]
    assert found(state=DeliveryState.WAITING) == [(late.seq, one.seq)]
    assert found(state=DeliveryState.DELIVERED, subscription=one.seq, limit=1) == [
        (events[2], one.seq)
    ]
    assert found(roots=["tenant/other"]) == [k for k in everything if k[1] == two.seq]
    assert found(roots=[]) == []
    assert found(since=kit.clock.now) == [k for k in everything if k[0] == late.seq]
    assert found(until=kit.clock.now) == [k for k in everything if k[0] != late.seq]


def test_counts_tell_where_everything_is(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    events = [p.seq for p in dispatching.publish(kit.events(6))]
    kit.clock.advance(250)
    dispatching.settle(kit.spilled([(e, sub) for e in events[:3]]))
    dispatching.settle(kit.ended(events[3], sub, DeliveryState.DEAD))
    dispatching.claim_due(2, 10)
    stats = dispatching.stats()
    expected = {"outbox": 2, "outbox_age_ms": 250, "waiting": 1, "claimed": 2, "dead": 1}
    expected |= {"quarantined": 0, "subscriptions": 1, "dispatchers_alive": 1, "backlog_full": 0}
    assert stats == expected
    dispatching.end_dispatching()
    assert dispatching.stats()["dispatchers_alive"] == 0
    assert dispatching.stats()["waiting"] == 3, "what was claimed is given back"
