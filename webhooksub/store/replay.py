"""Delivering again on request: rows that ended wait once more, due now.

A delivery that succeeded at once has its only record in its row; before the row starts
anew that becomes an attempt, so that no history is lost.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from ..events import DeliveryState
from . import counters
from .base import EventRecord
from .queries import ENDED, event_record, is_past, seq_before
from .schema import attempt, delivery, event, outbox, subscription
from .transaction import Transaction

_WAITING = int(DeliveryState.WAITING)
_UNDER_WAY = (_WAITING, int(DeliveryState.CLAIMED))
# Events read and rows written at once.
PAGE = 1_000

_one = (delivery.c.event_seq == bindparam("e"), delivery.c.subscription_seq == bindparam("s"))
_over = and_(*(delivery.c.state != code for code in _UNDER_WAY))
_keep_success = insert(attempt).from_select(
    ["event_seq", "subscription_seq", "batch", "n", "started_at", "duration_ms"]
    + ["http_status", "outcome"],
    select(
        delivery.c.event_seq,
        delivery.c.subscription_seq,
        delivery.c.batch,
        delivery.c.attempts,
        delivery.c.updated_at - func.coalesce(delivery.c.duration_ms, 0),
        func.coalesce(delivery.c.duration_ms, 0),
        delivery.c.http_status,
        delivery.c.outcome,
    ).where(
        *_one,
        delivery.c.state == int(DeliveryState.DELIVERED),
        delivery.c.attempts == 1,
        delivery.c.outcome.is_not(None),
    ),
)
_origin = (
    select(func.coalesce(subscription.c.origin, 0))
    .where(subscription.c.seq == delivery.c.subscription_seq)
    .scalar_subquery()
)
_again = (
    update(delivery)
    .where(*_one, _over)
    .where(
        select(subscription.c.seq)
        .where(subscription.c.seq == delivery.c.subscription_seq)
        .where(subscription.c.deleted_at.is_(None))
        .exists()
    )
    .where(select(event.c.seq).where(event.c.seq == delivery.c.event_seq).exists())
    .values(
        state=_WAITING,
        attempts=0,
        next_at=bindparam("now"),
        origin=_origin,
        dispatcher=None,
        updated_at=bindparam("now"),
    )
)


def replay(transaction: Transaction, rows: Sequence[tuple[int, int]], now: int) -> int:
    """Those of (event seq, subscription seq) that ended wait again; answers how many."""
    given: list[dict[str, Any]] = [{"e": e, "s": s, "now": now} for e, s in rows]
    if not given:
        return 0
    transaction.hot.lock(transaction.cursor, [ENDED])
    transaction.connection.execute(_keep_success, given)
    count = transaction.connection.execute(_again, given).rowcount
    _tell_dispatchers(transaction.connection)
    return count


def replay_events(transaction: Transaction, seqs: Sequence[int], sub: int, now: int) -> int:
    """These events for one subscription, also those that it missed; answers how many."""
    connection = transaction.connection
    transaction.hot.lock(transaction.cursor, [ENDED])
    query = select(func.coalesce(subscription.c.origin, 0)).where(subscription.c.seq == sub)
    origin = connection.execute(query).scalar()
    if not seqs or origin is None:
        return 0
    mine = delivery.c.subscription_seq == sub
    query = select(delivery.c.event_seq).where(mine, delivery.c.event_seq.in_(seqs))
    there = set(connection.execute(query).scalars())
    row = {"subscription_seq": sub, "state": _WAITING, "attempts": 0, "origin": origin}
    row |= {"next_at": now, "updated_at": now}
    missing = [{"event_seq": seq, **row} for seq in seqs if seq not in there]
    if missing:
        connection.execute(insert(delivery), missing)
        _tell_dispatchers(connection)
    return len(missing) + replay(transaction, [(seq, sub) for seq in there], now)


def _tell_dispatchers(connection: Connection) -> None:
    """Another process may deliver: it looks for what is due when this number changed."""
    counters.add_one(connection, counters.REPLAY_REV)


def events_between(
    connection: Connection, sub: int, since: int, until: int, after: int, now: int
) -> tuple[list[EventRecord], int | None]:
    """A page of the events of the subscription's root that were published in [since, until)
    and that the fan-out will not bring it anyway; and after which seq the next page begins.
    """
    row = connection.execute(
        select(subscription.c.root, subscription.c.created_rev).where(
            subscription.c.seq == sub, subscription.c.deleted_at.is_(None)
        )
    ).first()
    after = max(after, seq_before(connection, since))
    if row is None:
        return [], None
    found = connection.execute(
        select(event, outbox.c.event_seq.label("queued"))
        .outerjoin(outbox, outbox.c.event_seq == event.c.seq)
        .where(event.c.root == row.root, event.c.seq > after)
        .order_by(event.c.seq)
        .limit(PAGE)
    ).all()
    if not found or is_past(found[0].published_at, until, now):
        return [], None
    wanted = [
        event_record(e)
        for e in found
        if since <= e.published_at < until
        and (e.queued is None or e.subscription_rev < row.created_rev)
    ]
    return wanted, found[-1].seq
