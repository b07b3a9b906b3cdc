"""The PostgreSQL of bench/scale, and what is asked of it from outside."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from postgres import PostgresServer

DURABLE = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}
_SIZE = (
    "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
    " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
)


@contextmanager
def serving(**settings: str) -> Iterator[PostgresServer]:
    server = PostgresServer(**settings)
    server.start()
    try:
        yield server
    finally:
        server.close()


class Look:
    """A connection that looks at one schema."""

    def __init__(self, server: PostgresServer, schema: str) -> None:
        self._connection = psycopg.connect(server.conninfo(schema), autocommit=True)

    def __enter__(self) -> "Look":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def checkpoint(self) -> None:
        """What was written before is not written meanwhile."""
        self._connection.execute("CHECKPOINT")

    def rows(self, statement: str, parameters: Any = None) -> list[Any]:
        return self._connection.execute(statement, parameters).fetchall()

    def value(self, statement: str) -> Any:
        return self.rows(statement)[0][0]

    def size(self) -> int:
        """Bytes of all tables with their indexes."""
        return int(self.value(_SIZE))

    def wal(self) -> int:
        """Bytes written to it so far."""
        return int(self.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    def now_ms(self) -> int:
        return int(self.value("SELECT extract(epoch FROM clock_timestamp()) * 1000"))

    def await_empty(self, seconds: float) -> bool:
        """Until nothing is in the outbox. False: not so soon."""
        deadline = time.monotonic() + seconds
        while self.value("SELECT EXISTS (SELECT FROM webhooksub_outbox)"):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def server_cpu(server: PostgresServer) -> float:
    """Seconds of the server's processes, ended ones included."""
    ticks = os.sysconf("SC_CLK_TCK")
    main = server.pid
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(pid) == main:
            total += sum(map(int, rest[11:15])) / ticks
        elif int(rest[1]) == main:
            total += sum(map(int, rest[11:13])) / ticks
    return total
