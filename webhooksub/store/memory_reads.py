"""Looking at, and replaying, the last outcomes that a store in memory keeps."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
from operator import itemgetter
from typing import Any

from ..config import StoreConfig
from ..events import DeliveryState
from .base import AttemptRecord, DeliveryRecord, EventRecord, EventTuple
from .memory_subscriptions import MemorySubscriptions
from .memory_waiting import Row

#: Outcomes, failed attempts and finished events kept, of each so many at least.
OUTCOMES = 10_000
# Data of finished events is kept up to this, so that a notebook may replay them.
_DATA_BYTES = 64 * 1024 * 1024
_WAITING, _DELIVERED = int(DeliveryState.WAITING), int(DeliveryState.DELIVERED)
_DEAD = int(DeliveryState.DEAD)
_DATA = itemgetter(5)  # of an EventTuple


class MemoryReads(MemorySubscriptions):
    """Subscriptions, outcomes and events in memory, as they are looked at."""

    def __init__(self, clock: Callable[[], int], config: StoreConfig) -> None:
        super().__init__(clock, config)
        self._events: dict[int, EventTuple] = {}
        self._roots: dict[int, str] = {}  # of the same events
        self._outbox: dict[int, None] = {}
        self._dispatching = False
        self._finished: deque[tuple[list[int], int]] = deque()  # seqs, bytes of their data
        self._finished_count = self._finished_bytes = 0
        self._outcomes: deque[Sequence[Row]] = deque()
        self._outcome_count = 0
        self._attempts: deque[Row] = deque(maxlen=OUTCOMES)

    # --- keeping ---------------------------------------------------------------------

    def _keep(self, rows: Sequence[Row], attempts: Sequence[Row]) -> None:
        if not rows:
            return
        self._outcomes.append(rows)
        self._outcome_count += len(rows)
        while self._outcome_count - len(self._outcomes[0]) >= OUTCOMES:
            self._outcome_count -= len(self._outcomes.popleft())
        self._attempts.extend(attempts)

    def _finish(self, seqs: list[int], size: int) -> None:
        """Events that left the outbox: the last of them are kept."""
        self._finished.append((seqs, size))
        self._finished_count += len(seqs)
        self._finished_bytes += size
        while self._finished and (
            self._finished_bytes > _DATA_BYTES
            or self._finished_count - len(self._finished[0][0]) >= OUTCOMES
        ):
            old, size = self._finished.popleft()
            self._finished_count -= len(old)
            self._finished_bytes -= size
            self._forget(old)

    def _forget(self, seqs: Sequence[int]) -> None:
        gone = seqs
        if self._waiting.rows:
            gone = [seq for seq in seqs if not self._waiting.holds(seq)]
        for known in self._events, self._roots:
            deque(map(known.pop, gone, repeat(None)), maxlen=0)

    def _data_size(self, seqs: Sequence[int]) -> int:
        """Bytes of the events' data."""
        return data_size(map(_DATA, map(self._events.__getitem__, seqs)))

    # --- looking ---------------------------------------------------------------------

    def event(self, id: bytes) -> EventRecord | None:
        with self._lock:
            for seq, stored in self._events.items():
                if stored[1] == id:
                    return _event_record(stored, self._roots[seq])
        return None

    def event_ids(self, seqs: Sequence[int]) -> dict[int, bytes]:
        with self._lock:
            return {seq: self._events[seq][1] for seq in seqs if seq in self._events}

    def in_outbox(self, event_seq: int) -> bool:
        with self._lock:
            return event_seq in self._outbox

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
        rows = self._latest()
        for key in sorted(rows, reverse=True):
            record = self._delivery_record(rows[key])
            if (
                record is not None
                and subscription in (None, record.subscription_seq)
                and event in (None, record.event_seq)
                and state in (None, record.state)
                and self._within(key, roots, since, until)
            ):
                yield record

    def _within(
        self,
        key: tuple[int, int],
        roots: Sequence[str] | None,
        since: int | None,
        until: int | None,
    ) -> bool:
        at = self._events[key[0]][6]
        return (
            (roots is None or self._subscriptions[key[1]].root in roots)
            and (since is None or at >= since)
            and (until is None or at < until)
        )

    def _delivery_record(self, row: Row) -> DeliveryRecord | None:
        if row[0] not in self._events:
            return None
        event_seq, sub, state, attempts, next_at, _, batch, status, outcome, duration, at = row
        event_id = self._events[event_seq][1]
        return DeliveryRecord(
            event_seq,
            sub,
            event_id,
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
            oldest = next(iter(self._outbox), None)
            age = 0 if oldest is None else self._clock() - self._events[oldest][6]
            living = [s for s in self._subscriptions.values() if s.deleted_at is None]
            dead = [row for row in self._latest().values() if row[2] == _DEAD]
            return {
                "outbox": len(self._outbox),
                "outbox_age_ms": max(0, age),
                "quarantined": 0,
                "waiting": waiting,
                "claimed": claimed,
                "dead": len(dead),
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

    def replay(self, deliveries: Sequence[tuple[int, int]]) -> int:
        with self._lock:
            latest = self._latest()
            rows = [latest[key] for key in deliveries if key in latest]
            count = sum(self._again(row) for row in rows)
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
            for seq, stored in list(self._events.items()):
                root = self._roots[seq]
                queued = seq in self._outbox and stored[7] >= record.created_rev
                if queued or root != record.root or not since_ms <= stored[6] < until_ms:
                    continue
                if match(_event_record(stored, root)):
                    missed = (seq, record.seq, 0, 0, None, record.origin_seq or 0, *[None] * 4, now)
                    count += self._again(latest.get((seq, record.seq), missed))
        self.wake()
        return count

    def _latest(self) -> dict[tuple[int, int], Row]:
        rows = {row[:2]: row for rows in self._outcomes for row in rows}
        return rows | self._waiting.rows

    def _again(self, row: Row) -> bool:
        """A row that ended, or never was, waits from now on."""
        seq, sub, state, attempts, _, _, batch, status, outcome, duration, at = row
        record = self._subscriptions[sub]
        if (
            seq not in self._events
            or record.deleted_at is not None
            or row[:2] in self._waiting.rows
        ):
            return False
        if state == _DELIVERED and attempts == 1:
            took = duration or 0
            history = (seq, sub, batch, 1, at - took, took, status, outcome, None, None)
            self._attempts.append(history)
        now, origin = self._clock(), record.origin_seq or 0
        self._waiting.add(
            (seq, sub, _WAITING, 0, now, origin, batch, status, outcome, duration, now)
        )
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
            over = [
                seq
                for seq, of in self._roots.items()
                if of == root and seq not in self._outbox and not self._waiting.holds(seq)
            ]
            deleted["events"] = len(over)
            self._forget(over)
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


def data_size(data: Iterable[bytes | None]) -> int:
    """Bytes of all that is there."""
    return sum(map(len, filter(None, data)))


def _event_record(stored: EventTuple, root: str) -> EventRecord:
    return EventRecord(
        seq=stored[0],
        id=stored[1],
        root=root,
        action=stored[2],
        paths=tuple(stored[3]),
        open_id=stored[4],
        data=stored[5],
        published_at=stored[6],
        revision=stored[7],
    )
