"""Settling: what became of deliveries, written in one transaction.

The rows come from the C core in the order in which they are bound. A dispatcher that was
declared dead settles nothing: whoever took over delivers again.
"""

import logging
import time
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import Any

from sqlalchemy import func, select

from .. import _core
from ..events import DeliveryState, Outcome
from . import subscriptions
from .groups import DueGroups
from .holds import Key
from .schema import WAITING, delivery
from .shares import Returned
from .transaction import Transaction

log = logging.getLogger("webhooksub")

_WAITING, _DEAD = int(DeliveryState.WAITING), int(DeliveryState.DEAD)
_BACKLOG_FULL = int(Outcome.BACKLOG_FULL)
# Places in a row of Reports.deliveries.
_SUBSCRIPTION, _STATE, _NEXT_AT, _ORIGIN, _OUTCOME = 1, 2, 4, 5, 8
# Counting may take this part of the time while a subscription is at its limit.
_COUNTING_SHARE = 0.05

Row = tuple[Any, ...]


class Backlog:
    """Bounds the waiting rows of each subscription; counts only when one may be too many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.refused = 0
        self._untold: Counter[int] = Counter()  # of them, by subscription
        self._total: int | None = None  # at most so many wait, of all subscriptions
        self._counts: Counter[int] | None = None  # at most so many, of each
        self._counted_at = self._took = 0.0

    def bound(
        self,
        transaction: Transaction,
        rows: list[Row],
        waiting: Sequence[Row],
        claimed: Iterable[Returned],
    ) -> list[Row]:
        """The rows, with those past the limit dead instead of waiting. Those `claimed` have
        waited before: they have their place."""
        if self._total is None:
            query = select(func.count()).select_from(delivery).where(WAITING)
            self._total = transaction.connection.execute(query).scalar_one()
        self._total += len(waiting)
        if self._total <= self.most:
            return rows
        added = Counter([row[_SUBSCRIPTION] for row in waiting])
        if self._counts is None or any(self._counts[s] + n > self.most for s, n in added.items()):
            self._count(transaction)
        assert self._counts is not None
        free = {s: max(0, self.most - self._counts[s]) for s in added}
        bounded = _bounded(rows, free, {(event, sub) for event, sub, _ in claimed})
        refused = Counter([row[_SUBSCRIPTION] for row in bounded if row[_OUTCOME] == _BACKLOG_FULL])
        self._counts.update(added - refused)
        if refused:
            transaction.after.append(lambda: self._refuse(refused))
        return bounded

    def take_refused(self) -> Counter[int]:
        """By subscription, since it was called before. Any thread."""
        untold, self._untold = self._untold, Counter()
        return untold

    def _refuse(self, refused: Counter[int]) -> None:
        self.refused += refused.total()
        self._untold = self._untold + refused

    def _count(self, transaction: Transaction) -> None:
        began = time.monotonic()
        if self._counts is not None and began - self._counted_at < self._took / _COUNTING_SHARE:
            return
        sub = delivery.c.subscription_seq
        query = select(sub, func.count()).where(WAITING).group_by(sub)
        found = transaction.connection.execute(query)
        self._counts = Counter({seq: count for seq, count in found})
        self._total = self._counts.total()
        self._counted_at = time.monotonic()
        self._took = self._counted_at - began


def dead_of_backlog(row: Row) -> Row:
    """The row of a delivery that must not wait, though it should."""
    dead = (_DEAD, *row[_STATE + 1 : _NEXT_AT], None, *row[_ORIGIN:_OUTCOME], _BACKLOG_FULL)
    return (*row[:_STATE], *dead, *row[_OUTCOME + 1 :])


def _bounded(rows: Sequence[Row], free: dict[int, int], claimed: Container[Key]) -> list[Row]:
    """The rows, dead where there is no place left for one that should wait."""
    bounded: list[Row] = []
    for row in rows:
        if row[_STATE] == _WAITING and row[:2] not in claimed:
            if free[row[_SUBSCRIPTION]] > 0:
                free[row[_SUBSCRIPTION]] -= 1
            else:
                row = dead_of_backlog(row)
        bounded.append(row)
    return bounded


def settle(
    transaction: Transaction,
    reports: _core.Reports | None,
    done: Sequence[tuple[int]],
    *,
    groups: DueGroups,
    backlog: Backlog,
    now: int,
) -> bool:
    """See :meth:`Store.settle`."""
    if not transaction.alive:
        return False
    cursor, hot = transaction.cursor, transaction.hot
    if reports is not None:
        tried, waiting = list(reports.deliveries(now)), reports.waiting(now)
        rows, news, claimed = tried, reports.origins(), reports.claimed()
        if waiting:
            rows = _readdress(transaction, groups, rows, waiting, news)
            rows = backlog.bound(transaction, rows, waiting, claimed)
            transaction.after.append(lambda: _note(groups, rows))
        transaction.after.append(lambda: groups.learn(tried, news, claimed, now))
        hot.upsert_deliveries(cursor, rows)
        hot.insert_attempts(cursor, reports.attempts())
        hot.delete_outbox(cursor, reports.done())
        for seq, change, outcome in reports.subscriptions():
            subscriptions.apply_change(transaction, seq, change, outcome, now)
    hot.delete_outbox(cursor, done)
    return True


def _readdress(
    transaction: Transaction,
    groups: DueGroups,
    rows: list[Row],
    waiting: Sequence[Row],
    news: Sequence[tuple[int, int | None]],
) -> list[Row]:
    """The rows, those that would wait for a held origin at the one that their subscription
    has now: its owner may have changed the URL because of that."""
    held = groups.held({row[_ORIGIN] for row in waiting}) | {origin for origin, _ in news}
    seqs = {row[_SUBSCRIPTION] for row in waiting if row[_ORIGIN] in held}
    if not seqs:
        return rows
    now = subscriptions.origins_of(transaction.connection, seqs)
    return [
        (*row[:_ORIGIN], now[row[_SUBSCRIPTION]], *row[_ORIGIN + 1 :])
        if row[_STATE] == _WAITING and now.get(row[_SUBSCRIPTION], row[_ORIGIN]) != row[_ORIGIN]
        else row
        for row in rows
    ]


def _note(groups: DueGroups, rows: Sequence[Row]) -> None:
    earliest: dict[int, int] = {}
    for row in rows:
        if row[_STATE] != _WAITING:
            continue
        at = earliest.get(row[_ORIGIN])
        if at is None or row[_NEXT_AT] < at:
            earliest[row[_ORIGIN]] = row[_NEXT_AT]
    for group, at in earliest.items():
        groups.note(group, at)
