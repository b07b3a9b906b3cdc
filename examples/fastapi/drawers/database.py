"""One SQLite file for the service's rows and for webhooksub's: they commit together."""

from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from .models import Base


def open_engine(path: Path) -> AsyncEngine:
    """Its transactions begin by BEGIN IMMEDIATE.

    SQLAlchemy leaves BEGIN to sqlite3, which begins too late for SAVEPOINT, and deferred: a
    transaction that reads first fails when somebody else writes before it does.
    """
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # sqlite3 begins nothing by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 10000")
        cursor.execute("PRAGMA journal_mode = WAL")  # webhooksub needs it
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA wal_autocheckpoint = 0")  # the dispatcher does it
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


async def make_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


def sessions_of(engine: AsyncEngine) -> async_sessionmaker[Any]:
    """Rows stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)
