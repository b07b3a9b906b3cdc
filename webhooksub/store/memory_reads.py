"""Looking at, and replaying, the last outcomes that a store in memory keeps."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ..config import StoreConfig
from ..errors import ConfigurationError
from ..events import DeliveryState, RotatedKeys
from .base import AttemptRecord, DeliveryRecord, EventRecord
from .holds import Key
from .memory_events import KeptEvent, MemoryEvents
from .memory_subscriptions import MemorySubscriptions
from .memory_waiting import Row

#: Outcomes and failed attempts kept, of each so many at least.
OUTCOMES = 10_000
# Places in a KeptEvent.
_ID, _PUBLISHED_AT = 1, 6
_WAITING, _DELIVERED = int(DeliveryState.WAITING), int(DeliveryState.DELIVERED)


class MemoryReads(MemorySubscriptions):
    """Subscriptions, outcomes and events in memory, as they are looked at."""

    def __init__(self, clock: Callable[[], int], config: StoreConfig) -> None:
        super().__init__(clock, config)
        self._events = MemoryEvents(self._waiting.holds)
        self._dispatching = False
        # Each with the keys of those of its rows that are dead letters.
        self._outcomes: deque[tuple[Sequence[Row], Sequence[Key]]] = deque()
        self._outcome_count = 0
        self._dead: dict[Key, Sequence[Key]] = {}  # those of now, by the keys they came with
        self._attempts: deque[Row] = deque(maxlen=OUTCOMES)

    # --- keeping ---------------------------------------------------------------------

    def _keep(
        self, rows: Sequence[Row], attempts: Sequence[Row] = (), dead: Sequence[Key] = ()
    ) -> None:
        """Outcomes; `dead` are the keys of those that are dead letters."""
        if not rows:
            return
        self._outcomes.append((rows, dead))
        self._outcome_count += len(rows)
        self._dead.update((key, dead) for key in dead)
        while self._outcome_count - len(self._outcomes[0][0]) >= OUTCOMES:
            self._let_go(*self._outcomes.popleft())
        self._attempts.extend(attempts)

    def _let_go(self, rows: Sequence[Row], dead: Sequence[Key]) -> None:
        self._outcome_count -= len(rows)
        for key in dead:
            if self._dead.get(key) is dead:
                del self._dead[key]

    # --- looking ---------------------------------------------------------------------

    def event(self, id: bytes) -> EventRecord | None:
        with self._lock:
            stored = self._events.with_id(id)
        return None if stored is None else _event_record(stored)

    def events(
        self,
        *,
        roots: Sequence[str] | None = None,
        action: int | None = None,
        since: int | None = None,
        until: int | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> list[EventRecord]:
        with self._lock:
            kept = self._events.kept()
            records = (_event_record(kept[seq]) for seq in sorted(kept, reverse=True))
            found = (
                replace(record, data=None)
                for record in records
                if (roots is None or record.root in roots)
                and action in (None, record.action)
                and (since is None or record.published_at >= since)
                and (until is None or record.published_at < until)
                and (before is None or record.seq < before)
                and (after is None or record.seq > after)
            )
            if after is not None:
                return list(deque(found, maxlen=limit))
            return list(islice(found, limit))

    def event_ids(self, seqs: Sequence[int]) -> dict[int, bytes]:
        with self._lock:
            kept = self._events.kept()
            return {seq: kept[seq][_ID] for seq in seqs if seq in kept}

    def in_outbox(self, event_seq: int) -> bool:
        with self._lock:
            return event_seq in self._events.outbox

    def deliveries(
        self,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
        **wanted: Any,
    ) -> list[DeliveryRecord]:
        with self._lock:
            found = self._deliveries(**wanted)
            if after is not None:
                newer = (r for r in found if (r.event_seq, r.subscription_seq) > after)
                return list(deque(newer, maxlen=limit))
            older = (
                r for r in found if before is None or (r.event_seq, r.subscription_seq) < before
            )
            return list(islice(older, limit))

    def count_deliveries(self, **wanted: Any) -> int:
        with self._lock:
            return sum(1 for _ in self._deliveries(**wanted))

    def _deliveries(
        self,
        *,
        roots: Sequence[str] | None = None,
        subscription: int | None = None,
        event: int | None = None,
        state: int | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[DeliveryRecord]:
        """The newest events' first."""
        rows, kept = self._latest(), self._events.kept()
        for key in sorted(rows, reverse=True):
            event_seq, sub, row_state = rows[key][:3]
            if (
                event_seq in kept
                and subscription in (None, sub)
                and event in (None, event_seq)
                and state in (None, row_state)
                and (roots is None or self._subscriptions[sub].root in roots)
                and (since is None or kept[event_seq][_PUBLISHED_AT] >= since)
                and (until is None or kept[event_seq][_PUBLISHED_AT] < until)
            ):
                yield self._delivery_record(rows[key], kept[event_seq])

    def _delivery_record(self, row: Row, event: KeptEvent) -> DeliveryRecord:
        event_seq, sub, state, attempts, next_at, _, batch, status, outcome, duration, at = row
        return DeliveryRecord(
            event_seq,
            sub,
            event[_ID],
            self._subscriptions[sub].id,
            state,
            attempts,
            next_at,
            batch,
            status,
            outcome,
            duration,
            at,
        )

    def attempts(self, event_seq: int, subscription_seq: int) -> list[AttemptRecord]:
        with self._lock:
            mine = (event_seq, subscription_seq)
            return [AttemptRecord(*row) for row in self._attempts if row[:2] == mine]

    def stats(self) -> dict[str, int]:
        with self._lock:
            waiting, claimed = self._waiting.count()
            outbox = self._events.outbox
            oldest = outbox.oldest
            age = 0 if oldest is None else self._clock() - oldest[_PUBLISHED_AT]
            living = [s for s in self._subscriptions.values() if s.deleted_at is None]
            return {
                "outbox": len(outbox),
                "outbox_age_ms": max(0, age),
                "quarantined": 0,
                "waiting": waiting,
                "claimed": claimed,
                "dead": len(self._dead),
                "subscriptions": len(living),
                "dispatchers_alive": int(self._dispatching),
                "backlog_full": self._waiting.refused_in_all,
            }

    def quarantined_seqs(self) -> set[int]:
        return set()

    def quarantined(self, limit: int = 100) -> list[EventRecord]:
        """None ever: an event that kills its dispatcher takes this store along."""
        return []

    def release_quarantined(self, seqs: Sequence[int]) -> int:
        return 0

    # --- replay ----------------------------------------------------------------------

    def rotate_keys(self, progress: Callable[[int, int], None] | None = None) -> RotatedKeys:
        raise ConfigurationError("a store in memory writes no keys down: none is to be sealed")

    def replay(self, deliveries: Sequence[tuple[int, int]]) -> int:
        with self._lock:
            latest, kept = self._latest(), self._events.kept()
            rows = [latest[key] for key in deliveries if key in latest and key[0] in kept]
            count = sum(self._again(row, kept[row[0]]) for row in rows)
        self.wake()
        return count

    def replay_range(
        self,
        subscription_seq: int,
        since_ms: int,
        until_ms: int,
        match: Callable[[EventRecord], bool],
    ) -> int:
        with self._lock:
            record = self._subscriptions.get(subscription_seq)
            if record is None or record.deleted_at is not None:
                return 0
            latest, count, now = self._latest(), 0, self._clock()
            for seq, kept in self._events.kept().items():
                event = _event_record(kept)
                queued = seq in self._events.outbox and event.revision >= record.created_rev
                if queued or event.root != record.root:
                    continue
                if since_ms <= event.published_at < until_ms and match(event):
                    missed = (seq, record.seq, 0, 0, None, record.origin_seq or 0, *[None] * 4, now)
                    count += self._again(latest.get((seq, record.seq), missed), kept)
        self.wake()
        return count

    def _latest(self) -> dict[Key, Row]:
        rows = {row[:2]: row for rows, _ in self._outcomes for row in rows}
        return rows | self._waiting.rows

    def _again(self, row: Row, event: KeptEvent) -> bool:
        """A row that ended, or never was, waits from now on."""
        seq, sub, state, attempts, _, _, batch, status, outcome, duration, at = row
        record = self._subscriptions[sub]
        if record.deleted_at is not None or row[:2] in self._waiting.rows:
            return False
        if state == _DELIVERED and attempts == 1:
            took = duration or 0
            history = (seq, sub, batch, 1, at - took, took, status, outcome, None, None)
            self._attempts.append(history)
        self._dead.pop(row[:2], None)
        now, origin = self._clock(), record.origin_seq or 0
        self._waiting.add(
            (seq, sub, _WAITING, 0, now, origin, batch, status, outcome, duration, now)
        )
        self._events.hold(event)
        return True

    def purge(
        self, root: str, *, progress: Callable[[dict[str, int]], None] | None = None
    ) -> dict[str, int]:
        """What is queued or waits for somebody is over when its subscriptions are."""
        deleted = {"events": 0, "deliveries": 0, "attempts": 0, "keys": 0, "subscriptions": 0}
        with self._lock:
            mine = self._wanted([root])
            for record in list(mine):
                self.delete_subscription(record.id)
                deleted["subscriptions"] += 1
            deleted["events"] = self._events.forget(root)
        if progress is not None:
            progress(dict(deleted))
        return deleted

    def prune(
        self, *, older_than_ms: int, progress: Callable[[dict[str, int]], None] | None = None
    ) -> dict[str, int]:
        """Outcomes go by themselves: the last are kept, whatever their age."""
        return {"events": 0, "deliveries": 0, "attempts": 0, "keys": 0, "subscriptions": 0}

    def wake(self) -> None:
        """Overridden by the store."""


def _event_record(stored: KeptEvent) -> EventRecord:
    return EventRecord(
        seq=stored[0],
        id=stored[1],
        root=stored[9],
        action=stored[2],
        paths=tuple(stored[3]),
        open_id=stored[4],
        data=stored[5],
        published_at=stored[6],
        revision=stored[7],
    )
