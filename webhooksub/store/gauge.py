"""How full the outbox is, known cheaply.

Whoever writes an event takes the next seq. So the seq tells how many rows can have come
since they were counted, by whichever process, and counting is needed only when the limits
may be reached.
"""

import threading
import time
from collections.abc import Sequence

from ..errors import OutboxFull
from .base import NewEvent, data_bytes
from .hot import Cursor, HotStatements
from .schema import PREFIX

# Counting may take this part of the writer's time while the outbox is full.
_COUNTING_SHARE = 0.05
# An event's columns beside its data, roughly.
_ROW_BYTES = 200


class Gauge:
    """Of one process; the limits hold for all that write to the store. Any thread."""

    def __init__(self, rows_max: int, bytes_max: int) -> None:
        self.rows_max, self.bytes_max = rows_max, bytes_max
        self._lock = threading.Lock()
        self._seq: int | None = None  # the last event's when it was counted
        self._rows = self._bytes = 0
        self._mean = 0.0
        self._own_rows = self._own_bytes = 0  # written by this process since then
        self._counted_at = self._took = 0.0

    def has_room(self, last_seq: int, events: Sequence[NewEvent]) -> bool:
        """`events` fit by what is known, and are counted then; else :meth:`admit` looks."""
        rows, size = len(events), _size(events)
        with self._lock:
            fits = self._fits(last_seq, rows, size)
            if fits:
                self._own_rows += rows
                self._own_bytes += size
            return fits

    def admit(
        self, cursor: Cursor, hot: HotStatements, last_seq: int, events: Sequence[NewEvent]
    ) -> None:
        """Raises OutboxFull when `events` would not fit behind the event `last_seq`."""
        rows, size = len(events), _size(events)
        with self._lock:
            if not self._fits(last_seq, rows, size):
                self._set(last_seq, *hot.bounds(cursor))
            if not self._fits(last_seq, rows, size) and self._may_count():
                began = time.monotonic()
                self._set(last_seq, *_exact(cursor))
                self._counted_at = time.monotonic()
                self._took = self._counted_at - began
            if not self._fits(last_seq, rows, size):
                raise OutboxFull(
                    f"the outbox holds about {self._rows} events, {self._bytes} bytes; its "
                    f"limits are {self.rows_max} events, {self.bytes_max} bytes"
                )
            self._own_rows += rows
            self._own_bytes += size

    def _fits(self, seq: int, rows: int, size: int) -> bool:
        if self._seq is None:
            return False
        added = max(seq - self._seq, self._own_rows)
        others = max(0, added - self._own_rows) * self._mean
        return (
            self._rows + added + rows <= self.rows_max
            and self._bytes + self._own_bytes + others + size <= self.bytes_max
        )

    def _may_count(self) -> bool:
        return time.monotonic() - self._counted_at >= self._took / _COUNTING_SHARE

    def _set(self, seq: int, rows: int, size: int) -> None:
        self._seq, self._rows, self._bytes = seq, rows, size
        self._mean = size / rows if rows else _ROW_BYTES
        self._own_rows = self._own_bytes = 0


def _size(events: Sequence[NewEvent]) -> int:
    return data_bytes(events) + _ROW_BYTES * len(events)


def _exact(cursor: Cursor) -> tuple[int, int]:
    cursor.execute(
        f"SELECT count(*), coalesce(sum(length(e.data)), 0) FROM {PREFIX}outbox o"
        f" JOIN {PREFIX}event e ON e.seq = o.event_seq"
    )
    rows, size = cursor.fetchone()
    return rows, size + _ROW_BYTES * rows
