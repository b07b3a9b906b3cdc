"""A store without a database, for notebooks and benches: it ends with its process.

The face is that of the others. What is done is kept only as the last outcomes, so that one
can look; what waits is kept until it is due.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from .. import _core
from ..config import StoreConfig
from ..errors import Closed, ConfigurationError, Conflict, Forked, OutboxFull
from .base import (
    DispatcherInfo,
    DueTuple,
    EventTuple,
    NewEvent,
    NewlyPublished,
    Published,
    data_bytes,
    have_keys,
)
from .dispatchers import warn_of_clock
from .listeners import MemoryListeners
from .memory_reads import MemoryReads
from .memory_waiting import Row

# Places in a row of Reports.deliveries.
_SUBSCRIPTION, _ORIGIN = 1, 5


class MemoryStore(MemoryReads):
    """See :class:`webhooksub.store.base.Store`. Nothing outlives the process."""

    name, durable, shared = "memory", False, False

    def __init__(self, config: StoreConfig, clock: Callable[[], int]) -> None:
        super().__init__(clock, config)
        self._config = config
        self._pid, self._closed = os.getpid(), False
        self._seq = 0
        self._free: deque[int] = deque()
        self._keys: dict[tuple[str, str], tuple[Published, bytes | None, int]] = {}
        self._hand_over: tuple[Callable[[], int], Callable[[_core.Events], None]] | None = None
        self._wake: Callable[[], None] | None = None
        self._beat_at = 0
        self.listeners = MemoryListeners(clock)

    def open(self) -> None:
        self._check()

    def close(self, timeout: float = 10) -> None:
        self._closed = True
        self._hand_over = None

    def facts(self) -> dict[str, Any]:
        return {"path": None, "dispatcher": f"pid {self._pid}" if self._dispatching else None}

    def _check(self) -> None:
        if self._closed:
            raise Closed("the store is closed")
        if self._pid != os.getpid():
            raise Forked("a store in memory belongs to the process that made it")

    # --- publishing ------------------------------------------------------------------

    def publish(self, events: Sequence[NewEvent]) -> Sequence[Published]:
        self._check()
        now = self._clock()
        with self._lock:
            new, known = self._recognise(events, now)
            self._admit(len(new), data_bytes(new))
            stored = _core.number_events(new, self._seq + 1, now, self._revision)
            seqs = range(self._seq + 1, self._seq + 1 + len(new))
            self._events.outbox.add(stored)
            self._seq += len(new)
            published: Sequence[Published] = NewlyPublished(seqs, new)
            if known is not None:
                published = self._remember(events, published, known, now)
        self._give(stored, seqs)
        return published

    def publish_on(self, connection: Any, events: Sequence[NewEvent]) -> Sequence[Published]:
        raise ConfigurationError("a store in memory has no transactions to join")

    def wake(self) -> None:
        if self._wake is not None:
            self._wake()

    def _admit(self, rows: int, size: int) -> None:
        outbox, most = self._events.outbox, self._config
        if (
            rows + len(outbox) > most.outbox_rows_max
            or size + outbox.data_bytes > most.outbox_bytes_max
        ):
            raise OutboxFull(
                f"the outbox holds {len(outbox)} events, {outbox.data_bytes} bytes; its limits "
                f"are {most.outbox_rows_max} events, {most.outbox_bytes_max} bytes"
            )

    def _give(self, events: _core.Events, seqs: Sequence[int]) -> None:
        """Hands over what there is room for; the rest waits to be claimed. Not under the
        lock: whoever takes may ask the store something."""
        hand_over, ours = self._hand_over, 0
        if hand_over is not None:
            room, take = hand_over
            ours = max(0, min(room(), len(events)))
        self._free.extend(seqs[ours:])
        if ours and hand_over is not None:
            try:
                take(events if ours == len(events) else events[:ours])
            except BaseException:
                self._free.extend(seqs[:ours])
                raise

    # --- idempotency -----------------------------------------------------------------

    def _recognise(
        self, events: Sequence[NewEvent], now: int
    ) -> tuple[Sequence[NewEvent], list[bool] | None]:
        """Events that are new, and which of all were not; None: none has a key."""
        if not have_keys(events):
            return events, None
        fresh: dict[tuple[str, str], bytes | None] = {}
        known: list[bool] = []
        for event in events:
            key = (event.root, event.idempotency_key or "")
            old = self._keys.get(key)
            if event.idempotency_key is None:
                known.append(False)
            elif key in fresh or (old is not None and old[2] > now):
                before = fresh[key] if key in fresh else old[1] if old else None
                if before != event.fingerprint:
                    raise Conflict("this idempotency key was used for another event")
                known.append(True)
            else:
                fresh[key] = event.fingerprint
                known.append(False)
        return [e for e, k in zip(events, known, strict=True) if not k], known

    def _remember(
        self,
        events: Sequence[NewEvent],
        published: Sequence[Published],
        known: Sequence[bool],
        now: int,
    ) -> list[Published]:
        """An answer for every event, those published before included."""
        answers: list[Published] = []
        fresh = iter(published)
        until = now + self._config.idempotency_ms
        for event, old in zip(events, known, strict=True):
            key = (event.root, event.idempotency_key or "")
            if old:
                answers.append(self._keys[key][0]._replace(duplicate=True))
                continue
            answers.append(next(fresh))
            if event.idempotency_key is not None:
                self._keys[key] = (answers[-1], event.fingerprint, until)
        return answers

    # --- the dispatcher's role -------------------------------------------------------

    def begin_dispatching(self, dispatcher: DispatcherInfo) -> int:
        self._check()
        with self._lock:
            if self._dispatching:
                raise ConfigurationError("this store has a dispatcher already")
            self._dispatching = True
            self._waiting.begin()
            return 1

    def hand_over_to(
        self,
        room: Callable[[], int] | None,
        take: Callable[[_core.Events], None] | None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._hand_over = None if room is None or take is None else (room, take)
        self._wake = wake

    def heartbeat(self) -> bool:
        with self._lock:
            now = self._clock()
            if now < self._beat_at:
                warn_of_clock(self._beat_at - now)
                self._waiting.keep_delays(now)
            self._beat_at = now
            return self._dispatching

    def end_dispatching(self) -> None:
        with self._lock:
            self._dispatching = False
            self._hand_over = self._wake = None
            self._waiting.release_all()
            self._free = deque(self._events.outbox)

    def claim_events(
        self, limit: int, max_bytes: int
    ) -> tuple[Sequence[EventTuple], Sequence[int]]:
        with self._lock:
            oldest = list(islice(self._free, limit))
            events = self._events.outbox.find(oldest, max_bytes)
            for _ in range(len(events)):
                self._free.popleft()
        return events, [0] * len(events)

    def release_events(self, seqs: Sequence[int]) -> None:
        with self._lock:
            queued = [seq for seq in seqs if seq in self._events.outbox]
            self._free.extendleft(reversed(queued))

    def set_aside_events(self, seqs: Sequence[int]) -> None:
        """Nobody claims them twice in this process."""

    def claim_due(self, per_origin: int, limit: int) -> list[DueTuple]:
        with self._lock:
            now = self._clock()
            claimed, ended = self._waiting.claim(now, per_origin, limit, self._subscriptions)
            self._keep(ended)
            self._events.over([row[0] for row in ended])
            return [(self._events.unfinished(row[0]), row[1], row[3]) for row in claimed]

    def release_due(self, rows: Sequence[tuple[int, int]], delay_ms: int) -> None:
        with self._lock:
            for key in rows:
                self._waiting.release(key, self._clock() + delay_ms)

    def free_origin(self, name: str) -> None:
        with self._lock:
            self._waiting.free(self._origins.get(name, 0), self._clock())
        self.wake()

    def due_in(self, *, looked: bool = False) -> int | None:
        with self._lock:
            at = self._waiting.next_due()
        return None if at is None else at - self._clock()

    def settle(self, reports: _core.Reports | None, done: Sequence[tuple[int]] = ()) -> bool:
        if not self._dispatching:
            return False
        now = self._clock()
        with self._lock:
            if reports is not None:
                rows = reports.deliveries(now)
                waiting = [self._readdressed(row) for row in reports.waiting(now)]
                over, dead = self._waiting.settle(rows, waiting, reports.origins(), now)
                self._keep(rows, reports.attempts(), reports.dead())
                self._keep(dead, dead=[row[:2] for row in dead])
                for change in reports.subscriptions():
                    self._apply_change(*change, now)
                self._leave(reports.done())
                self._events.over(over)
            self._leave(done)
        return True

    def take_refused(self) -> Counter[int]:
        with self._lock:
            refused, self._waiting.refused = self._waiting.refused, Counter()
            return refused

    def _readdressed(self, row: Row) -> Row:
        """The row, at the origin that its subscription has now."""
        origin = self._subscriptions[row[_SUBSCRIPTION]].origin_seq or 0
        return row if row[_ORIGIN] == origin else (*row[:_ORIGIN], origin, *row[_ORIGIN + 1 :])

    def _leave(self, done: Sequence[tuple[int]]) -> None:
        if done:
            self._events.leave(done, bool(self._waiting.rows))
