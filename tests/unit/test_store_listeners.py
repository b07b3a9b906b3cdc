"""Who is at a socket, as the store keeps it: the same on every store."""

from typing import Any

import pytest

from webhooksub.errors import LimitReached
from webhooksub.events import DeliveryState, Outcome
from webhooksub.store import Store

ONE, TWO = b"1" * 16, b"2" * 16
LEASE_MS = 30_000


def since(kit: Any) -> int:
    return int(kit.clock.now - LEASE_MS)


def add(store: Store, kit: Any, sid: str, owner: str = "ann", process: bytes = ONE) -> None:
    store.listeners.add(process, sid, owner, most=3, since=since(kit))


def of(store: Store, kit: Any, *owners: str) -> dict[str, list[str]]:
    return store.listeners.of(owners, since=since(kit))


def test_an_owner_is_reached_by_every_connection_that_is_open(store: Store, kit: Any) -> None:
    add(store, kit, "a")
    kit.clock.advance(1)
    add(store, kit, "b", process=TWO)
    add(store, kit, "c", owner="bob")
    assert of(store, kit, "ann", "bob", "eve") == {"ann": ["a", "b"], "bob": ["c"]}
    store.listeners.remove(["a", "never there"])
    assert of(store, kit, "ann", "bob") == {"ann": ["b"], "bob": ["c"]}
    store.listeners.leave(TWO)
    assert of(store, kit, "ann", "bob") == {"bob": ["c"]}


def test_more_owners_than_one_statement_takes_are_found(store: Store, kit: Any) -> None:
    owners = [f"owner {n}" for n in range(1_001)]
    for n in (0, 500, 1_000):
        add(store, kit, f"sid {n}", owners[n])
    assert of(store, kit, *owners) == {owners[n]: [f"sid {n}"] for n in (0, 500, 1_000)}


def test_connections_of_a_process_that_is_silent_are_forgotten(store: Store, kit: Any) -> None:
    add(store, kit, "a")
    add(store, kit, "b", process=TWO)
    kit.clock.advance(LEASE_MS)
    store.listeners.beat(ONE, {"a": "ann"}, since=since(kit))
    assert of(store, kit, "ann") == {"ann": ["a", "b"]}
    kit.clock.advance(1)
    assert of(store, kit, "ann") == {"ann": ["a"]}


def test_a_process_that_was_silent_for_too_long_says_again_what_it_has(
    store: Store, kit: Any
) -> None:
    add(store, kit, "a")
    kit.clock.advance(LEASE_MS + 1)
    store.listeners.beat(TWO, {}, since=since(kit))
    assert of(store, kit, "ann") == {}
    store.listeners.beat(ONE, {"a": "ann"}, since=since(kit))
    assert of(store, kit, "ann") == {"ann": ["a"]}


def test_an_owner_has_no_more_connections_than_the_limit(store: Store, kit: Any) -> None:
    for sid in ("a", "b", "c"):
        add(store, kit, sid)
    add(store, kit, "c")
    with pytest.raises(LimitReached, match="socket_connections_per_owner_max.*3"):
        add(store, kit, "d")
    add(store, kit, "d", owner="bob")
    kit.clock.advance(LEASE_MS + 1)
    add(store, kit, "e")
    assert of(store, kit, "ann") == {"ann": ["e"]}


def test_who_came_of_late_is_told(store: Store, kit: Any) -> None:
    add(store, kit, "a")
    kit.clock.advance(1_000)
    add(store, kit, "b", owner="bob")
    assert store.listeners.came(kit.clock.now - 500, since=since(kit)) == {"bob"}
    assert store.listeners.came(0, since=since(kit)) == {"ann", "bob"}


@pytest.fixture
def waiting(dispatching: Store, kit: Any) -> Any:
    """Three events that wait for a socket without a listener: absent, spilled, failed."""
    sub = kit.subscribe(dispatching, origin="socket:ann", channel=2, socket_event="changed")
    events = [p.seq for p in dispatching.publish(kit.events(3))]
    dispatching.claim_events(10, 10**9)
    later = kit.clock.now + 600_000
    for event, outcome in zip(
        events, (Outcome.NOT_CONNECTED, Outcome.SPILLED, Outcome.TIMEOUT), strict=True
    ):
        reports = kit.failed(event, sub)
        [row] = reports.rows
        reports.rows = [(*row[:4], later, row[5], None, None, int(outcome), *row[9:])]
        reports.news = [(sub.origin_seq, 600_000)] if event == events[0] else []
        dispatching.settle(reports)
    return events


def test_what_waits_untried_for_who_came_is_due_at_once(
    dispatching: Store, kit: Any, waiting: list[int]
) -> None:
    woken: list[bool] = []
    dispatching.hand_over_to(None, None, lambda: woken.append(True))
    assert dispatching.claim_due(64, 100) == []
    dispatching.free_origin("socket:bob")
    assert not woken or dispatching.claim_due(64, 100) == []
    dispatching.free_origin("socket:ann")
    assert woken
    claimed = [event[0] for event, _, _ in dispatching.claim_due(64, 100)]
    assert claimed == waiting[:2], "what was tried keeps its delay"
    [left] = dispatching.deliveries(state=int(DeliveryState.WAITING))
    assert (left.event_seq, left.next_at) == (waiting[2], kit.clock.now + 600_000)


def test_an_origin_that_is_freed_twice_is_as_one_that_was_once(
    dispatching: Store, kit: Any, waiting: list[int]
) -> None:
    dispatching.free_origin("socket:ann")
    dispatching.free_origin("socket:ann")
    assert len(dispatching.claim_due(64, 100)) == 2
    dispatching.free_origin("socket:ann")
    assert dispatching.claim_due(64, 100) == []


def test_more_than_one_transactions_worth_is_due_at_once(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching, origin="socket:ann", channel=2, socket_event="changed")
    events = [p.seq for p in dispatching.publish(kit.events(2_100))]
    dispatching.claim_events(3_000, 10**9)
    reports = kit.spilled([(event, sub) for event in events])
    later = kit.clock.now + 600_000
    reports.rows = [(*row[:4], later, *row[5:]) for row in reports.rows]
    reports.news = [(sub.origin_seq, 600_000)]
    dispatching.settle(reports)
    dispatching.free_origin("socket:ann")
    due = [d.next_at for d in dispatching.deliveries(limit=3_000)]
    assert due == [kit.clock.now] * 2_100
