"""Publishing in a transaction that belongs to the caller.

The events become real, or never were, with the caller's own rows. Nothing is handed over:
an after-commit hook also fires where a SAVEPOINT was rolled back, so it carries no event
and only wakes the search for new ones.

A deferred SQLite transaction that has read cannot write once somebody else wrote. So in
manual mode the transaction must hold the write lock already (BEGIN IMMEDIATE); where the
driver begins transactions by itself, it does so at the first write, which is as good.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Self, cast
from weakref import WeakSet

from sqlalchemy import AdaptedConnection, Connection
from sqlalchemy import event as hooks
from sqlalchemy.orm import Session

from ..errors import ConfigurationError
from . import idempotency
from .base import NewEvent, Published
from .hot import Cursor
from .schema import PREFIX

_INSERT_EVENT = (
    f"INSERT INTO {PREFIX}event (id, root, action, paths, open_id, published_at, data,"
    " subscription_rev) VALUES (?, ?, ?, ?, ?, ?, ?,"
    f" (SELECT value FROM {PREFIX}meta WHERE key = 'subscription_rev')) RETURNING seq"
)
_INSERT_OUTBOX = f"INSERT INTO {PREFIX}outbox (event_seq, dispatcher, claims) VALUES (?, NULL, 0)"


class CommitWatch:
    """Calls `wake` when a SQLAlchemy connection or session that we wrote to commits.

    One hook per connection, however often it is written to. `soon` is called instead
    where the hook comes just before the commit.
    """

    def __init__(self, wake: Callable[[], None], soon: Callable[[], None]) -> None:
        self._wake, self._soon = wake, soon
        self._pending: WeakSet[Any] = WeakSet()
        # The same object each time, so that it can be found among a connection's hooks.
        self._fire_session: Callable[[Session], None] = self._after_session
        self._fire_connection: Callable[[Connection], None] = self._before_commit

    def watch(self, connection: Any) -> None:
        """Anything without hooks is left alone."""
        if isinstance(connection, Session):
            name, hook = "after_commit", cast(Any, self._fire_session)
        elif isinstance(connection, Connection):
            name, hook = "commit", self._fire_connection
        else:
            return
        self._pending.add(connection)
        if not hooks.contains(connection, name, hook):
            hooks.listen(connection, name, hook)

    def _after_session(self, session: Session) -> None:
        if session in self._pending and not session.in_nested_transaction():
            self._pending.discard(session)
            self._wake()

    def _before_commit(self, connection: Connection) -> None:
        if connection in self._pending:
            self._pending.discard(connection)
            self._soon()


class AwaitedCursor:
    """A cursor of aiosqlite within SQLAlchemy's `run_sync`, where its calls are awaited."""

    def __init__(self, adapted: AdaptedConnection) -> None:
        self._adapted = adapted
        self._cursor: Any = adapted.run_async(lambda driver: driver.cursor())
        self.row_factory: Any = None

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Self:
        self._cursor.row_factory = self.row_factory
        self._adapted.run_async(lambda _: self._cursor.execute(sql, parameters))
        return self

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> Self:
        self._adapted.run_async(lambda _: self._cursor.executemany(sql, rows))
        return self

    def fetchone(self) -> Any:
        return self._adapted.run_async(lambda _: self._cursor.fetchone())

    def fetchall(self) -> Sequence[Any]:
        rows: Sequence[Any] = self._adapted.run_async(lambda _: self._cursor.fetchall())
        return rows


def driver_cursor(connection: Any) -> tuple[sqlite3.Connection, Any]:
    """The sqlite3 connection beneath, and a cursor of it. Raises ConfigurationError for
    anything else."""
    raw = connection
    if isinstance(connection, Session):
        raw = connection.connection().connection.dbapi_connection
    elif isinstance(connection, Connection):
        raw = connection.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection):
        return raw, raw.cursor()
    if isinstance(raw, AdaptedConnection):
        # What aiosqlite wraps may be looked at from any thread, and used on its own only.
        beneath = getattr(raw.driver_connection, "_conn", None)
        if isinstance(beneath, sqlite3.Connection):
            return beneath, AwaitedCursor(raw)
        raw = raw.driver_connection
    kind = f"{type(raw).__module__}.{type(raw).__qualname__}"
    raise ConfigurationError(f"this store is SQLite; the connection given is a {kind}")


def join(raw: sqlite3.Connection, cursor: Any, path: str) -> Cursor:
    """The cursor in the connection's transaction, begun where the driver would begin one.

    Raises ConfigurationError unless it can write to the store at `path` safely.
    """
    cursor.row_factory = None  # the host's may make anything of a row
    here = cursor.execute("PRAGMA database_list").fetchone()[2]
    if not here or not os.path.samefile(here, path):
        raise ConfigurationError("the connection belongs to another database than this store")
    check_wal(cursor)
    if raw.isolation_level is not None and getattr(raw, "autocommit", -1) == -1:
        if not raw.in_transaction:
            cursor.execute("BEGIN IMMEDIATE")
    elif not raw.in_transaction:
        raise ConfigurationError("the connection has no transaction open: BEGIN IMMEDIATE first")
    elif not _write_locked(path):
        raise ConfigurationError(
            "the connection's transaction is DEFERRED, which fails as soon as somebody else "
            "writes: begin it by BEGIN IMMEDIATE"
        )
    joined: Cursor = cursor
    return joined


def check_wal(raw: Any) -> None:
    """Raises ConfigurationError unless this DB-API connection's file is in WAL mode."""
    (mode,) = raw.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        raise ConfigurationError(
            f"the SQLite file is in journal mode {mode!r}: WAL is required, "
            "which `PRAGMA journal_mode = WAL` sets once and for ever"
        )


def _write_locked(path: str) -> bool:
    """Somebody writes: an open transaction that is immediate would be the one."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as probe:
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        probe.execute("ROLLBACK")
        return False


def write_events(
    cursor: Cursor, events: Sequence[NewEvent], *, now: int, idempotency_until: int
) -> list[Published]:
    """Writes the events as nobody's. Raises Conflict before anything is written."""
    known: list[bytes | None] = [None] * len(events)
    if any(event.idempotency_key is not None for event in events):
        known = idempotency.recognise(cursor, events, now)
    answers: list[Published] = []
    for event, id_ in zip(events, known, strict=True):
        if id_ is not None:
            answers.append(Published(idempotency.seq_of(cursor, id_), id_, True))
            continue
        paths = "\n".join(event.paths)
        cursor.execute(
            _INSERT_EVENT,
            (event.id, event.root, event.action, paths, event.open_id, now, event.data),
        )
        [(seq,)] = cursor.fetchall()
        cursor.execute(_INSERT_OUTBOX, (seq,))
        idempotency.remember(cursor, [event], idempotency_until)
        answers.append(Published(seq, event.id, False))
    return answers
