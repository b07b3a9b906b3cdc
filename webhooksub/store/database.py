"""What the store's modules ask of a database, whichever it is.

Tables and most statements are the same everywhere (schema.py, SQLAlchemy Core). What differs
between SQLite and PostgreSQL is behind this face, and nowhere else: how one connects, how a
transaction begins, who may deliver, the statements of hot.py, and joining a host's transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Engine

from ..keyring import Keyring
from .base import NewEvent, Published
from .hot import Cursor, HotStatements
from .transaction import Transaction
from .uses import Uses


class Peek(NamedTuple):
    """What a dispatcher asks so often that it must cost next to nothing."""

    subscription_rev: int
    replay_rev: int
    events_free: bool  # in the outbox there is something to claim


@contextmanager
def lend(engine: Engine, is_closed: Callable[[], bool]) -> Iterator[Connection]:
    """A connection of the engine's. Where the store was closed meanwhile it is closed after its
    use: what is given back then lies open in a pool that nobody has. Not in a child that was
    forked meanwhile, see uses.py."""
    pool = engine.pool
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        if is_closed():
            pool.dispose()
            engine.dispose()  # which has had another since


class RoleLock(Protocol):
    """Who may deliver. Not for several threads at once."""

    @property
    def held(self) -> bool:
        """By this object."""

    def acquire(self, holder: Mapping[str, Any]) -> None:
        """Takes it, and says who `holder` is. Raises ConfigurationError naming another."""

    def release(self) -> None:
        """Gives it back. Twice is fine."""

    def forget(self) -> None:
        """In a forked child: leaves it to the parent."""

    def holder(self) -> str | None:
        """Who delivers, in words; None: nobody."""


class Database(Protocol):
    """The database of one process. After a fork the child makes its own connections."""

    uses: Uses
    keyring: Keyring  # opens the integrity keys, see secrets.py

    @property
    def shared(self) -> bool:
        """Several dispatchers may have the role at once."""

    @property
    def lock(self) -> RoleLock: ...
    @property
    def name(self) -> str:
        """As people know it, without secrets."""

    # --- life ------------------------------------------------------------------------

    def open(self) -> None:
        """Connects. Raises ConfigurationError, StoreUnavailable, Forked."""

    def close(self) -> None:
        """Twice is fine."""

    def forget(self, *, quiet: bool) -> None:
        """In a forked child: is rid of what it inherited. `quiet`: see uses.py."""

    def clock(self, given: Callable[[], int]) -> Callable[[], int]:
        """The clock of what is written, for a process whose own is `given`."""

    # --- reading ---------------------------------------------------------------------

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one moment of the store. Raises StoreUnavailable, Closed."""

    def peek(self) -> Peek:
        """Raises StoreUnavailable, Closed."""

    def last_seq(self, host: Any) -> int:
        """About that of the last event, for who is to join the host's transaction. Raises
        ConfigurationError, StoreUnavailable."""

    def counting(self, host: Any) -> AbstractContextManager[tuple[Cursor, HotStatements]]:
        """What :meth:`Gauge.admit` looks with, for who is to join the host's transaction."""

    def alive_since(self, now: int) -> int:
        """A dispatcher that is not ended delivers if its last sign of life is not older."""

    def gone_before(self, now: int) -> int:
        """Whoever begins, or lives on, takes over what dispatchers held whose last sign of
        life is older."""

    # --- writing, on the writer's thread ---------------------------------------------

    def changing(self) -> AbstractContextManager[Connection]:
        """One write transaction of the schema, alone, committed unless the body raises."""

    def check_migration(self, connection: Connection, found: int | None, min_reader: int) -> None:
        """Raises ConfigurationError when a step would take the store from a dispatcher.
        `connection` is the one that is :meth:`changing`."""

    def connect_writer(self, *, checkpoints: bool) -> Connection:
        """The connection for :meth:`begin`. `checkpoints`: it holds the dispatcher's lock."""

    def begin(self, connection: Connection, dispatcher: int | None) -> Transaction:
        """Begins to write, and looks who is alive."""

    def commit(self, transaction: Transaction) -> None:
        """Raises what the driver raises, or StoreUnavailable."""

    def disconnect_writer(self, connection: Connection) -> None:
        """Ends the connection, and with it a transaction under way."""

    def runs_again(self, error: Exception) -> bool:
        """Nothing was written, and the same transaction may well succeed now."""

    def lost(self, error: Exception) -> bool:
        """There is no connection any more, and what became of a commit is not known."""

    # --- the dispatcher's role -------------------------------------------------------

    def role_begins(self, connection: Connection) -> None:
        """On the writer's connection, outside of any transaction."""

    def role_ends(self, connection: Connection) -> None:
        """The same, at the end."""

    def listen(self, wake: Callable[[], None]) -> None:
        """From now on `wake` is called when other processes may have left something to
        claim, where the database can tell."""

    def stop_listening(self) -> None:
        """Twice is fine."""

    def tell_others(self) -> None:
        """Something was committed that any dispatcher may claim. Any thread; waits for
        nothing."""

    # --- joining, upkeep, looking ----------------------------------------------------

    def join(
        self, connection: Any, events: Sequence[NewEvent], *, now: int, idempotency_until: int
    ) -> list[Published]:
        """Writes the events as nobody's in the transaction of a host's connection.

        Raises Conflict, and ConfigurationError unless it can write to this store safely.
        """

    def checkpoint(self, connection: Connection) -> None:
        """Makes files smaller that only grow, after much was deleted."""

    def shrink(self, connection: Connection) -> None:
        """Gives some free pages back to the file system."""

    def may_shrink(self) -> bool:
        """:meth:`shrink` would."""

    def facts(self) -> dict[str, Any]:
        """What there is to know about it."""
