"""Who delivers: one row per started dispatcher, alive until it ends or is replaced.

What a dispatcher has claimed carries its seq. Whoever begins takes over what dead ones held:
on SQLite the lock on the file proves that all others are gone, on PostgreSQL those are that
gave no sign of life for long, and every heartbeat looks for them. A dispatcher whose row is
not alive any more is *fenced*: its settles are discarded.
"""

import logging
from datetime import UTC, datetime
from enum import IntEnum

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from ..logs import about
from . import counters, due, outbox
from .base import DispatcherInfo
from .schema import ALIVE, dispatcher
from .transaction import Transaction

log = logging.getLogger("webhooksub")

# Rows of dispatchers that ended, kept for whoever looks for what happened.
_KEPT = 100


class DispatcherState(IntEnum):
    """Codes of the store: append only."""

    ALIVE = 1
    ENDED = 2
    DEAD = 3


# What begins and take-overs lock: one at a time.
_ROLES = "dispatchers"


def begin(
    transaction: Transaction,
    info: DispatcherInfo,
    *,
    quarantine_claims: int,
    now: int,
    gone_before: int,
) -> int:
    """Registers a dispatcher and takes over what dead ones held; answers its seq.

    Those are dead whose last sign of life was before `gone_before`.
    """
    connection = transaction.connection
    follow_clock(transaction, now)
    transaction.hot.lock(transaction.cursor, [_ROLES])
    key = connection.execute(
        insert(dispatcher).values(
            id=info.id,
            host=info.host,
            pid=info.pid,
            version=info.version,
            started_at=now,
            heartbeat_at=now,
            state=int(DispatcherState.ALIVE),
        )
    ).inserted_primary_key
    assert key is not None
    transaction.dispatcher = int(key[0])
    _bury(transaction, gone_before)
    _take_over(transaction, quarantine_claims)
    outbox.free_aside(transaction)
    old = dispatcher.c.seq <= key[0] - _KEPT
    connection.execute(delete(dispatcher).where(old, ~ALIVE))
    return transaction.dispatcher


def take_over_gone(transaction: Transaction, *, quarantine_claims: int, gone_before: int) -> bool:
    """True: others were dead, and what they held is free again.

    Who was silent for as long itself does not judge: the store was away, for all of them.
    """
    mine = select(dispatcher.c.heartbeat_at).where(dispatcher.c.seq == transaction.dispatcher)
    if transaction.connection.execute(mine).scalar_one() < gone_before:
        return False
    gone = select(dispatcher.c.seq).where(*_gone(transaction, gone_before))
    if transaction.connection.execute(gone.limit(1)).first() is None:
        return False
    transaction.hot.lock(transaction.cursor, [_ROLES])
    if not _bury(transaction, gone_before):
        return False
    _take_over(transaction, quarantine_claims)
    return True


def _gone(transaction: Transaction, before: int) -> list[ColumnElement[bool]]:
    others = dispatcher.c.seq != transaction.dispatcher
    return [ALIVE, dispatcher.c.heartbeat_at < before, others]


def _bury(transaction: Transaction, gone_before: int) -> int:
    """Declares the others dead that are gone. Who is writing just now is not: its row is
    locked."""
    gone = select(dispatcher.c.seq).where(*_gone(transaction, gone_before))
    seqs = list(transaction.connection.execute(gone.with_for_update(skip_locked=True)).scalars())
    transaction.connection.execute(
        update(dispatcher).where(dispatcher.c.seq.in_(seqs)).values(state=int(DispatcherState.DEAD))
    )
    if seqs:
        facts = about("taken_over", dispatchers=list(seqs))
        log.warning("dispatchers %s gave no sign of life: taken over", seqs, extra=facts)
    return len(seqs)


def _take_over(transaction: Transaction, quarantine_claims: int) -> None:
    outbox.take_over(transaction, quarantine_claims)
    due.take_over(transaction)


def warn_of_clock(ms: int) -> None:
    text = "the wall clock was set back by %d ms or more: what waits keeps its delays"
    log.warning(text, ms, extra=about("clock_set_back", ms=ms))


def follow_clock(transaction: Transaction, now: int) -> bool:
    """True: somebody's last sign of life is later than now, so that the wall clock was set
    back since, and what waits has kept its delays. Nobody would deliver it before the old
    time comes again."""
    ahead = dispatcher.c.heartbeat_at > now + transaction.clocks_differ_ms
    connection = transaction.connection
    latest = connection.execute(select(func.max(dispatcher.c.heartbeat_at)).where(ahead)).scalar()
    if latest is None:
        return False
    warn_of_clock(latest - now)
    due.keep_delays(transaction, now)
    connection.execute(update(dispatcher).where(ahead).values(heartbeat_at=now))
    return True


def heartbeat(transaction: Transaction, now: int) -> bool:
    """False: this dispatcher was declared dead."""
    if transaction.alive:
        mine = dispatcher.c.seq == transaction.dispatcher
        transaction.connection.execute(update(dispatcher).where(mine).values(heartbeat_at=now))
    return transaction.alive


def end(transaction: Transaction, now: int) -> None:
    """Gives back what is claimed. One that was declared dead has nothing to give."""
    if not transaction.alive:
        return
    outbox.give_back(transaction)
    due.give_back(transaction)
    # What waits, only this one knew when; who is still there looks for it.
    counters.add_one(transaction.connection, counters.REPLAY_REV)
    mine = dispatcher.c.seq == transaction.dispatcher
    transaction.connection.execute(
        update(dispatcher).where(mine).values(state=int(DispatcherState.ENDED), heartbeat_at=now)
    )


def count_alive(connection: Connection, since: int) -> int:
    """Those that did not end by themselves, and gave a sign of life since then."""
    query = select(func.count()).select_from(dispatcher)
    return connection.execute(query.where(*_alive(since))).scalar_one()


def describe_alive(connection: Connection, since: int) -> list[str]:
    """The same, in words."""
    query = select(dispatcher).where(*_alive(since)).order_by(dispatcher.c.seq)
    return [
        f"host {row.host}, pid {row.pid}, started {format_start(row.started_at)}"
        for row in connection.execute(query)
    ]


def _alive(since: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return ALIVE, dispatcher.c.heartbeat_at >= since


def format_start(ms: int) -> str:
    """As people read it."""
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="seconds")
