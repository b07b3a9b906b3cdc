"""What one process has of a store: connections, a writer, perhaps the dispatcher's role.

Made at the first use, ended by close. A forked child keeps none of it: it closes its copies
of the connections, which the parent does not notice, leaves the lock alone, and begins anew at
its first use, as a publisher. A fork waits for that until no thread is inside the database
(uses.py); of one that Python was not told of, the first use finds out.
"""

import os
import sysconfig
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from ..errors import Closed, ConfigurationError
from . import migrations
from .database import Database, Peek
from .transaction import Transaction
from .writer import Job, Writer


class StoreProcess:
    """Any thread. `committed` is called on the writer's thread after each commit."""

    def __init__(self, database: Database, committed: Callable[[Transaction], None]) -> None:
        self.database, self.lock = database, database.lock
        self.dispatcher: int | None = None  # our seq while we have the role
        self.role_is_parents = False  # a fork left the role behind
        self._committed = committed
        self._gate = threading.RLock()
        self._open = self._closed = False
        self._writer: Writer | None = None
        _processes.add(self)

    @property
    def is_open(self) -> bool:
        """It may have connections."""
        return self._open

    @property
    def checkpoints(self) -> bool:
        """Only who holds the dispatcher's lock copies the WAL into the file."""
        return self.lock.held

    def open(self, *, check: bool = True) -> None:
        """Connects; makes the schema in an empty store. Raises ConfigurationError, Closed,
        and Forked in a child that cannot be rid of its parent's connections."""
        _notice_fork()
        with self._gate:
            if self._closed:
                raise Closed("the store is closed")
            if self._open:
                return
            self.database.open()
            try:
                if check:
                    self._check_schema()
            except BaseException:
                self.database.close()
                raise
            self._open = True

    def _check_schema(self) -> None:
        with self.database.reading() as connection:
            empty = migrations.version(connection) is None
        if empty:
            with self.database.changing() as connection:
                for number in range(1, migrations.latest() + 1):
                    migrations.run(connection, number)
        with self.database.reading() as connection:
            migrations.check(connection)

    def migrate(self) -> int:
        """Brings the schema forward; answers its version. Raises ConfigurationError while a
        dispatcher has the store."""
        if self._open:
            raise ConfigurationError("migrate with a store that is not open")
        self.open(check=False)
        self.lock.acquire({"migrate pid": os.getpid()})
        try:
            for number in range(1, migrations.latest() + 1):
                with self.database.changing() as connection:
                    found = migrations.version(connection)
                    min_reader = migrations.STEPS[number - 1].MIN_READER
                    self.database.check_migration(connection, found, min_reader)
                    migrations.run(connection, number)
            with self.database.reading() as connection:
                migrations.check(connection)
                return migrations.latest()
        finally:
            self.lock.release()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment of the store."""
        _notice_fork()
        if not self._open:
            self.open()
        with self.database.reading() as connection:
            yield connection

    def peek(self) -> Peek:
        """What changed lately."""
        _notice_fork()
        if not self._open:
            self.open()
        return self.database.peek()

    @property
    def writer(self) -> Writer:
        """Raises Closed."""
        _notice_fork()
        writer = self._writer
        if writer is None:
            with self._gate:
                self.open()
                if self._writer is None:
                    self._writer = Writer(self.database, self, self._committed)
                writer = self._writer
        return writer

    def write(self, run: Callable[[Transaction], Any], *, rows: int = 1) -> Any:
        """Runs a function in a transaction; answers its result after the commit."""
        return self.writer.call(run, rows=rows)

    def write_plain(self, run: Callable[[Transaction], Any], *, rows: int) -> Any:
        """The same for one that raises, if at all, before it writes."""
        return self.writer.submit(Job(run, rows=rows, guarded=False))

    def checkpoint_if_nobody_does(self) -> None:
        """Empties the WAL of a store without a dispatcher."""
        if self.lock.held:
            return
        try:
            self.lock.acquire({"checkpoint pid": os.getpid()})
        except ConfigurationError:
            return
        try:
            self.writer.between(self.database.checkpoint)
        finally:
            self.lock.release()

    def close(self, timeout: float) -> None:
        """Writes what was submitted, then ends. Twice is fine."""
        _notice_fork()
        with self._gate:
            self._closed = True
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.close(timeout)
        with self._gate:
            self.lock.release()
            self.database.close()
            self._open = False

    def forget(self, *, quiet: bool) -> None:
        """In a forked child, before anything else runs there. `quiet`: see uses.py."""
        self.database.forget(quiet=quiet)
        if self._writer is not None:
            self._writer.forget(quiet=quiet)
        self.lock.forget()
        self.role_is_parents = self.role_is_parents or self.dispatcher is not None
        self.dispatcher = self._writer = None
        self._gate = threading.RLock()
        self._open = False


_processes: "weakref.WeakSet[StoreProcess]" = weakref.WeakSet()


class _Fork(threading.local):
    """What the fork of this thread waited for, and whether in vain."""

    quiet: dict[StoreProcess, bool] = {}


_fork = _Fork()


def _before_fork() -> None:
    _fork.quiet = {process: process.database.uses.begin_fork() for process in list(_processes)}


def _after_in_parent() -> None:
    waited_for, _fork.quiet = _fork.quiet, {}
    for process, quiet in waited_for.items():
        process.database.uses.end_fork(quiet)


def _after_in_child() -> None:
    global _pid
    waited_for, _fork.quiet = _fork.quiet, {}
    for process in list(_processes):
        process.forget(quiet=waited_for.get(process, False))
    _pid = os.getpid()


_pid = os.getpid()
_noticing = threading.Lock()


def _notice_fork() -> None:
    """After one that Python was not told of, and that waited for nobody: so does a server in C
    make its workers (uWSGI without ``--py-call-osafterfork``)."""
    global _pid
    if os.getpid() == _pid:
        return
    with _noticing:
        if os.getpid() == _pid:
            return
        # Without a GIL an object ends on the thread that made it, which the child has not: its
        # parent's statements stay, and with them the connections that they belong to.
        free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
        for process in list(_processes):
            stays = free_threaded and process.is_open
            process.forget(quiet=process.database.uses.were_none and not stays)
        _pid = os.getpid()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
