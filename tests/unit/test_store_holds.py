"""An origin whose breaker is open is left alone by claims: the same on every store."""

from typing import Any

import pytest

from webhooksub.events import DeliveryState, Outcome
from webhooksub.store import Store
from webhooksub.store.base import SubscriptionRecord
from webhooksub.store.holds import Holds

OPEN_MS = 30_000


@pytest.fixture
def sub(dispatching: Store, kit: Any) -> SubscriptionRecord:
    """Whose origin is dead."""
    return kit.subscribe(dispatching, "dead")


@pytest.fixture
def waiting(dispatching: Store, kit: Any, sub: SubscriptionRecord) -> list[int]:
    """A hundred events that wait for it, held from now on."""
    events = [p.seq for p in dispatching.publish(kit.events(100))]
    dispatching.claim_events(1_000, 10**9)
    reports = kit.spilled([(e, sub) for e in events])
    reports.news = [(sub.origin_seq, OPEN_MS)]
    dispatching.settle(reports)
    return events


def due(store: Store, per_origin: int = 64) -> list[tuple[int, int]]:
    return [(event[0], sub) for event, sub, _ in store.claim_due(per_origin, 1_000)]


def fail(
    store: Store,
    kit: Any,
    key: tuple[int, int],
    sub: SubscriptionRecord,
    *,
    outcome: Outcome = Outcome.CONNECT_ERROR,
    news: int | None = OPEN_MS,
) -> None:
    """It was tried, its breaker opened again (or says nothing)."""
    reports = kit.failed(key[0], sub, delay=5_000)
    [row] = reports.rows
    reports.rows = [(*row[:7], None, int(outcome), *row[9:])]
    reports.news = [] if news is None else [(sub.origin_seq, news)]
    store.settle(reports)


def test_nothing_is_claimed_for_it_until_its_time(
    dispatching: Store, kit: Any, waiting: list[int]
) -> None:
    assert due(dispatching) == []
    assert dispatching.due_in() == OPEN_MS
    kit.clock.advance(OPEN_MS - 1)
    assert due(dispatching) == []
    kit.clock.advance(1)
    assert len(due(dispatching)) == 1


def test_then_one_delivery_tries_and_the_others_wait_for_what_it_brings(
    dispatching: Store, kit: Any, sub: SubscriptionRecord, waiting: list[int]
) -> None:
    kit.clock.advance(OPEN_MS)
    [probe] = due(dispatching)
    kit.clock.advance(OPEN_MS)
    assert due(dispatching) == []
    assert dispatching.due_in() is None, "until the probe is back"
    fail(dispatching, kit, probe, sub)
    assert dispatching.due_in() == OPEN_MS
    assert due(dispatching) == []


def test_each_probe_costs_one_claim(
    dispatching: Store, kit: Any, sub: SubscriptionRecord, waiting: list[int]
) -> None:
    claims = 0
    for _ in range(20):
        kit.clock.advance(OPEN_MS)
        [probe] = due(dispatching)
        fail(dispatching, kit, probe, sub)
        claims += 1 + len(due(dispatching))
    assert claims == 20
    assert dispatching.stats()["waiting"] == 100


def test_a_good_probe_frees_all(
    dispatching: Store, kit: Any, sub: SubscriptionRecord, waiting: list[int]
) -> None:
    kit.clock.advance(OPEN_MS)
    [probe] = due(dispatching)
    reports = kit.delivered([(probe[0], sub)])
    reports.news = [(sub.origin_seq, None)]
    dispatching.settle(reports)
    assert dispatching.due_in() is not None
    assert len(due(dispatching)) == 64
    assert len(due(dispatching)) == 35


@pytest.mark.parametrize("outcome", [Outcome.HTTP_ERROR, Outcome.TIMEOUT])
def test_a_probe_that_was_answered_frees_all_though_nothing_is_said_of_its_origin(
    dispatching: Store, kit: Any, sub: SubscriptionRecord, waiting: list[int], outcome: Outcome
) -> None:
    """The engine forgets origins that nothing was sent to for long."""
    kit.clock.advance(OPEN_MS)
    [probe] = due(dispatching)
    fail(dispatching, kit, probe, sub, outcome=outcome, news=None)
    assert len(due(dispatching)) == 64


@pytest.mark.parametrize("outcome", [Outcome.SPILLED, Outcome.LOCAL_ERROR])
def test_after_a_probe_that_was_not_tried_the_next_one_is(
    dispatching: Store, kit: Any, sub: SubscriptionRecord, waiting: list[int], outcome: Outcome
) -> None:
    kit.clock.advance(OPEN_MS)
    [probe] = due(dispatching)
    fail(dispatching, kit, probe, sub, outcome=outcome, news=None)
    [other] = due(dispatching)
    assert other != probe
    assert due(dispatching) == []


def test_after_a_probe_that_the_engine_did_not_take_the_next_one_is(
    dispatching: Store, kit: Any, waiting: list[int]
) -> None:
    kit.clock.advance(OPEN_MS)
    [probe] = due(dispatching)
    dispatching.release_due([probe], 500)
    kit.clock.advance(500)
    assert len(due(dispatching)) == 1


def test_an_origin_that_answers_before_its_time_is_free_at_once(
    dispatching: Store, kit: Any, sub: SubscriptionRecord, waiting: list[int]
) -> None:
    reports = kit.delivered([])
    reports.news = [(sub.origin_seq, None)]
    dispatching.settle(reports)
    assert len(due(dispatching)) == 64


def test_others_are_claimed_meanwhile(dispatching: Store, kit: Any, waiting: list[int]) -> None:
    alive = kit.subscribe(dispatching, "alive")
    dispatching.settle(kit.spilled([(e, alive) for e in waiting]))
    claimed = due(dispatching, 100)
    assert len(claimed) == 100
    assert {seq for _, seq in claimed} == {alive.seq}


def test_a_new_dispatcher_holds_nobody(dispatching: Store, kit: Any, waiting: list[int]) -> None:
    """Its engine knows of no breaker either."""
    dispatching.end_dispatching()
    dispatching.begin_dispatching(kit.info())
    assert len(due(dispatching)) == 64


def test_what_is_resumed_waits_for_the_probe_too(
    dispatching: Store, kit: Any, sub: SubscriptionRecord, waiting: list[int]
) -> None:
    dispatching.update_subscription(sub.id, {"status": 3})
    kit.clock.advance(OPEN_MS)
    assert due(dispatching) == []
    dispatching.update_subscription(sub.id, {"status": 2})
    [probe] = due(dispatching)
    kit.clock.advance(1_000)
    assert due(dispatching) == []
    fail(dispatching, kit, probe, sub)
    kit.clock.advance(OPEN_MS - 1)
    assert due(dispatching) == []
    kit.clock.advance(1)
    assert len(due(dispatching)) == 1


# --- another URL ---------------------------------------------------------------------


def elsewhere(store: Store, sub: SubscriptionRecord) -> SubscriptionRecord:
    host = "https://alive.example"
    return store.update_subscription(sub.id, {"url": host + "/", "origin": host + ":443"})


def test_what_waits_follows_its_subscription_to_another_origin(
    dispatching: Store, kit: Any, sub: SubscriptionRecord, waiting: list[int]
) -> None:
    other = kit.subscribe(dispatching, "dead")
    reports = kit.spilled([(e, other) for e in waiting[:3]])
    reports.news = [(other.origin_seq, OPEN_MS)]
    dispatching.settle(reports)
    elsewhere(dispatching, sub)
    claimed = due(dispatching, 100)
    assert len(claimed) == 100
    assert {seq for _, seq in claimed} == {sub.seq}
    kit.clock.advance(OPEN_MS)
    [probe] = due(dispatching)
    assert probe[1] == other.seq


def test_what_fails_after_its_subscription_went_elsewhere_waits_there(
    dispatching: Store, kit: Any, sub: SubscriptionRecord
) -> None:
    """The attempt began before."""
    [published] = dispatching.publish([kit.event()])
    elsewhere(dispatching, sub)
    fail(dispatching, kit, (published.seq, sub.seq), sub)
    kit.clock.advance(5_000)
    assert due(dispatching) == [(published.seq, sub.seq)]


def test_what_is_replayed_goes_where_its_subscription_leads_now(
    dispatching: Store, kit: Any, sub: SubscriptionRecord
) -> None:
    [published] = dispatching.publish([kit.event()])
    reports = kit.ended(published.seq, sub, DeliveryState.DEAD)
    reports.news = [(sub.origin_seq, OPEN_MS)]
    dispatching.settle(reports)
    elsewhere(dispatching, sub)
    assert dispatching.replay([(published.seq, sub.seq)]) == 1
    assert due(dispatching) == [(published.seq, sub.seq)]


# --- bounded -------------------------------------------------------------------------


def test_the_memory_of_holds_is_bounded() -> None:
    holds = Holds()
    for origin in range(1, 10_001):
        holds.learn([], [(origin, 10)], now=origin)
    held = [origin for origin in range(1, 10_001) if origin in holds]
    assert len(held) <= 4_096
    assert held[-1] == 10_000
    assert holds.most(10_000, 64, now=10_010) == 1


def test_rows_of_a_held_origin_are_not_looked_at_again_and_again(kit: Any) -> None:
    """A store of many origins asks for what is due without a walk over those that are held."""
    store = kit.store()
    store.begin_dispatching(kit.info())
    [event] = [p.seq for p in store.publish([kit.event()])]
    subs = [kit.subscribe(store, f"h{n}") for n in range(50)]
    reports = kit.spilled([(event, sub) for sub in subs])
    reports.news = [(sub.origin_seq, OPEN_MS) for sub in subs]
    store.settle(reports)
    groups = store._role.groups
    assert groups.due(kit.clock.now + OPEN_MS - 1, 100) == []
    assert len(groups.due(kit.clock.now + OPEN_MS, 100)) == 50
    for _ in range(100):
        store.settle(kit.failed(event, subs[0], delay=5_000))
    assert len(groups._heap) <= 52
    assert store.stats()["waiting"] == 50
    assert {d.state for d in store.deliveries()} == {DeliveryState.WAITING}
