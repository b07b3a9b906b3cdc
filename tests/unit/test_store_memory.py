"""What only a store in memory has: it forgets, from the oldest, and counts what it keeps."""

from typing import Any

import pytest

from webhooksub.events import DeliveryState
from webhooksub.store import memory_events, memory_reads
from webhooksub.store.base import Store

pytestmark = pytest.mark.stores("memory")


def claimed(store: Store, kit: Any, many: int, **fields: Any) -> list[int]:
    seqs = [published.seq for published in store.publish(kit.events(many, **fields))]
    store.claim_events(many, 10**9)
    return seqs


def test_a_dead_letter_is_counted_until_it_is_tried_again(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    first, second = claimed(dispatching, kit, 2)
    for event in (first, second):
        dispatching.settle(kit.ended(event, sub, DeliveryState.DEAD))
    assert dispatching.stats()["dead"] == 2
    dispatching.replay([(first, sub.seq)])
    assert dispatching.stats()["dead"] == 1
    dispatching.claim_due(10, 10)
    dispatching.settle(kit.ended(first, sub, DeliveryState.DEAD))
    assert dispatching.stats()["dead"] == 2
    dispatching.replay([(first, sub.seq), (second, sub.seq)])
    dispatching.claim_due(10, 10)
    dispatching.settle(kit.delivered([(first, sub), (second, sub)]))
    assert dispatching.stats()["dead"] == 0
    assert {d.state for d in dispatching.deliveries()} == {DeliveryState.DELIVERED}


def test_the_last_outcomes_are_kept_and_dead_letters_go_with_them(
    dispatching: Store, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_reads, "OUTCOMES", 3)
    sub = kit.subscribe(dispatching)
    events = claimed(dispatching, kit, 5)
    dispatching.settle(kit.ended(events[0], sub, DeliveryState.DEAD))
    for event in events[1:3]:
        dispatching.settle(kit.delivered([(event, sub)]))
    assert dispatching.stats()["dead"] == 1
    for event in events[3:]:
        dispatching.settle(kit.delivered([(event, sub)]))
    assert dispatching.stats()["dead"] == 0
    assert [d.event_seq for d in dispatching.deliveries()] == events[:1:-1]


def test_the_last_finished_events_are_kept(
    dispatching: Store, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_events, "FINISHED", 2)
    sub = kit.subscribe(dispatching)
    events = claimed(dispatching, kit, 5)
    for event in events[:4]:
        dispatching.settle(kit.delivered([(event, sub)]))
    assert [e.seq for e in dispatching.events()] == [events[4], events[3], events[2]]
    assert dispatching.stats()["outbox"] == 1


def test_data_of_finished_events_is_kept_up_to_its_limit(
    dispatching: Store, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_events, "_DATA_BYTES", 25)
    sub = kit.subscribe(dispatching)
    events = claimed(dispatching, kit, 4, data=b'"12345678"')
    for event in events:
        dispatching.settle(kit.delivered([(event, sub)]))
    assert [e.seq for e in dispatching.events()] == events[:1:-1]


def test_an_event_is_found_by_its_id_wherever_it_is(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    given = kit.events(3, data=b"[1]")
    queued, waiting, done = [published.seq for published in dispatching.publish(given)]
    dispatching.claim_events(3, 10**9)
    dispatching.settle(kit.failed(waiting, sub))
    dispatching.settle(kit.delivered([(done, sub)]))
    for seq, row in zip((queued, waiting, done), given, strict=True):
        found = dispatching.event(row.id)
        assert found is not None
        assert (found.seq, found.root, found.paths, found.data) == (
            seq,
            row.root,
            row.paths,
            b"[1]",
        )
        assert dispatching.in_outbox(seq) is (seq == queued)
    assert dispatching.event(bytes(16)) is None
    assert dispatching.event_ids([queued, waiting, done, 99]) == {
        seq: row.id for seq, row in zip((queued, waiting, done), given, strict=True)
    }


def test_what_was_settled_twice_is_kept_once(dispatching: Store, kit: Any) -> None:
    sub = kit.subscribe(dispatching)
    [event] = claimed(dispatching, kit, 1)
    for _ in range(3):
        dispatching.settle(None, [(event,)])
    dispatching.settle(kit.delivered([(event, sub)]))
    assert [e.seq for e in dispatching.events()] == [event]
    assert dispatching.stats()["outbox"] == 0
