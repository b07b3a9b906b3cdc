"""Dispatchers that die, are replaced, or are declared dead. Processes: tests/integration."""

from typing import Any

import pytest

from webhooksub.errors import ConfigurationError
from webhooksub.events import DeliveryState, Outcome

HOUR = 3_600_000
YEAR = 365 * 24 * HOUR


def crash(kit: Any, times: int, *, finishing: Any = ()) -> Any:
    """Dispatchers that claim everything and die; the last one is alive and has claimed
    nothing."""
    for _ in range(times):
        store = kit.store()
        store.begin_dispatching(kit.info())
        while store.claim_events(1_000, 10**9)[0]:
            pass
        kit.die(store)
    store = kit.store()
    store.begin_dispatching(kit.info())
    return store


def claim(store: Any) -> list[tuple[int, int, Any]]:
    """(seq, take-overs, settled) of a claim."""
    claimed = store.claim_events(1_000, 10**9)
    return [(event[0], claims, event[8]) for event, claims in zip(*claimed, strict=True)]


# --- who has the role ----------------------------------------------------------------


@pytest.mark.stores("sqlite")
def test_a_second_dispatcher_is_refused_naming_the_first(kit: Any) -> None:
    first, second = kit.store(), kit.store()
    first.begin_dispatching(kit.info("machine-one"))
    with pytest.raises(ConfigurationError, match=r"host machine-one, pid \d+, started 2027"):
        second.begin_dispatching(kit.info())
    with pytest.raises(ConfigurationError, match="already"):
        first.begin_dispatching(kit.info())
    assert "machine-one" in second.facts()["dispatcher"]
    first.end_dispatching()
    assert second.facts()["dispatcher"] is None
    assert second.begin_dispatching(kit.info()) == 2
    assert second.stats()["dispatchers_alive"] == 1


@pytest.mark.stores("sqlite")
def test_a_refused_store_still_publishes(kit: Any) -> None:
    first, second = kit.store(), kit.store()
    first.begin_dispatching(kit.info())
    with pytest.raises(ConfigurationError):
        second.begin_dispatching(kit.info())
    [published] = second.publish([kit.event()])
    assert claim(first) == [(published.seq, 0, None)]


def test_closing_gives_the_role_back(kit: Any) -> None:
    first = kit.store()
    first.begin_dispatching(kit.info())
    first.close()
    kit.store().begin_dispatching(kit.info())


def test_ending_gives_back_what_was_claimed(kit: Any) -> None:
    first = kit.store()
    sub = kit.subscribe(first)
    first.begin_dispatching(kit.info())
    one, two = [p.seq for p in first.publish(kit.events(2))]
    claim(first)
    first.settle(kit.spilled([(one, sub)]))
    first.claim_due(1, 1)
    first.end_dispatching()
    first.end_dispatching()
    second = kit.store()
    second.begin_dispatching(kit.info())
    assert claim(second) == [(two, 1, [])]
    assert [(e[0], s) for e, s, _ in second.claim_due(9, 9)] == [(one, sub.seq)]


# --- recovery ------------------------------------------------------------------------


def test_events_of_a_dead_dispatcher_come_with_what_is_settled(kit: Any) -> None:
    dead = kit.store()
    subs = [kit.subscribe(dead) for _ in range(4)]
    dead.begin_dispatching(kit.info())
    half, none = [p.seq for p in dead.publish(kit.events(2))]
    claim(dead)
    reports = kit.delivered([(half, subs[2]), (half, subs[0])])
    reports.ended = []
    dead.settle(reports)
    kit.die(dead)
    store = kit.store()
    store.begin_dispatching(kit.info())
    assert claim(store) == [(half, 1, [subs[0].seq, subs[2].seq]), (none, 1, [])]


def test_deliveries_that_a_dead_dispatcher_claimed_are_due_again(kit: Any) -> None:
    dead = kit.store()
    sub = kit.subscribe(dead)
    dead.begin_dispatching(kit.info())
    [event] = [p.seq for p in dead.publish([kit.event()])]
    dead.settle(kit.failed(event, sub, delay=0))
    assert dead.claim_due(1, 1)
    kit.die(dead)
    store = kit.store()
    store.begin_dispatching(kit.info())
    assert [(e[0], s, n) for e, s, n in store.claim_due(9, 9)] == [(event, sub.seq, 1)]


def test_what_was_handed_over_is_taken_over_too(kit: Any) -> None:
    dead = kit.store()
    dead.begin_dispatching(kit.info())
    dead.hand_over_to(lambda: 10, lambda events: None)
    published = dead.publish(kit.events(3))
    kit.die(dead)
    store = kit.store()
    store.begin_dispatching(kit.info())
    assert claim(store) == [(p.seq, 1, []) for p in published]


def test_from_the_third_take_over_on_an_event_comes_alone(kit: Any) -> None:
    store = kit.store()
    old = [p.seq for p in store.publish(kit.events(2))]
    store = crash(kit, 3)
    young = [p.seq for p in store.publish(kit.events(3))]
    assert claim(store) == [(old[0], 3, [])]
    assert claim(store) == [], "nothing else is begun beside it"
    store.settle(None, [(old[0],)])
    assert [seq for seq, _, _ in claim(store)] == young, "others come between two suspects"
    assert claim(store) == [(old[1], 3, [])]
    store.release_events([old[1]])
    assert claim(store) == [(old[1], 3, [])]
    store.settle(None, [(old[1],)])
    assert claim(store) == []


def test_an_event_that_keeps_killing_is_quarantined_and_can_be_released(kit: Any) -> None:
    publisher = kit.store()
    [killer] = [p.seq for p in publisher.publish([kit.event()])]
    store = crash(kit, 5)
    assert claim(store) == []
    assert store.stats()["quarantined"] == 1
    assert store.stats()["outbox"] == 0, "nobody waits for it"
    assert [e.seq for e in store.quarantined()] == [killer]
    store.prune(older_than_ms=kit.clock.now + 1)
    assert [e.seq for e in store.quarantined()] == [killer], "it is not lost"
    assert store.release_quarantined([killer, 999]) == 1
    assert store.quarantined() == []
    assert claim(store) == [(killer, 1, [])]


def test_who_ends_as_it_should_is_held_against_no_event(kit: Any) -> None:
    """However many starts it takes: only deaths make an event suspect."""
    [event] = [p.seq for p in kit.store().publish([kit.event()])]
    for _ in range(6):
        store = kit.store()
        store.begin_dispatching(kit.info())
        assert claim(store)[0][0] == event
        store.end_dispatching()
    store = crash(kit, 1)
    [young] = [p.seq for p in store.publish([kit.event()])]
    assert [seq for seq, _, _ in claim(store)] == [event, young], "it is not claimed alone"


def test_neighbours_of_a_killer_are_not_quarantined_with_it(kit: Any) -> None:
    """Alone in its dispatcher, only the killer is counted on."""
    seqs = [p.seq for p in kit.store().publish(kit.events(4))]
    crash(kit, 3)
    kit.die(kit.made[-1])
    for _ in range(2):
        store = kit.store()
        store.begin_dispatching(kit.info())
        assert [seq for seq, _, _ in claim(store)] == [seqs[0]]
        kit.die(store)
    store = kit.store()
    store.begin_dispatching(kit.info())
    assert [e.seq for e in store.quarantined()] == [seqs[0]]
    done = []
    while found := claim(store):
        done += [seq for seq, _, _ in found]
        store.settle(None, [(seq,) for seq, _, _ in found])
    assert done == seqs[1:]


# --- fencing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    ["DELETE FROM webhooksub_dispatcher", "UPDATE webhooksub_dispatcher SET state = 3"],
)
def test_a_dispatcher_that_was_declared_dead_does_nothing_more(kit: Any, how: str) -> None:
    store = kit.store()
    sub = kit.subscribe(store)
    taken: list[Any] = []
    store.begin_dispatching(kit.info())
    store.hand_over_to(lambda: 10, taken.extend)
    assert store.heartbeat()
    [event] = [p.seq for p in store.publish([kit.event()])]
    kit.sql(how)
    assert not store.settle(kit.delivered([(event, sub)]))
    assert store.deliveries() == []
    assert not store.heartbeat()
    before = len(taken)
    store.publish([kit.event()])
    assert len(taken) == before, "it is handed nothing"
    assert store.claim_events(10, 10**6) == ([], [])
    assert store.claim_due(10, 10) == []
    store.end_dispatching()
    assert store.stats()["outbox"] == 2


# --- hand-over -----------------------------------------------------------------------


def test_events_that_could_not_be_taken_are_claimed_again(
    kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = kit.store()
    store.begin_dispatching(kit.info())

    def take(events: list[Any]) -> None:
        raise MemoryError

    store.hand_over_to(lambda: 10, take)
    [published] = store.publish([kit.event()])
    assert "could not be handed over" in caplog.text
    store.hand_over_to(None, None)
    assert claim(store) == [(published.seq, 0, None)]


def test_room_holds_for_a_whole_transaction(kit: Any) -> None:
    """Jobs that one commit joins share it."""
    store = kit.store()
    store.begin_dispatching(kit.info())
    taken: list[Any] = []
    store.hand_over_to(lambda: 3, taken.extend)
    for _ in range(4):
        store._process.writer.post(job_of(store, kit.events(2)))
    store.publish([])
    groups = {event[0] for event in taken}
    assert len(groups) <= 3 * 4
    assert store.stats()["outbox"] == 8


def job_of(store: Any, events: list[Any]) -> Any:
    from webhooksub.store import outbox  # noqa: PLC0415
    from webhooksub.store.writer import Job  # noqa: PLC0415

    return Job(
        lambda t: outbox.write_events(
            t, events, now=1, idempotency_until=2, room=store._role.room(t)
        )
    )


# --- other processes' doings ---------------------------------------------------------


def test_a_replay_by_another_process_is_found(kit: Any) -> None:
    store, other = kit.store(), kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    [event] = [p.seq for p in store.publish([kit.event()])]
    store.settle(kit.delivered([(event, sub)]))
    assert store.claim_due(9, 9) == []
    assert other.replay([(event, sub.seq)]) == 1
    assert store.due_in() == other.due_in() == 0
    assert [(e[0], s) for e, s, _ in store.claim_due(9, 9)] == [(event, sub.seq)]


def test_who_has_just_looked_for_due_work_is_told_when_the_next_is_due_without_a_query(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    [event] = [p.seq for p in store.publish([kit.event()])]
    store.settle(kit.failed(event, sub, delay=5_000))
    assert store.claim_due(9, 9) == []
    database, asked = store._process.database, []
    peek = database.peek
    monkeypatch.setattr(database, "peek", lambda: asked.append(1) or peek())
    assert store.due_in(looked=True) == 5_000
    assert not asked
    assert store.due_in() == 5_000
    assert asked


def test_a_subscription_resumed_by_another_process_delivers_again(kit: Any) -> None:
    store, other = kit.store(), kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    [event] = [p.seq for p in store.publish([kit.event()])]
    store.settle(kit.spilled([(event, sub)]))
    other.update_subscription(sub.id, {"status": 3})
    assert store.claim_due(9, 9) == []
    assert store.claim_due(9, 9) == []
    other.update_subscription(sub.id, {"status": 2})
    assert [(e[0], s) for e, s, _ in store.claim_due(9, 9)] == [(event, sub.seq)]


def test_a_subscription_deleted_half_way_cancels_its_rows_when_they_are_due(kit: Any) -> None:
    """The process that deleted it may die before it has cancelled them all."""
    store = kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    [event] = [p.seq for p in store.publish([kit.event()])]
    store.settle(kit.spilled([(event, sub)]))
    kit.sql("UPDATE webhooksub_subscription SET deleted_at = 1, rev = 2")
    kit.sql("UPDATE webhooksub_meta SET value = '2' WHERE key = 'subscription_rev'")
    assert store.claim_due(9, 9) == []
    [row] = store.deliveries()
    assert (row.state, row.outcome) == (DeliveryState.CANCELLED, Outcome.CANCELLED)


def test_many_paused_rows_do_not_stand_before_a_neighbour(kit: Any) -> None:
    store = kit.store()
    paused, other = kit.subscribe(store), kit.subscribe(store)
    store.begin_dispatching(kit.info())
    events = [p.seq for p in store.publish(kit.events(1_000))]
    store.settle(kit.spilled([(e, paused) for e in events]))
    kit.clock.advance(1)
    store.settle(kit.spilled([(events[0], other)]))
    store.update_subscription(paused.id, {"status": 3})
    assert [(e[0], s) for e, s, _ in store.claim_due(10, 100)] == [(events[0], other.seq)]
    store.update_subscription(paused.id, {"status": 2})
    found = 0
    while claimed := store.claim_due(300, 400):
        found += len(claimed)
    assert found == 1_000


# --- a wall clock that is set --------------------------------------------------------


@pytest.mark.stores("sqlite", "postgresql", "memory")
def test_what_waits_keeps_its_delay_when_the_clock_is_set_back(
    kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    [event] = [p.seq for p in store.publish([kit.event()])]
    store.settle(kit.failed(event, sub, delay=5_000))
    assert store.heartbeat()
    kit.clock.advance(-HOUR)
    assert store.heartbeat()
    assert "set back" in caplog.text
    assert store.due_in() == 5_000
    kit.clock.advance(5_000)
    assert [(e[0], s) for e, s, _ in store.claim_due(9, 9)] == [(event, sub.seq)]


def test_dates_of_a_dispatcher_whose_clock_was_ahead_are_put_right(kit: Any) -> None:
    ahead = kit.store()
    sub = kit.subscribe(ahead, expires_at=kit.clock.now + 20 * YEAR)
    kit.clock.advance(10 * YEAR)
    ahead.begin_dispatching(kit.info())
    [event] = [p.seq for p in ahead.publish([kit.event()])]
    ahead.settle(kit.failed(event, sub, delay=5_000))
    ahead.heartbeat()
    kit.die(ahead, long_ago=False)
    kit.clock.advance(-10 * YEAR)
    store = kit.store()
    store.begin_dispatching(kit.info())
    assert store.due_in() == 5_000


def test_a_clock_that_was_set_back_is_put_right_once(
    kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = kit.store()
    store.begin_dispatching(kit.info())
    kit.clock.advance(-HOUR)
    for _ in range(3):
        assert store.heartbeat()
        kit.clock.advance(100)
    assert caplog.text.count("set back") == 1


# --- events that are set aside -------------------------------------------------------


def test_what_was_set_aside_is_free_at_the_next_start_and_counts_against_nobody(kit: Any) -> None:
    store = kit.store()
    [odd, other] = [p.seq for p in store.publish(kit.events(2))]
    for _ in range(6):
        store = kit.store()
        store.begin_dispatching(kit.info())
        assert {seq for seq, _, _ in claim(store)} >= {odd}
        store.set_aside_events([odd])
        store.settle(None, [(other,)])
        assert claim(store) == [], "it does not come again by itself"
        kit.die(store)
    store = kit.store()
    store.begin_dispatching(kit.info())
    assert claim(store) == [(odd, 0, None)]
    assert (store.stats()["outbox"], store.stats()["quarantined"]) == (1, 0)


def test_only_one_s_own_is_set_aside(kit: Any) -> None:
    store = kit.store()
    store.begin_dispatching(kit.info())
    [free] = [p.seq for p in store.publish([kit.event()])]
    store.set_aside_events([free, 999])
    assert claim(store) == [(free, 0, None)]
