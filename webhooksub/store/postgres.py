"""PostgreSQL, for many machines: how one connects, begins, tells who lives, and is told.

Any number of dispatchers share one database. What they claim they lock for a moment and mark
as theirs (``FOR UPDATE SKIP LOCKED``). A transaction that writes for a dispatcher locks its row
first: whoever declares it dead waits for that, or comes first and is seen. Times are those of
the server's clock, which each process knows its own clock's distance to.

Connections commit by themselves and we say BEGIN: the first statement of a transaction is sent
together with it. Nothing is kept in a session, so that a pooler may lend connections for one
transaction each.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakSet

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy import event as hooks
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ..config import StoreConfig
from ..errors import Closed, ConfigurationError, StoreUnavailable
from . import dispatchers, migrations, postgres_joining
from .base import NewEvent, Published
from .database import Peek, lend
from .failures import translated
from .hot import Cursor, HotStatements
from .postgres_clock import ServerClock
from .postgres_hot import POSTGRES, DriverCursor, PostgresCursor
from .postgres_telling import Listener, Teller
from .schema import PREFIX
from .secrets import KEYRING
from .transaction import Transaction
from .uses import Uses, keep_for_ever

# WITH … AS MATERIALIZED came with 12; older ones than 13 are not maintained any more.
_OLDEST = 13
# As long as we wait for somebody else's transaction; then we say that it did not answer.
_LOCK_TIMEOUT_MS = 10_000
_READERS, _READERS_AT_PEAK = 4, 12
# A server that is gone without a word is noticed within about 15 seconds.
_CONNECT: dict[str, Any] = {
    "application_name": "webhooksub",
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
# The number of the last event is looked for so often, to know how full the outbox may be.
_LAST_SEQ_SECONDS = 1.0
# Clocks of processes agree to this once they are corrected.
_CLOCKS_DIFFER_MS = 1_000
_ALIVE = 1

_SEQUENCE = f"(SELECT last_value - 1 + is_called::int FROM {PREFIX}event_seq_seq)"
_REVISION = f"(SELECT value FROM {PREFIX}meta WHERE key = 'subscription_rev')"
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::float8"
_PEEK = (
    f"SELECT {_REVISION}, (SELECT value FROM {PREFIX}meta WHERE key = 'replay_rev'),"
    f" EXISTS (SELECT FROM {PREFIX}outbox WHERE dispatcher IS NULL), {_SEQUENCE}, {_NOW}"
)
_LAST_SEQ = f"SELECT {_SEQUENCE}, {_NOW}"
_STORE_ID = f"SELECT value FROM {PREFIX}meta WHERE key = 'store_id'"
_ALONE = f"SELECT pg_advisory_xact_lock(hashtextextended('{PREFIX}schema', 0))"

# Deadlocks, and transactions that could not be put in an order.
_AGAIN = frozenset(("40P01", "40001"))
# The server ends, or ended our session. Without a code the connection itself broke.
_GONE = frozenset(("57P01", "57P02", "57P03", "57P05", "25P03"))


class PostgresDatabase:
    """See :class:`webhooksub.store.database.Database`."""

    shared = True

    def __init__(self, url: str, config: StoreConfig) -> None:
        """Raises ConfigurationError."""
        self._url = _url(url)
        self._listen_url = _url(config.listen_url) if config.listen_url else None
        self._config, self.keyring = config, config.sealing()
        self._begin = _begin_statement(config)
        self._engine: Engine | None = None
        self._raws: WeakSet[psycopg.Connection] = WeakSet()
        self._server_clock: ServerClock | None = None
        self.uses = Uses()
        self.lock = SharedRole(self)
        self._start_anew()

    def _start_anew(self) -> None:
        self._peek_lock = threading.Lock()
        self._peeker: psycopg.Connection | None = None
        self._last_seq, self._seen_at = 0, 0.0
        self._store_id: str | None = None
        self._teller = Teller(self._notify)
        self._listener: Listener | None = None

    @property
    def name(self) -> str:
        """The URL, without user, password and options."""
        url = self._url
        host = url.host or str(url.query.get("host", ""))
        port = "" if url.port is None else f":{url.port}"
        return f"postgresql://{host}{port}/{url.database or ''}"

    # --- life ------------------------------------------------------------------------

    def open(self) -> None:
        """Connects. Raises ConfigurationError for a server that is too old."""
        with self.uses, translated():
            self._engine = create_engine(
                self._url,
                connect_args=self._connect_args(self._url),
                isolation_level="AUTOCOMMIT",
                pool_size=_READERS,
                max_overflow=_READERS_AT_PEAK,
                pool_pre_ping=True,
                hide_parameters=True,
                execution_options={KEYRING: self.keyring},
            )
            hooks.listen(self._engine, "connect", lambda raw, _: self._raws.add(raw))
            with self._engine.connect() as connection:
                found = connection.dialect.server_version_info or (0,)
        if int(found[0]) < _OLDEST:
            self.close()
            version = ".".join(map(str, found))
            raise ConfigurationError(f"PostgreSQL {version} is too old: {_OLDEST} or newer")

    def close(self) -> None:
        self._teller.close()
        self.stop_listening()
        if self._listener is not None:
            self._listener.join()
        with self.uses:
            with self._peek_lock:
                engine, self._engine = self._engine, None
                self._drop_peeker()
            if engine is not None:
                engine.dispose()
        self._start_anew()

    def forget(self, *, quiet: bool) -> None:
        """Closing a connection would end it for the parent, leaving it open would hide the
        parent's death from the server: their sockets lead nowhere here."""
        raws = list(self._raws)
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for raw in raws:
            with contextlib.suppress(psycopg.Error):
                os.dup2(nowhere, raw.pgconn.socket, inheritable=False)
        os.close(nowhere)
        keep_for_ever((self._engine, raws, self._teller, self._listener))
        self.uses, self._engine, self._raws = Uses(), None, WeakSet()
        self._start_anew()

    def server_now(self) -> int:
        """UTC milliseconds, for who has no clock."""
        return time.time_ns() // 1_000_000 if self._server_clock is None else self._server_clock()

    def clock(self, given: Callable[[], int]) -> Callable[[], int]:
        """The server's."""
        self._server_clock = ServerClock(given)
        return self._server_clock

    def _connect_args(self, url: URL) -> dict[str, Any]:
        given = {name: value for name, value in _CONNECT.items() if name not in url.query}
        given["cursor_factory"] = DriverCursor
        if self._config.pooled:
            given["prepare_threshold"] = None
        return given

    def _connect(self, url: URL) -> psycopg.Connection:
        """A connection beside those of the engine."""
        _, named = self._need_engine().dialect.create_connect_args(url)
        given = self._connect_args(url) | dict(named)
        raw: psycopg.Connection = psycopg.connect(autocommit=True, **given)
        self._raws.add(raw)
        return raw

    # --- reading ---------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.uses, translated(), self._connected() as connection:
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    def peek(self) -> Peek:
        """One round trip. Raises StoreUnavailable, Closed."""
        with self.uses, self._peek_lock, translated():
            before = time.time()
            [row] = self._ask(_PEEK)
            revision, replay_rev, free, last_seq, now = row
        self._note_last_seq(last_seq)
        self._measure(before, now)
        return Peek(int(revision), int(replay_rev), free)

    def _ask(self, statement: str) -> list[Any]:
        """Under the peek lock. A connection that broke while nothing was asked is replaced."""
        for fresh in (self._peeker is None, True):
            if self._peeker is None:
                self._peeker = self._connect(self._url)
            try:
                return self._peeker.execute(statement).fetchall()
            except psycopg.Error as error:
                self._drop_peeker()
                if fresh or not self.lost(error):
                    raise
        raise AssertionError("unreachable")

    def _drop_peeker(self) -> None:
        if self._peeker is not None:
            self._peeker.close()
            self._peeker = None

    def _measure(self, before: float, now: float) -> None:
        if self._server_clock is not None:
            self._server_clock.measure(before * 1_000, now, time.time() * 1_000)

    def last_seq(self, host: Any) -> int:
        """Of a second ago at most: publishers of other processes may have gone on. Asked on the
        host's connection: hosts that have all connections of a pooler, and each wait for one
        more, would wait for ever."""
        self.store_id()  # asked once, if possible before the host's transaction begins
        if time.monotonic() - self._seen_at > _LAST_SEQ_SECONDS:
            with self.counting(host) as (cursor, _):
                before = time.time()
                cursor.execute(_LAST_SEQ)
                [(last_seq, now)] = cursor.fetchall()
            self._note_last_seq(last_seq)
            self._measure(before, now)
        return self._last_seq

    def _note_last_seq(self, seq: int) -> None:
        self._last_seq, self._seen_at = seq, time.monotonic()

    @contextlib.contextmanager
    def counting(self, host: Any) -> Iterator[tuple[Cursor, HotStatements]]:
        with translated():
            yield postgres_joining.join(host), POSTGRES

    def alive_since(self, now: int) -> int:
        return now - self._config.takeover_ms

    def dispatchers_alive(self, connection: Connection) -> str:
        """In words; "" is none."""
        since = self.alive_since(self.server_now())
        return "; ".join(dispatchers.describe_alive(connection, since))

    def gone_before(self, now: int) -> int:
        return now - self._config.takeover_ms

    # --- writing, on the writer's thread ---------------------------------------------

    @contextlib.contextmanager
    def changing(self) -> Iterator[Connection]:
        with self.uses, translated(), self._connected() as connection:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql(_ALONE)
            yield connection
            connection.exec_driver_sql("COMMIT")

    def check_migration(self, connection: Connection, found: int | None, min_reader: int) -> None:
        """Dispatchers go on over a step whose tables they can use: a rolling upgrade."""
        if found is None or found >= min_reader:
            return
        if holder := self.dispatchers_alive(connection):
            raise ConfigurationError(
                f"this step needs every process to be of its version, and somebody delivers: "
                f"{holder}"
            )

    def connect_writer(self, *, checkpoints: bool) -> Connection:
        return self._need_engine().connect()

    def begin(self, connection: Connection, dispatcher: int | None) -> Transaction:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        cursor = raw.cursor()
        before = time.time()
        # A number of our own, written into statements that are sent together.
        cursor.execute(self._begin.format(dispatcher or 0), prepare=False)
        while cursor.nextset():
            pass
        [(seq, revision, now, state)] = cursor.fetchall()
        self._measure(before, now)
        alive = dispatcher is not None and state == _ALIVE
        return Transaction(
            connection,
            PostgresCursor(cursor),
            dispatcher,
            seq,
            int(revision or 0),
            alive,
            POSTGRES,
            _CLOCKS_DIFFER_MS,
        )

    def commit(self, transaction: Transaction) -> None:
        cursor = transaction.cursor
        assert isinstance(cursor, PostgresCursor)
        if cursor.commit() != "COMMIT":
            raise StoreUnavailable("the database failed: a statement of the transaction had failed")

    def disconnect_writer(self, connection: Connection) -> None:
        with contextlib.suppress(SQLAlchemyError, psycopg.Error):
            connection.invalidate()
            connection.close()

    def runs_again(self, error: Exception) -> bool:
        return _sqlstate(error) in _AGAIN

    def lost(self, error: Exception) -> bool:
        original = getattr(error, "orig", None) or error
        if not isinstance(original, psycopg.OperationalError):
            return False
        state = original.sqlstate
        return state is None or state.startswith("08") or state in _GONE

    # --- the dispatcher's role -------------------------------------------------------

    def role_begins(self, connection: Connection) -> None:
        """Nothing but rows."""

    def role_ends(self, connection: Connection) -> None:
        """Nothing but rows."""

    def listen(self, wake: Callable[[], None]) -> None:
        url = self._listen_url or (None if self._config.pooled else self._url)
        if url is None:
            return
        self.stop_listening()
        self._listener = Listener(lambda: self._connect(url), self._channel(), wake)

    def stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.stop()

    def tell_others(self) -> None:
        self._teller.tell()

    def _notify(self) -> None:
        channel = self._channel()
        with self.uses, self._peek_lock:
            # Nobody waits for the disk because of it.
            quickly = "set_config('synchronous_commit', 'off', true)"
            self._ask(f"SELECT {quickly}, pg_notify('{channel}', '')")

    def _channel(self) -> str:
        """One of each store: a database may hold several, in schemas of their own."""
        return f"{PREFIX}{self.store_id()}"

    # --- joining, upkeep, looking ----------------------------------------------------

    def join(
        self, connection: Any, events: Sequence[NewEvent], *, now: int, idempotency_until: int
    ) -> list[Published]:
        cursor = postgres_joining.join(connection)
        return postgres_joining.write_events(
            cursor, self.store_id(), events, now=now, idempotency_until=idempotency_until
        )

    def store_id(self) -> str:
        """Sixteen bytes in hex that no other store has."""
        if self._store_id is None:
            with self.uses, self._peek_lock, translated():
                [(found,)] = self._ask(_STORE_ID)
                self._store_id = str(found)
        return self._store_id

    def checkpoint(self, connection: Connection) -> None:
        """The server does that by itself."""

    def shrink(self, connection: Connection) -> None:
        """Autovacuum makes room that is used again."""

    def may_shrink(self) -> bool:
        return False

    def facts(self) -> dict[str, Any]:
        with self.reading() as connection:
            settings = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar_one()
                for name in ("server_version", "synchronous_commit", "fsync", "full_page_writes")
            }
            bytes_ = connection.exec_driver_sql(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
                " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
                f" AND c.relname LIKE '{PREFIX.replace('_', chr(92) + '_')}%%'"
            ).scalar_one()
        if self._config.synchronous == "NORMAL":
            settings["synchronous_commit"] = "off"
        return {
            "path": self.name,
            "postgresql_version": settings.pop("server_version"),
            **settings,
            "bytes": bytes_,
            "clock_differs_ms": 0 if self._server_clock is None else self._server_clock.ahead_ms,
        }

    def _connected(self) -> contextlib.AbstractContextManager[Connection]:
        engine, uses = self._need_engine(), self.uses  # a fork leaves other uses behind
        return lend(engine, lambda: self._engine is not engine and self.uses is uses)

    def _need_engine(self) -> Engine:
        if self._engine is None:
            raise Closed("the store is closed")
        return self._engine


class SharedRole:
    """Any number have it: their rows say who lives (see dispatchers.py)."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._held = False

    @property
    def held(self) -> bool:
        return self._held

    def acquire(self, holder: Mapping[str, Any]) -> None:
        self._held = True

    def release(self) -> None:
        self._held = False

    def forget(self) -> None:
        self._held = False

    def holder(self) -> str | None:
        """All of them."""
        with self._database.reading() as connection:
            if migrations.version(connection) is None:
                return None
            return self._database.dispatchers_alive(connection) or None


def _begin_statement(config: StoreConfig) -> str:
    """Lacks our dispatcher's seq."""
    asynchronous = "SET LOCAL synchronous_commit = off; " if config.synchronous == "NORMAL" else ""
    # A process that is stopped amid a transaction would keep its row locked, and be neither
    # alive nor declared dead: the server ends its session before.
    idle_ms = config.takeover_ms // 2
    return (
        f"BEGIN; SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS};"
        f" SET LOCAL idle_in_transaction_session_timeout = {idle_ms}; {asynchronous}"
        f"SELECT {_SEQUENCE}, {_REVISION}, {_NOW},"
        f" (SELECT state FROM {PREFIX}dispatcher WHERE seq = {{}} FOR SHARE)"
    )


def _url(given: str) -> URL:
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise ConfigurationError("no database URL: postgresql://user@host/name is one") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername != "postgresql+psycopg":
        raise ConfigurationError(
            f"no store for the URL scheme {url.drivername!r}: use postgresql+psycopg"
        )
    return url


def _sqlstate(error: Exception) -> str | None:
    original = getattr(error, "orig", None) or error
    return original.sqlstate if isinstance(original, psycopg.Error) else None
