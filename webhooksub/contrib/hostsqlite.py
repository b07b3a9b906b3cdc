"""A host's own SQLAlchemy engine on a SQLite file, so that events may join its transactions.

What pysqlite does by itself is nearly right: it begins a transaction at the first write, so
that reading holds no lock. It leaves three things to do:

- The file must be in WAL mode, and a transaction must have the write lock from its first
  moment: one that begins as a reader fails at once when somebody else wrote meanwhile.
- SAVEPOINT must be inside a transaction. Where none was begun SQLite takes the savepoint for
  the transaction, and RELEASE commits it whatever becomes of the rest.
- Only the dispatcher copies the WAL into the file.

And the store must have its schema before the host's first transaction: nobody else can make
it while that one writes.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy import event as hooks

# As our own connections wait for somebody else's transaction.
_BUSY_TIMEOUT_MS = 10_000


def set_up_sqlite(engine: Engine, prepare: Callable[[], None] | None = None) -> None:
    """Sets up the connections that `engine` opens from now on. Twice is fine.

    `prepare` is called whenever a transaction is about to begin, and has to make the store.

    Engines of other databases are left alone, and connections whose isolation_level is None:
    their host begins transactions itself, and must do so by BEGIN IMMEDIATE.
    """
    if engine.dialect.name != "sqlite" or hooks.contains(engine, "connect", _set_up):
        return
    hooks.listen(engine, "connect", _set_up)
    hooks.listen(engine, "savepoint", _begin_before_savepoint)
    if prepare is not None:
        hooks.listen(engine, "begin", lambda _: prepare())


def _set_up(raw: Any, _: Any) -> None:
    if not isinstance(raw, sqlite3.Connection):
        return
    raw.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    raw.execute("PRAGMA wal_autocheckpoint = 0")
    # Asked first: setting the mode needs the lock, even where it is set already.
    if raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        raw.execute("PRAGMA journal_mode = WAL")
    if raw.isolation_level is not None:
        raw.isolation_level = "IMMEDIATE"


def _begin_before_savepoint(connection: Connection, _: str) -> None:
    raw = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection) and raw.isolation_level and not raw.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
