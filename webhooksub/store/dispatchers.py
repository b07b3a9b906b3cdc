"""Who delivers: one row per started dispatcher, alive until it ends or is replaced.

What a dispatcher has claimed carries its seq. Whoever begins takes over what others held:
on SQLite the lock on the file proves that they are gone. A dispatcher whose row is not
alive any more is *fenced*: its settles are discarded.
"""

import logging
from enum import IntEnum

from sqlalchemy import Connection, delete, func, insert, select, update

from ..logs import about
from . import due, outbox
from .base import DispatcherInfo
from .schema import dispatcher
from .transaction import Transaction

log = logging.getLogger("webhooksub")

# Rows of dispatchers that ended, kept for whoever looks for what happened.
_KEPT = 100


class DispatcherState(IntEnum):
    """Codes of the store: append only."""

    ALIVE = 1
    ENDED = 2
    DEAD = 3


_alive = dispatcher.c.state == int(DispatcherState.ALIVE)


def begin(
    transaction: Transaction, info: DispatcherInfo, *, quarantine_claims: int, now: int
) -> int:
    """Registers a dispatcher and takes over what others held; answers its seq."""
    connection = transaction.connection
    follow_clock(transaction, now)
    connection.execute(update(dispatcher).where(_alive).values(state=int(DispatcherState.DEAD)))
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
    outbox.take_over(transaction, quarantine_claims)
    due.take_over(transaction)
    connection.execute(delete(dispatcher).where(dispatcher.c.seq <= key[0] - _KEPT))
    return transaction.dispatcher


def warn_of_clock(ms: int) -> None:
    text = "the wall clock was set back by %d ms or more: what waits keeps its delays"
    log.warning(text, ms, extra=about("clock_set_back", ms=ms))


def follow_clock(transaction: Transaction, now: int) -> bool:
    """True: somebody's last sign of life is later than now, so that the wall clock was set
    back since, and what waits has kept its delays. Nobody would deliver it before the old
    time comes again."""
    ahead = dispatcher.c.heartbeat_at > now
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
    mine = dispatcher.c.seq == transaction.dispatcher
    transaction.connection.execute(
        update(dispatcher).where(mine).values(state=int(DispatcherState.ENDED), heartbeat_at=now)
    )


def count_alive(connection: Connection) -> int:
    """Those that did not end by themselves. Whether they live, the lock knows."""
    query = select(func.count()).select_from(dispatcher).where(_alive)
    return connection.execute(query).scalar_one()
