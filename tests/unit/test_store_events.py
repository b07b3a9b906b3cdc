"""Publishing, handing over and claiming: the same on every store."""

import threading
from typing import Any

import pytest
from seen import wait_until

from webhooksub.errors import Closed, Conflict, OutboxFull
from webhooksub.store import Store


def claim(store: Store, limit: int = 1_000, max_bytes: int = 10**9) -> list[Any]:
    return list(store.claim_events(limit, max_bytes)[0])


def test_publishing_answers_seqs_in_order_and_the_events_ids(store: Store, kit: Any) -> None:
    events = kit.events(3)
    published = store.publish(events)
    assert [p.id for p in published] == [e.id for e in events]
    assert [p.seq for p in published] == sorted({p.seq for p in published})
    assert not any(p.duplicate for p in published)
    assert store.stats()["outbox"] == 3


def test_an_event_comes_back_as_it_was_written(store: Store, kit: Any) -> None:
    paths = ("tenant/acme/sidedrawer/s1/network/n1", "tenant/acme/network/auth0|1")
    event = kit.event(paths=paths, open_id="auth0|9", data='{"ü":1}'.encode(), action=3)
    [published] = store.publish([event])
    stored = store.event(event.id)
    assert stored is not None
    assert (stored.seq, stored.root, stored.action) == (published.seq, "tenant/acme", 3)
    assert (stored.paths, stored.open_id, stored.data) == (paths, "auth0|9", '{"ü":1}'.encode())
    assert (stored.published_at, stored.revision) == (kit.clock.now, 0)
    assert store.event(kit.id()) is None


def test_an_event_without_data_has_none(store: Store, kit: Any) -> None:
    event = kit.event(data=None)
    store.publish([event])
    stored = store.event(event.id)
    assert stored is not None
    assert stored.data is None


def test_publishing_nothing_writes_nothing(store: Store) -> None:
    assert store.publish([]) == []
    assert store.stats()["outbox"] == 0


# --- claiming ------------------------------------------------------------------------


def test_what_nobody_was_handed_is_claimed_oldest_first_and_once(
    dispatching: Store, kit: Any
) -> None:
    events = kit.events(5)
    published = dispatching.publish(events)
    first, rest = claim(dispatching, 2), claim(dispatching)
    assert [e[0] for e in first + rest] == [p.seq for p in published]
    assert claim(dispatching) == []
    e = events[0]
    expected = (published[0].seq, e.id, 2, list(e.paths), None, e.data, kit.clock.now, 0, None)
    assert (*first[0][:3], list(first[0][3]), *first[0][4:9]) == expected


def test_a_claim_stops_at_its_bytes_but_takes_one_event_at_least(
    dispatching: Store, kit: Any
) -> None:
    dispatching.publish(kit.events(4, data=b'"' + b"x" * 1_000 + b'"'))
    assert len(claim(dispatching, max_bytes=10)) == 1
    assert len(claim(dispatching, max_bytes=2_500)) == 2
    assert len(claim(dispatching, max_bytes=2_500)) == 1


def test_released_events_are_claimed_again(dispatching: Store, kit: Any) -> None:
    dispatching.publish(kit.events(3))
    taken = claim(dispatching)
    dispatching.release_events([taken[0][0], taken[2][0]])
    assert [e[0] for e in claim(dispatching)] == [taken[0][0], taken[2][0]]


def test_a_done_event_leaves_the_outbox(dispatching: Store, kit: Any) -> None:
    dispatching.publish(kit.events(2))
    taken = claim(dispatching)
    assert dispatching.settle(None, [(taken[0][0],)])
    assert dispatching.stats()["outbox"] == 1
    assert dispatching.settle(None, [(taken[0][0],), (taken[1][0],)]), "twice is no error"
    assert dispatching.stats()["outbox"] == 0


# --- handing over --------------------------------------------------------------------


def test_own_events_are_handed_over_before_publish_returns(dispatching: Store, kit: Any) -> None:
    taken: list[Any] = []
    dispatching.hand_over_to(lambda: 100, taken.extend)
    published = dispatching.publish(kit.events(3))
    assert [e[0] for e in taken] == [p.seq for p in published]
    assert claim(dispatching) == [], "what was handed over is not claimed too"


def test_what_there_is_no_room_for_is_claimed_instead(dispatching: Store, kit: Any) -> None:
    taken: list[Any] = []
    dispatching.hand_over_to(lambda: 2, taken.extend)
    published = dispatching.publish(kit.events(5))
    assert [e[0] for e in taken] == [p.seq for p in published[:2]]
    assert [e[0] for e in claim(dispatching)] == [p.seq for p in published[2:]]


def test_after_the_hand_over_ended_events_wait_to_be_claimed(dispatching: Store, kit: Any) -> None:
    taken: list[Any] = []
    dispatching.hand_over_to(lambda: 100, taken.extend)
    dispatching.hand_over_to(None, None)
    dispatching.publish(kit.events(2))
    assert taken == []
    assert len(claim(dispatching)) == 2


def test_whoever_takes_events_may_ask_and_change_the_store(dispatching: Store, kit: Any) -> None:
    record = kit.subscribe(dispatching)
    seen: list[Any] = []

    def take(events: list[Any]) -> None:
        seen.append(dispatching.changes(0)[0])
        seen.append(dispatching.update_subscription(record.id, {"status": 3}).status)

    dispatching.hand_over_to(lambda: 100, take)
    dispatching.publish([kit.event()])
    assert seen == [1, 3]


def test_a_repeated_event_id_is_refused_and_harms_nobody_else(kit: Any) -> None:
    store = kit.store()
    event = kit.event()
    store.publish([event])
    with pytest.raises(Exception, match=r"UNIQUE|duplicate key"):
        store.publish([kit.event(2), event])
    assert store.stats()["outbox"] == 1
    assert len(store.publish([kit.event(3)])) == 1


# --- idempotency ---------------------------------------------------------------------


def keyed(kit: Any, key: str, content: bytes, **fields: Any) -> Any:
    return kit.event(idempotency_key=key, fingerprint=content, **fields)


def test_the_same_key_and_content_is_the_same_event(store: Store, kit: Any) -> None:
    [first] = store.publish([keyed(kit, "a", b"1")])
    [again] = store.publish([keyed(kit, "a", b"1")])
    assert again == first._replace(duplicate=True)
    assert store.stats()["outbox"] == 1


def test_the_same_key_for_other_content_is_a_conflict_and_nothing_is_written(
    store: Store, kit: Any
) -> None:
    store.publish([keyed(kit, "a", b"1")])
    with pytest.raises(Conflict):
        store.publish([kit.event(), keyed(kit, "b", b"3"), keyed(kit, "a", b"2")])
    assert store.stats()["outbox"] == 1
    [published] = store.publish([keyed(kit, "b", b"4")])
    assert not published.duplicate, "the refused call left no key behind"


def test_a_key_counts_within_its_root_only(store: Store, kit: Any) -> None:
    store.publish([keyed(kit, "a", b"1")])
    [published] = store.publish([keyed(kit, "a", b"2", root="tenant/other")])
    assert not published.duplicate


def test_a_key_may_be_repeated_within_one_call(store: Store, kit: Any) -> None:
    events = [keyed(kit, "a", b"1"), kit.event(), keyed(kit, "a", b"1")]
    first, other, again = store.publish(events)
    assert again == first._replace(duplicate=True)
    assert [first.id, other.id] == [events[0].id, events[1].id]
    assert store.stats()["outbox"] == 2


def test_a_key_is_forgotten_after_its_time(kit: Any, store: Store) -> None:
    store.publish([keyed(kit, "a", b"1")])
    kit.clock.advance(86_400_000)
    [published] = store.publish([keyed(kit, "a", b"2")])
    assert not published.duplicate


def test_a_hundred_publishers_with_one_key_make_one_event(store: Store, kit: Any) -> None:
    events = [keyed(kit, "a", b"1") for _ in range(100)]
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda e=e: answers.append(store.publish([e])[0])) for e in events
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 100
    assert len({a.id for a in answers}) == 1
    assert sum(not a.duplicate for a in answers) == 1
    assert store.stats()["outbox"] == 1


# --- limits and ends -----------------------------------------------------------------


@pytest.mark.stores("sqlite", "postgresql", "memory")
def test_a_full_outbox_refuses_by_rows_and_accepts_again(kit: Any) -> None:
    store = kit.store(outbox_rows_max=10)
    store.begin_dispatching(kit.info())
    store.publish(kit.events(9))
    with pytest.raises(OutboxFull, match="10 events"):
        store.publish(kit.events(2))
    assert store.stats()["outbox"] == 9, "a refused call is refused whole"
    store.publish(kit.events(1))
    with pytest.raises(OutboxFull):
        store.publish(kit.events(1))
    taken = claim(store)
    store.settle(None, [(taken[4][0],)])
    # Counting takes its share of the time: it may be a moment until it is known.
    assert wait_until(lambda: accepts(store, kit))
    assert store.stats()["outbox"] == 10


def accepts(store: Store, kit: Any) -> bool:
    try:
        store.publish(kit.events(1))
    except OutboxFull:
        return False
    return True


@pytest.mark.stores("sqlite", "postgresql", "memory")
def test_a_full_outbox_refuses_by_bytes(kit: Any) -> None:
    store = kit.store(outbox_bytes_max=2_000_000)
    data = b'"' + b"x" * 600_000 + b'"'
    store.publish(kit.events(3, data=data))
    with pytest.raises(OutboxFull, match="2000000 bytes"):
        store.publish(kit.events(1, data=data))


def test_after_close_the_store_says_so(store: Store, kit: Any) -> None:
    store.close()
    store.close()
    with pytest.raises(Closed):
        store.publish([kit.event()])


def test_threads_publish_together_and_nothing_is_lost(dispatching: Store, kit: Any) -> None:
    taken: list[Any] = []
    dispatching.hand_over_to(lambda: 10_000, taken.extend)
    batches = [kit.events(20) for _ in range(40)]
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda b=b: answers.extend(dispatching.publish(b))) for b in batches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({a.seq for a in answers}) == 800
    assert sorted(e[0] for e in taken) == sorted(a.seq for a in answers)
    by_id = {e.id for batch in batches for e in batch}
    assert {e[1] for e in taken} == by_id


# --- listing -------------------------------------------------------------------------


def test_events_are_listed_newest_first_in_pages_and_without_their_data(
    store: Store, kit: Any
) -> None:
    seqs = [p.seq for p in store.publish(kit.events(5))]
    first = store.events(limit=2)
    assert [e.seq for e in first] == [seqs[4], seqs[3]]
    assert {e.data for e in first} == {None}
    assert [e.seq for e in store.events(before=seqs[3], limit=2)] == [seqs[2], seqs[1]]
    assert [e.seq for e in store.events(after=seqs[0], limit=2)] == [seqs[2], seqs[1]]
    assert store.events(before=seqs[0]) == []


def test_listed_events_are_narrowed_by_root_action_and_time(store: Store, kit: Any) -> None:
    [old] = store.publish([kit.event(action=1)])
    kit.clock.advance(3_600_000)
    [new] = store.publish([kit.event(action=2)])
    [other] = store.publish([kit.event(action=2, root="tenant/birch")])
    now = kit.clock.now

    def found(**wanted: Any) -> list[int]:
        return [event.seq for event in store.events(**wanted)]

    assert found() == [other.seq, new.seq, old.seq]
    assert found(roots=["tenant/acme"]) == [new.seq, old.seq]
    assert found(roots=["tenant/acme"], action=2) == [new.seq]
    assert found(since=now) == [other.seq, new.seq]
    assert found(until=now) == [old.seq]
    assert found(roots=[]) == []
