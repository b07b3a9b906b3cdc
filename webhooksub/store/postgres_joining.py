"""Publishing in a transaction of a host's connection to PostgreSQL: see joining.py.

One statement writes an event, finds the revision of subscriptions that the transaction sees,
and makes sure that this is our store: one round trip.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import AdaptedConnection, Connection
from sqlalchemy.orm import Session

from ..errors import ConfigurationError
from . import idempotency
from .base import NewEvent, Published
from .hot import Cursor
from .postgres_hot import POSTGRES, InsertEvents, PostgresCursor
from .schema import PREFIX

_INSERT_EVENTS = InsertEvents(
    f"(SELECT value::bigint FROM {PREFIX}meta WHERE key = 'subscription_rev')",
    f"WHERE EXISTS (SELECT FROM {PREFIX}meta WHERE key = 'store_id' AND value = %s)",
)


def join(connection: Any) -> Cursor:
    """A cursor in the transaction of the connection. Raises ConfigurationError."""
    raw = connection
    if isinstance(connection, Session):
        raw = connection.connection().connection.dbapi_connection
    elif isinstance(connection, Connection):
        raw = connection.connection.dbapi_connection
    if isinstance(raw, AdaptedConnection):
        _check_transaction(raw.driver_connection, psycopg.AsyncConnection)
        adapted: Any = raw  # used within SQLAlchemy's run_sync, where its calls are awaited
        return PostgresCursor(adapted.cursor())
    _check_transaction(raw, psycopg.Connection)
    # Neither the host's kind of cursor nor what it makes of a row.
    return PostgresCursor(psycopg.Cursor(raw, row_factory=tuple_row))


def _check_transaction(raw: Any, kind: type[Any]) -> None:
    if not isinstance(raw, kind):
        found = f"{type(raw).__module__}.{type(raw).__qualname__}"
        raise ConfigurationError(
            f"this store is PostgreSQL by psycopg; the connection given is a {found}"
        )
    if raw.autocommit and raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        raise ConfigurationError("the connection has no transaction open: BEGIN first")


def write_events(
    cursor: Cursor,
    store_id: str,
    events: Sequence[NewEvent],
    *,
    now: int,
    idempotency_until: int,
) -> list[Published]:
    """Writes the events as nobody's. Raises Conflict before anything is written, and
    ConfigurationError when the connection belongs to another store: then nothing is."""
    names = idempotency.names(events)
    known: list[bytes | None] = [None] * len(events)
    if names:
        POSTGRES.lock(cursor, names)
        known = idempotency.recognise(cursor, events, now)
    new = [event for event, id_ in zip(events, known, strict=True) if id_ is None]
    seqs = dict(zip([event.id for event in new], _insert(cursor, store_id, new, now), strict=True))
    if names:
        idempotency.remember(cursor, new, idempotency_until)
    return [
        Published(seqs[event.id], event.id, False)
        if id_ is None
        else Published(seqs.get(id_) or idempotency.seq_of(cursor, id_), id_, True)
        for event, id_ in zip(events, known, strict=True)
    ]


def _insert(cursor: Cursor, store_id: str, new: Sequence[NewEvent], now: int) -> list[int]:
    if not new:
        return []
    seqs = _INSERT_EVENTS.run(cursor, new, (store_id, now, 0, None))
    if len(seqs) != len(new):
        raise ConfigurationError("the connection belongs to another database than this store")
    return seqs
