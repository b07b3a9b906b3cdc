"""A PostgreSQL server of the tests' own: Debian's binaries, a data directory and a socket in a
folder that goes with it. One for each process that asks, never the system's cluster."""

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg

_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "1000",  # a machine that crashes leaves its own open
    "fsync": "off",  # processes die in tests, machines do not
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum_naptime": "5s",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
}
_START_SECONDS = 60


class PostgresServer:
    """Started by :meth:`start`, ended by :meth:`close`; or killed meanwhile."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="whs-pg-", dir="/tmp"))
        self._settings = _SETTINGS | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.bin = binaries()
        self._make()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """Of the process that others are children of."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _make(self) -> None:
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        options = ["-D", str(self.data), "-U", "postgres", "--auth=trust", "-E", "UTF8"]
        subprocess.run(
            [*as_user(), str(self.bin / "initdb"), *options, "--locale=C.UTF-8", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def start(self) -> None:
        """Returns when it answers."""
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*as_user(), str(self.bin / "postgres"), "-D", str(self.data)]
                + ["-k", str(self.folder), *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.conninfo()).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"PostgreSQL does not start: {self.log}") from None
                time.sleep(0.02)

    def stop(self, how: int = signal.SIGQUIT) -> None:
        """SIGQUIT: at once, and what is committed is recovered at the next start; SIGINT: its
        sessions are ended first."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def restart(self, how: int = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def close(self) -> None:
        """Ends it, and nothing is left."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def conninfo(self, schema: str = "public", database: str = "postgres") -> str:
        """For psycopg."""
        options = f"options='-csearch_path={schema}'"
        return f"host={self.folder} user=postgres dbname={database} {options}"

    def connect(self, schema: str = "public") -> psycopg.Connection:
        return psycopg.connect(self.conninfo(schema))

    def url(self, schema: str = "public", database: str = "postgres") -> str:
        """For a Dispatcher."""
        return (
            f"postgresql+psycopg://postgres@/{database}?host={self.folder}"
            f"&options=-csearch_path%3D{schema}"
        )

    @contextmanager
    def schema(self) -> Iterator[str]:
        """An empty one, dropped afterwards."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        yield name
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            connection.execute("SET client_min_messages = error")
            connection.execute(f"DROP SCHEMA {name} CASCADE")


@cache
def binaries() -> Path:
    """Of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    if not found:
        raise RuntimeError("no PostgreSQL server is installed: tools/setup.sh does it")
    return found[-1].parent


def _version(path: Path) -> int:
    return int(path.parts[-3])


def as_user() -> list[str]:
    """The server refuses to be root; and it ends when we do, however we end. A sanitizer's
    library that Pythons are started with is not for it: PostgreSQL's programs hang with one."""
    as_user = ["env", "--unset", "LD_PRELOAD", "setpriv", "--pdeathsig", "QUIT"]
    if os.getuid() == 0:
        as_user += ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    return as_user


@cache
def shared_server() -> PostgresServer:
    """The one of this process, which its tests share."""
    server = PostgresServer()
    atexit.register(server.close)
    server.start()
    return server
