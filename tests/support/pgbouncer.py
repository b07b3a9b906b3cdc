"""A PgBouncer of one's own in transaction mode, in front of the tests' PostgreSQL."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from postgres import PostgresServer, as_user
from redisd import free_port, wait_for_port

_SECONDS = 20
_SETTINGS = """
[databases]
shop = host={host} dbname=postgres connect_query='SET search_path = {schema}'

[pgbouncer]
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
query_wait_timeout = 15
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
admin_users = postgres
"""
# What is newer can prepare statements for its clients; a service may meet one that does not.
_PREPARES_FROM = (1, 21)
_UNPREPARED = "max_prepared_statements = 0\n"


class PgBouncer:
    """Lends `size` connections that see `schema`, a transaction each, until it is left."""

    def __init__(self, server: PostgresServer, schema: str, *, size: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="whs-pgbouncer-", dir="/tmp"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        settings = _SETTINGS.format(
            host=server.folder, schema=schema, size=size, port=self.port, folder=self._folder
        )
        if _version() >= _PREPARES_FROM:
            settings += _UNPREPARED
        (self._folder / "settings").write_text(settings)
        (self._folder / "users").write_text('"postgres" ""\n')
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)

    @property
    def url(self) -> str:
        """For a Dispatcher."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/shop"

    def connect(self, **given: Any) -> psycopg.Connection:
        """As a host does that knows of the pooler."""
        return psycopg.connect(self.url, **{"prepare_threshold": None} | given)

    def show(self, what: str) -> list[dict[str, Any]]:
        """Of its console: POOLS, SERVERS, CLIENTS …"""
        given: dict[str, Any] = {"user": "postgres", "dbname": "pgbouncer", "autocommit": True}
        with psycopg.connect(host="127.0.0.1", port=self.port, **given) as console:
            # It knows the simple protocol alone, which a cursor of the server's side lacks.
            cursor = psycopg.ClientCursor(console).execute(f"SHOW {what}")  # type: ignore[arg-type]
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def start(self) -> None:
        """Returns when it answers."""
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*as_user(), _program(), str(self._folder / "settings")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        wait_for_port(self.port, self._process)

    def stop(self) -> None:
        """At once: whoever was amid a transaction sees its connection break."""
        if self._process is not None:
            self._process.kill()  # a newer one waits for its clients before it ends by a TERM
            self._process.wait(_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@cache
def _program() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    program = shutil.which("pgbouncer", path=path)
    if program is None:
        raise RuntimeError("PgBouncer is not installed: tools/setup.sh does it")
    return program


@cache
def _version() -> tuple[int, ...]:
    done = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"PgBouncer (\d+)\.(\d+)", done.stdout)
    assert found, done.stdout
    return tuple(map(int, found.groups()))
