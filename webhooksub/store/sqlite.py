"""One SQLite file: how it is made, opened and written to.

WAL, so that readers and one writer do not wait for each other; every write transaction is
IMMEDIATE, because a deferred one fails at once when somebody else wrote since its first
read. Nobody checkpoints but the writer of the process that holds the dispatcher's lock:
before SQLite 3.51.3 two checkpointers could damage the file.
"""

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, cast

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy import event as hooks
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ..errors import Closed, ConfigurationError, Forked, StoreUnavailable
from ..keyring import NO_KEYRING, Keyring
from . import joining
from .base import NewEvent, Published
from .database import Peek, lend
from .failures import translated
from .holds import NEVER
from .hot import SQLITE, Cursor, HotStatements
from .lock import DispatcherLock
from .presence import Presence
from .schema import PREFIX
from .secrets import KEYRING
from .transaction import Transaction
from .uses import Uses, keep_for_ever

# A host's transaction may hold the file for so long; then we say that it did not answer.
BUSY_TIMEOUT_MS = 10_000
# RETURNING came with it.
_OLDEST = (3, 35, 0)
# The first without the bug that two checkpointers at once could hit (WAL reset).
_WAL_RESET_FIXED = (3, 51, 3)
# Pages in the WAL (16 MiB) at which its writer copies them into the file.
_CHECKPOINT_PAGES = 4_000
# The WAL is cut to this once it is empty.
_WAL_BYTES_KEPT = 64 * 1024 * 1024
# The writer's page cache, KiB: random index pages of a large store.
_WRITER_CACHE_KIB = 16 * 1024
_READERS, _READERS_AT_PEAK = 4, 12
# Free pages are used again; past so many and a quarter of the file they are given back.
_FREE_PAGES_KEPT = 1_000
_INCREMENTAL = 2

_FACTS = (
    f"SELECT (SELECT seq FROM sqlite_sequence WHERE name = '{PREFIX}event'),"
    f" (SELECT value FROM {PREFIX}meta WHERE key = 'subscription_rev'),"
    f" (SELECT state FROM {PREFIX}dispatcher WHERE seq = ?)"
)
_ALIVE = 1
_PEEK = (
    f"SELECT (SELECT value FROM {PREFIX}meta WHERE key = 'subscription_rev'),"
    f" (SELECT value FROM {PREFIX}meta WHERE key = 'replay_rev'),"
    f" EXISTS (SELECT 1 FROM {PREFIX}outbox WHERE dispatcher IS NULL)"
)


# Files of which this process has connections of its parent's that it must not close.
_split: set[str] = set()


class SqliteFile:
    """The file of one process. After a fork the child makes its own."""

    shared = False

    def __init__(
        self,
        url: str,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        keyring: Keyring = NO_KEYRING,
    ) -> None:
        self.path = _path(url)
        self._synchronous, self.keyring = synchronous, keyring
        self._presence = Presence(self.path)
        self._engine: Engine | None = None
        self._peek_lock = threading.Lock()
        self._peeker: sqlite3.Connection | None = None
        self.uses = Uses()
        self.lock = DispatcherLock(self.path)

    @property
    def name(self) -> str:
        """The file's path."""
        return self.path

    # --- life ------------------------------------------------------------------------

    def open(self) -> None:
        """Makes the file (mode 0600) or checks a host's. Raises ConfigurationError, and Forked
        in a child that cannot be rid of its parent's connections."""
        if self.path in _split:
            raise Forked(
                "this process cannot be rid of what its parent had open in the store: fork "
                "outside of the calls and callbacks of webhooksub, and without a GIL by os.fork"
            )
        if sqlite3.sqlite_version_info < _OLDEST:
            raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer")
        with self.uses, translated():
            self._create()
            self._engine = create_engine(
                f"sqlite:///{self.path}",
                connect_args={"check_same_thread": False, "isolation_level": None},
                pool_size=_READERS,
                max_overflow=_READERS_AT_PEAK,
                hide_parameters=True,  # an error is told with its statement, not what was bound
                execution_options={KEYRING: self.keyring},
            )
            hooks.listen(self._engine, "connect", self._set_up)

    def close(self) -> None:
        """Twice is fine."""
        with self.uses:
            with self._peek_lock:
                engine, self._engine = self._engine, None
                self._drop_peeker()
            if engine is not None:
                engine.dispose()

    def forget(self, *, quiet: bool) -> None:
        """In a forked child: is rid of what it inherited. :meth:`open` makes others."""
        self.uses = Uses()
        if quiet:
            self.close()
        else:
            _split.add(self.path)
            keep_for_ever((self._engine, self._peeker))
        self._engine = self._peeker = None
        self._peek_lock = threading.Lock()

    def clock(self, given: Callable[[], int]) -> Callable[[], int]:
        """All who use the file share a machine."""
        return given

    def _create(self) -> None:
        try:
            _make_file(os.path.realpath(self.path))
            if not os.path.isfile(self.path) or not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(f"not a file that we may read and write: {self.path!r}")
        except OSError as error:
            raise ConfigurationError(f"cannot open the database: {error}") from error
        with contextlib.closing(self._connect_raw()) as raw:
            self._presence.remember()
            # Nobody's yet: new, or an earlier start found no room for more.
            new = not raw.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if new:
                _prepare(raw)
        # Another connection sees what stands in the file: the first one only what it wrote.
        with contextlib.closing(self._connect_raw()) as raw:
            if new and raw.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                raise StoreUnavailable("the disk does not take the new database file")
            joining.check_wal(raw)

    def _connect_raw(self) -> sqlite3.Connection:
        seconds = BUSY_TIMEOUT_MS / 1_000
        return sqlite3.connect(self.path, isolation_level=None, timeout=seconds)

    def _set_up(self, raw: sqlite3.Connection, _: Any) -> None:
        for setting in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            f"synchronous = {self._synchronous}",
            "mmap_size = 0",  # a mapped file turns a disk error into a crash
            "wal_autocheckpoint = 0",
            "temp_store = MEMORY",
        ):
            raw.execute("PRAGMA " + setting)

    # --- reading ---------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment of the store. Raises StoreUnavailable, Closed."""
        self._presence.check()
        with self.uses, translated(), self._connected() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    def peek(self) -> Peek:
        """Raises StoreUnavailable, Closed. Six microseconds."""
        self._presence.check()
        with self.uses, self._peek_lock, translated():
            if self._peeker is None:
                self._need_engine()
                self._peeker = sqlite3.connect(
                    self.path, isolation_level=None, check_same_thread=False
                )
                self._set_up(self._peeker, None)
            try:
                revision, replay_rev, free = self._peeker.execute(_PEEK).fetchone()
            except sqlite3.Error:
                self._drop_peeker()
                raise
            return Peek(int(revision), int(replay_rev), bool(free))

    def last_seq(self, host: Any) -> int:
        """Of the events that are committed."""
        query = f"SELECT seq FROM sqlite_sequence WHERE name = '{PREFIX}event'"
        with self.reading() as connection:
            return connection.exec_driver_sql(query).scalar() or 0

    @contextlib.contextmanager
    def counting(self, host: Any) -> Iterator[tuple[Cursor, HotStatements]]:
        """See :meth:`Gauge.admit`."""
        with self.reading() as connection:
            yield connection.connection.cursor(), SQLITE

    def alive_since(self, now: int) -> int:
        """Whoever holds the lock lives; nobody else does."""
        return 0 if self.lock.taken() else NEVER

    def gone_before(self, now: int) -> int:
        """Whoever has the lock knows that all others are."""
        return NEVER

    def _drop_peeker(self) -> None:
        if self._peeker is not None:
            self._peeker.close()
            self._peeker = None

    # --- writing, on the writer's thread ---------------------------------------------

    @contextlib.contextmanager
    def changing(self) -> Iterator[Connection]:
        """One write transaction of the schema, committed unless the body raises."""
        with self.uses, translated(), self._connected() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def check_migration(self, connection: Connection, found: int | None, min_reader: int) -> None:
        """Whoever migrates has the dispatcher's lock."""

    def connect_writer(self, *, checkpoints: bool) -> Connection:
        """The connection for :meth:`begin`. `checkpoints`: it holds the dispatcher's lock."""
        self._presence.check()
        connection = self._need_engine().connect()
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        if checkpoints:
            self._let_checkpoint(connection)
        return connection

    def role_begins(self, connection: Connection) -> None:
        """From now on its commits copy a long WAL into the file."""
        self._let_checkpoint(connection)

    def role_ends(self, connection: Connection) -> None:
        """From now on they do not."""
        self._let_checkpoint(connection, False)

    def _let_checkpoint(self, connection: Connection, yes: bool = True) -> None:
        pages = _CHECKPOINT_PAGES if yes else 0
        connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {pages}")
        connection.exec_driver_sql(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")

    def checkpoint(self, connection: Connection) -> None:
        """Copies the whole WAL into the file and empties it, as far as readers let it."""
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()

    def shrink(self, connection: Connection) -> None:
        """Gives some free pages back to the file system."""
        # As a script: the driver would execute one step of the statement, which is a page.
        raw: Any = connection.connection.driver_connection
        raw.executescript(f"PRAGMA incremental_vacuum({_FREE_PAGES_KEPT})")

    def may_shrink(self) -> bool:
        """There are many free pages, in a file that can give them back."""
        with self.reading() as connection:
            free, pages, mode = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("freelist_count", "page_count", "auto_vacuum")
            )
        return bool(mode == _INCREMENTAL and free >= max(_FREE_PAGES_KEPT, pages // 4))

    def begin(self, connection: Connection, dispatcher: int | None) -> Transaction:
        """Begins to write, and looks who is alive. Waits for other writers."""
        self._presence.check()
        cursor = connection.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute(_FACTS, (dispatcher,))
        [(seq, revision, state)] = cursor.fetchall()
        self._presence.check_wal()
        alive = state == _ALIVE
        return Transaction(
            connection, cursor, dispatcher, seq or 0, int(revision or 0), alive, SQLITE
        )

    def commit(self, transaction: Transaction) -> None:
        """Raises StoreUnavailable too when what was written has no file any more."""
        transaction.cursor.execute("COMMIT")
        self._presence.check()

    def disconnect_writer(self, connection: Connection) -> None:
        """Ends the connection, and with it a transaction under way."""
        with contextlib.suppress(SQLAlchemyError, sqlite3.Error):
            # Closing alone would leave the transaction open until the last cursor is gone.
            cast(sqlite3.Connection, connection.connection.driver_connection).rollback()
        with contextlib.suppress(SQLAlchemyError, sqlite3.Error):
            connection.invalidate()
            connection.close()

    def runs_again(self, error: Exception) -> bool:
        """Who waits for the write lock has waited long enough."""
        return False

    def lost(self, error: Exception) -> bool:
        """What is not committed is not there."""
        return False

    def listen(self, wake: Callable[[], None]) -> None:
        """Nobody tells: new events are found by polling."""

    def stop_listening(self) -> None:
        """See :meth:`listen`."""

    def tell_others(self) -> None:
        """See :meth:`listen`."""

    def join(
        self, connection: Any, events: Sequence[NewEvent], *, now: int, idempotency_until: int
    ) -> list[Published]:
        """See :mod:`webhooksub.store.joining`."""
        cursor = joining.join(*joining.driver_cursor(connection), self.path)
        return joining.write_events(cursor, events, now=now, idempotency_until=idempotency_until)

    # --- looking ---------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """What there is to know about the file and its library."""
        with self.reading() as connection:
            ask = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "page_count", "page_size", "freelist_count")
            }
            levels = {1: "NORMAL", 2: "FULL"}
            level = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        mode = os.stat(self.path).st_mode & 0o777
        return {
            "path": self.path,
            "sqlite_version": sqlite3.sqlite_version,
            "wal_reset_bug": sqlite3.sqlite_version_info < _WAL_RESET_FIXED,
            "journal_mode": ask["journal_mode"],
            "synchronous": levels.get(level or 0, str(level)),
            "file_mode": f"{mode:04o}",
            "others_may_read": bool(mode & 0o077),
            "bytes": ask["page_count"] * ask["page_size"],
            "bytes_free": ask["freelist_count"] * ask["page_size"],
            "wal_bytes": _size(self.path + "-wal"),
        }

    def _connected(self) -> contextlib.AbstractContextManager[Connection]:
        engine, uses = self._need_engine(), self.uses  # a fork leaves other uses behind
        return lend(engine, lambda: self._engine is not engine and self.uses is uses)

    def _need_engine(self) -> Engine:
        if self._engine is None:
            raise Closed("the store is closed")
        return self._engine


def _make_file(path: str) -> None:
    """Where there is none. It is not opened: a file that is closed takes with it the locks
    that every other connection of this process has on it, and without these whoever closes
    it last elsewhere deletes the WAL."""
    with contextlib.suppress(FileExistsError):
        try:
            os.mknod(path, stat.S_IFREG | 0o600)
        except PermissionError:  # some systems let only their administrator
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _path(url: str) -> str:
    database = make_url(url).database
    if not database or database == ":memory:":
        raise ConfigurationError("a SQLite store needs a file; use memory:// for none")
    return os.path.abspath(database)


def _prepare(raw: sqlite3.Connection) -> None:
    """Of a file without tables. The order matters: WAL writes the first page, and one that is
    written is written anew by VACUUM alone."""
    raw.execute("PRAGMA auto_vacuum = INCREMENTAL")
    if raw.execute("PRAGMA auto_vacuum").fetchone() != (_INCREMENTAL,):
        raw.execute("VACUUM")
    raw.execute("PRAGMA journal_mode = WAL")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
