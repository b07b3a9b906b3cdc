"""The database that dispatchers of a proof share: copied for a round, and read from outside."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import failpoints
import psycopg
from postgres import PostgresServer

Row = tuple[Any, ...]
STORES = ("sqlite", "postgresql")
# Sessions of killed processes end soon; until then their database cannot be copied.
_SESSIONS_END_SECONDS = 20.0


class Database(Protocol):
    """What the rounds and their judge ask. Statements are those that both kinds understand."""

    #: SQL of an event's number, and of an id in hex.
    NUMBER: str
    ID: str
    #: Whether several dispatchers may deliver from it.
    shared: bool

    @property
    def url(self) -> str: ...

    @property
    def environ(self) -> dict[str, str]:
        """For what is preloaded."""

    def ask(self, sql: str) -> list[Row]: ...

    def copy(self, name: str) -> Self:
        """Another one with the same rows. Nobody is writing."""

    def damage(self) -> list[str]:
        """What the database says of itself; none is good."""


class SqliteFile:
    NUMBER, ID = "json_extract(CAST(data AS TEXT), '$.n')", "lower(hex(id))"
    shared = False

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def environ(self) -> dict[str, str]:
        return {"WHS_FAILPOINT_DATABASE": str(self.path)}

    def ask(self, sql: str) -> list[Row]:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA busy_timeout = 10000")
            return connection.execute(sql).fetchall()

    def copy(self, name: str) -> "SqliteFile":
        made = SqliteFile(self.path.with_name(f"{name}.db"))
        shutil.copy(self.path, made.path)
        return made

    def damage(self) -> list[str]:
        found = [text for (text,) in self.ask("PRAGMA quick_check") if text != "ok"]
        if self.ask("SELECT name FROM sqlite_master WHERE name LIKE '%\\_next%' ESCAPE '\\'"):
            found.append("a half of a migration is left")
        return found


class PostgresDatabase:
    """One of a server of the tests' own."""

    NUMBER = "(convert_from(data, 'UTF8')::json->>'n')::bigint"
    ID = "encode(id, 'hex')"
    shared = True

    def __init__(self, server: PostgresServer, name: str = "postgres") -> None:
        self._server, self._name = server, name

    @property
    def url(self) -> str:
        return self._server.url(database=self._name)

    @property
    def environ(self) -> dict[str, str]:
        return {}

    def ask(self, sql: str) -> list[Row]:
        with psycopg.connect(self._server.conninfo(database=self._name)) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[arg-type]

    def make(self) -> Self:
        """An empty one."""
        self._command(f"CREATE DATABASE {self._name}")
        return self

    def copy(self, name: str) -> "PostgresDatabase":
        deadline = time.monotonic() + _SESSIONS_END_SECONDS
        while True:
            try:
                self._command(f"CREATE DATABASE {name} TEMPLATE {self._name}")
                return PostgresDatabase(self._server, name)
            except psycopg.errors.ObjectInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def damage(self) -> list[str]:
        half = "SELECT relname FROM pg_class WHERE relname LIKE 'webhooksub\\_next%'"
        return ["a half of a migration is left"] if self.ask(half) else []

    def _command(self, statement: str) -> None:
        with psycopg.connect(self._server.conninfo(), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


def points_of(store: str) -> list[str]:
    """The failpoints that a process passes on such a store."""
    elsewhere = failpoints.OF_FILES if store == "postgresql" else ()
    return [name for name in failpoints.POINTS if name not in elsewhere]


@contextmanager
def places(store: str) -> Iterator[Any]:
    """A function of a folder and a name that makes an empty database; all end together."""
    if store == "sqlite":
        yield lambda folder, name: SqliteFile(folder / f"{name}.db")
        return
    server = PostgresServer()
    try:
        server.start()
        yield lambda folder, name: PostgresDatabase(server, f"{folder.name}_{name}").make()
    finally:
        server.close()
