"""Deliveries that wait, in memory: by origin, so that one origin never stands before others."""

import heapq
from collections import Counter, deque
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from ..events import DeliveryState, Outcome, SubscriptionStatus
from .base import SubscriptionRecord
from .deliveries import dead_of_backlog
from .holds import NEVER, NOT_BEGUN, Holds, Key
from .shares import Shares

Row = tuple[Any, ...]  # as Reports.deliveries gives it

_WAITING, _CLAIMED = int(DeliveryState.WAITING), int(DeliveryState.CLAIMED)
# Places in a row.
_STATE, _NEXT_AT, _ORIGIN, _OUTCOME, _UPDATED_AT = 2, 4, 5, 8, 10


class Waiting:
    """Rows that are waiting or claimed. Its caller holds the store's lock."""

    def __init__(self, most: int) -> None:
        """Of each subscription `most` rows."""
        self._most = most
        self.refused: Counter[int] = Counter()  # by subscription: past it, until taken
        self.refused_in_all = 0
        self._of_subscription: Counter[int] = Counter()
        self.rows: dict[Key, Row] = {}
        self._of_event: Counter[int] = Counter()
        self._heaps: dict[int, list[tuple[int, Key]]] = {}
        self._parked: dict[int, list[Key]] = {}  # by subscription: it may not deliver now
        self._full: dict[int, deque[Key]] = {}  # likewise: it has its share
        self._holds, self._shares = Holds(), Shares()

    def holds(self, event_seq: int) -> bool:
        """Something of this event is not over."""
        return event_seq in self._of_event

    def begin(self) -> None:
        """A dispatcher with a new engine: no origin is held yet, nothing is claimed."""
        self._holds, self._shares = Holds(), Shares()
        self._let_go(list(self._full))

    def settle(
        self,
        rows: Sequence[Row],
        waiting: Sequence[Row],
        news: Sequence[tuple[int, int | None]],
        now: int,
    ) -> tuple[list[int], list[Row]]:
        """Takes in what became of deliveries; `waiting` are those of `rows` that wait, `news`
        is about origins. Answers events of which nothing waits any more, and rows that ended
        because as many as may wait do."""
        self._holds.learn(rows, news, now)
        over: list[int] = []
        claimed: dict[Key, bool] = {}  # spilled?
        if self.rows:
            mine = self._of_event
            for row in [row for row in rows if row[0] in mine]:
                if self.rows.pop(row[:2], None) is not None:
                    claimed[row[:2]] = row[_OUTCOME] == Outcome.SPILLED
                    over += self._dropped(row[:2])
        dead = self._add_bounded(waiting, claimed)
        if claimed:
            self._let_go(self._shares.learn([(*key, was) for key, was in claimed.items()]))
        return [seq for seq in over if not self.holds(seq)], dead

    def _let_go(self, subs: Iterable[int]) -> None:
        """Of what was in the way of others so much may be claimed as is left of a share."""
        for sub in subs:
            full = self._full.get(sub, deque())
            for _ in range(min(self._shares.left(sub), len(full))):
                key = full.popleft()
                if key in self.rows and self.rows[key][_STATE] == _WAITING:
                    self.add(self.rows[key])
            if not full:
                self._full.pop(sub, None)
                self._shares.forget(sub)

    def _add_bounded(self, waiting: Sequence[Row], claimed: Container[Key]) -> list[Row]:
        """Those `claimed` have waited before: they have their place."""
        dead: list[Row] = []
        for row in waiting:
            if row[:2] in claimed or self._of_subscription[row[1]] < self._most:
                self.add(row)
            else:
                dead.append(dead_of_backlog(row))
        if dead:
            self.refused.update([row[1] for row in dead])
            self.refused_in_all += len(dead)
        return dead

    def add(self, row: Row) -> None:
        """A row that waits."""
        key = row[:2]
        if key not in self.rows:
            self._of_event[row[0]] += 1
            self._of_subscription[row[1]] += 1
        self.rows[key] = row
        heapq.heappush(self._heaps.setdefault(row[_ORIGIN], []), (row[_NEXT_AT], key))

    def move(self, subscription: int, origin: int, now: int) -> None:
        """What waits for it goes to this origin from now on, at once what could not start."""
        for key in self.of_subscription(subscription):
            row = self.rows[key]
            if row[_ORIGIN] != origin:
                at = now if row[_OUTCOME] == Outcome.SPILLED else row[_NEXT_AT]
                self.add((*row[:_NEXT_AT], at, origin, *row[_ORIGIN + 1 :]))

    def free(self, origin: int, now: int) -> None:
        """Somebody is there: what waits for it untried is due at once."""
        self._holds.free(origin)
        for row in [row for row in self.rows.values() if row[_ORIGIN] == origin]:
            if row[_STATE] == _WAITING and row[_OUTCOME] in NOT_BEGUN and row[_NEXT_AT] > now:
                self.add((*row[:_NEXT_AT], now, *row[_NEXT_AT + 1 :]))

    def keep_delays(self, now: int) -> None:
        """After the clock was set back: see :func:`due.keep_delays`."""
        self._holds = Holds()
        for row in list(self.rows.values()):
            late = row[_UPDATED_AT] - now
            if late > 0 and row[_STATE] == _WAITING:
                at = row[_NEXT_AT] - late
                self.add((*row[:_NEXT_AT], at, *row[_NEXT_AT + 1 : _UPDATED_AT], now))

    def release(self, key: Key, at: int) -> None:
        """A claimed row waits again."""
        self._holds.released([key], at)
        row = self.rows.get(key)
        if row is not None and row[_STATE] == _CLAIMED:
            self._let_go(self._shares.back({key[1]: 1}))
            self.add((*row[:_STATE], _WAITING, row[3], at, *row[_ORIGIN:]))

    def release_all(self) -> None:
        """Everything claimed waits again, due when it was."""
        for key, row in list(self.rows.items()):
            self.release(key, row[_NEXT_AT])

    def claim(
        self,
        now: int,
        per_origin: int,
        limit: int,
        subscriptions: Mapping[int, SubscriptionRecord],
    ) -> tuple[list[Row], list[Row]]:
        """Rows that are claimed now, and rows that ended instead."""
        claimed: list[Row] = []
        ended: list[Row] = []
        apart = [*self._parked, *self._full]
        for sub in [s for s in apart if subscriptions[s].expires_at <= now]:
            self.unpark(sub)
        heaps = [item for item in self._heaps.items() if item[1] and item[1][0][0] <= now]
        for origin, heap in sorted(heaps, key=lambda item: item[1][0]):
            first = len(claimed)
            most = min(limit, first + self._holds.most(origin, per_origin, now))
            while len(claimed) < most and heap and heap[0][0] <= now:
                at, key = heapq.heappop(heap)
                row = self.rows.get(key)
                if row is None or (row[_STATE], row[_NEXT_AT], row[_ORIGIN]) != (
                    _WAITING,
                    at,
                    origin,
                ):
                    continue  # the row went on since it was pushed
                self._sort(row, subscriptions.get(key[1]), now, claimed, ended)
            if len(claimed) > first:
                self._holds.probe(origin, claimed[first][:2])
        self._heaps = {origin: heap for origin, heap in self._heaps.items() if heap}
        return claimed, ended

    def _sort(
        self,
        row: Row,
        record: SubscriptionRecord | None,
        now: int,
        claimed: list[Row],
        ended: list[Row],
    ) -> None:
        if record is None or record.deleted_at is not None:
            ended.append(self.end(row[:2], DeliveryState.CANCELLED, Outcome.CANCELLED, now))
        elif record.expires_at <= now:
            ended.append(self.end(row[:2], DeliveryState.EXPIRED, Outcome.EXPIRED, now))
        elif record.status != SubscriptionStatus.ACTIVE:
            self._parked.setdefault(row[1], []).append(row[:2])
        elif not self._shares.left(row[1]):
            self._full.setdefault(row[1], deque()).append(row[:2])
        else:
            self._shares.took({row[1]: 1})
            self.rows[row[:2]] = (*row[:_STATE], _CLAIMED, *row[_STATE + 1 :])
            claimed.append(row)

    def end(self, key: Key, state: DeliveryState, outcome: Outcome, now: int) -> Row:
        """Takes a row out; answers it as it ends."""
        row = self.rows.pop(key)
        self._dropped(key)
        return (*row[:_STATE], int(state), row[3], None, *row[5:8], int(outcome), row[9], now)

    def unpark(self, subscription: int) -> None:
        """It may deliver again."""
        keys = [*self._parked.pop(subscription, ()), *self._full.pop(subscription, ())]
        for key in keys:
            if key in self.rows and self.rows[key][_STATE] == _WAITING:
                self.add(self.rows[key])

    def of_subscription(self, seq: int) -> list[Key]:
        """Keys of what waits for it, not claimed."""
        return [k for k, row in self.rows.items() if k[1] == seq and row[_STATE] == _WAITING]

    def next_due(self) -> int | None:
        at = min(
            (
                max(heap[0][0], self._holds.until(origin))
                for origin, heap in self._heaps.items()
                if heap
            ),
            default=NEVER,
        )
        return None if at == NEVER else at

    def count(self) -> tuple[int, int]:
        """Waiting, claimed."""
        claimed = sum(1 for row in self.rows.values() if row[_STATE] == _CLAIMED)
        return len(self.rows) - claimed, claimed

    def _dropped(self, key: Key) -> list[int]:
        event_seq, subscription = key
        self._of_subscription[subscription] -= 1
        if self._of_subscription[subscription] == 0:
            del self._of_subscription[subscription]
        self._of_event[event_seq] -= 1
        if self._of_event[event_seq] > 0:
            return []
        del self._of_event[event_seq]
        return [event_seq]
