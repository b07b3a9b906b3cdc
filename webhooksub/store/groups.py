"""When the earliest waiting delivery of each group is due (see due.py for what a group is).

Kept in memory, so that asking costs nothing while nothing is due. The times are exact or
too early, never too late: whoever makes a row wait notes it here, or adds one to the
store's `replay_rev` when it is another process. A group whose origin is held is due when
the hold ends; a subscription's own group when something of its share is left.
"""

import heapq
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, func, select

from . import counters
from .database import Peek
from .holds import NEVER, Holds, Key
from .schema import WAITING, delivery, waiting_in
from .shares import Returned, Shares
from .transaction import Transaction


class DueGroups:
    """For any thread; filled by the writer's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heap: list[tuple[int, int]] = []
        self._earliest: dict[int, int] = {}
        self._holds = Holds()
        self._shares = Shares()
        self._revision: int | None = None
        self._replay_rev: int | None = None

    def catch_up(self, transaction: Transaction) -> bool:
        """Looks at the store where somebody replayed, or changed subscriptions: those that
        were paused may deliver again. True: there may be anything new."""
        connection, revision = transaction.connection, transaction.revision
        replay_rev = counters.read(connection, counters.REPLAY_REV)
        if replay_rev != self._replay_rev:
            found = read_groups(connection, parked_only=False)
            with self._lock:
                self._earliest = {}
        elif revision != self._revision:
            found = read_groups(connection, parked_only=True)
        else:
            return False
        self._note_all(found)
        # And in turn: what was found empty earlier in this transaction is told after it.
        transaction.after.append(lambda: self._note_all(found))
        anew = replay_rev != self._replay_rev
        transaction.after.append(lambda: self._saw(revision, replay_rev))
        return anew

    def stale(self, peek: Peek) -> bool:
        """:meth:`catch_up` would look."""
        return (self._revision, self._replay_rev) != (peek.subscription_rev, peek.replay_rev)

    def _saw(self, revision: int, replay_rev: int) -> None:
        self._revision, self._replay_rev = revision, replay_rev

    def note(self, group: int, at: int) -> None:
        """A row of this group is due at `at`."""
        with self._lock:
            known = self._earliest.get(group)
            if known is None or at < known:
                self._set(group, at)

    def _note_all(self, found: Mapping[int, int]) -> None:
        for group, at in found.items():
            self.note(group, at)

    def correct(self, group: int, at: int | None) -> None:
        """The group was looked at: its next row is due at `at`, None: it has none."""
        with self._lock:
            if at is None:
                self._earliest.pop(group, None)
                self._shares.forget(-group)
            else:
                self._set(group, at)

    def due(self, now: int, most: int) -> list[int]:
        """Up to `most` groups with a row due, the longest due first."""
        with self._lock:
            ready: list[tuple[int, int]] = []
            while len(ready) < most and self._first() is not None and self._heap[0][0] <= now:
                ready.append(heapq.heappop(self._heap))
                self._earliest.pop(ready[-1][1])
            for at, group in ready:
                self._set(group, at)
            return [group for _, group in ready]

    def next_due(self) -> int | None:
        """The earliest time of all."""
        with self._lock:
            at = self._first()
            return None if at == NEVER else at

    def forget_times(self) -> None:
        """They are of another clock: they are read again, and no origin is held by them."""
        with self._lock:
            self._heap, self._earliest, self._holds = [], {}, Holds()
            self._revision = self._replay_rev = None

    def look_anew(self) -> None:
        """Others knew when something is due, and are gone."""
        self._replay_rev = None

    # --- holds and shares ------------------------------------------------------------

    def held(self, origins: Iterable[int]) -> set[int]:
        """Those of them that are held."""
        with self._lock:
            return {origin for origin in origins if origin in self._holds}

    def held_until(self, origin: int) -> int:
        """See :meth:`Holds.until`."""
        with self._lock:
            return self._holds.until(origin)

    def most(self, origin: int, most: int, now: int) -> int:
        """See :meth:`Holds.most`."""
        with self._lock:
            return self._holds.most(origin, most, now)

    def free(self, origin: int, now: int) -> None:
        """See :meth:`Holds.free`; its rows are due when they say."""
        with self._lock:
            self._holds.free(origin)
            self._look_again([origin], now)

    def left(self, subscription: int) -> int:
        """See :meth:`Shares.left`."""
        with self._lock:
            return self._shares.left(subscription)

    def took(self, counts: Mapping[int, int]) -> None:
        """See :meth:`Shares.took`; :meth:`correct` is due for the groups they came from."""
        with self._lock:
            self._shares.took(counts)

    def probe(self, origin: int, key: Key) -> None:
        """See :meth:`Holds.probe`; :meth:`correct` is due for its group."""
        with self._lock:
            self._holds.probe(origin, key)

    def learn(
        self,
        rows: Sequence[Sequence[Any]],
        news: Sequence[tuple[int, int | None]],
        claimed: Sequence[Returned],
        now: int,
    ) -> None:
        """See :meth:`Holds.learn` and :meth:`Shares.learn`. After the rows that wait are
        noted."""
        with self._lock:
            self._look_again(self._holds.learn(rows, news, now), now)
            self._look_again([-sub for sub in self._shares.learn(claimed)], now)

    def released(self, keys: Sequence[Key], now: int) -> None:
        """These were claimed and given back."""
        with self._lock:
            self._look_again(self._holds.released(keys, now), now)
            subs = self._shares.back(Counter([sub for _, sub in keys]))
            self._look_again([-sub for sub in subs], now)

    def _look_again(self, groups: Iterable[int], now: int) -> None:
        for group in groups:
            if group in self._earliest:
                self._set(group, now)

    # --- inside ----------------------------------------------------------------------

    def _set(self, group: int, at: int) -> None:
        at = max(at, self._not_before(group))
        if self._earliest.get(group) != at:
            self._earliest[group] = at
            heapq.heappush(self._heap, (at, group))

    def _not_before(self, group: int) -> int:
        if group >= 0:
            return self._holds.until(group)
        return 0 if self._shares.left(-group) else NEVER

    def _first(self) -> int | None:
        """Drops what was corrected since it was pushed."""
        heap = self._heap
        while heap and self._earliest.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None


def read_groups(connection: Connection, *, parked_only: bool) -> dict[int, int]:
    """Each group's earliest time: two probes of the index per group, no walk over rows."""
    rest, row = delivery.alias("rest"), delivery.alias("earliest")
    first = select(func.min(delivery.c.origin).label("origin")).where(WAITING)
    start = first.cte("walk", recursive=True)
    following = (
        select(func.min(rest.c.origin))
        .where(waiting_in(rest), rest.c.origin > start.c.origin)
        .scalar_subquery()
    )

    def goes_on(at: CTE) -> ColumnElement[bool]:
        return at.c.origin < 0 if parked_only else at.c.origin.is_not(None)

    walk = start.union_all(select(following).where(goes_on(start)))
    earliest = (
        select(func.min(row.c.next_at))
        .where(waiting_in(row), row.c.origin == walk.c.origin)
        .scalar_subquery()
    )
    query = select(walk.c.origin, earliest).where(goes_on(walk))
    return {group: at for group, at in connection.execute(query) if at is not None}
