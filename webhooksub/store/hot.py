"""The statements that run for every event and delivery, as driver SQL over tuples.

Everything else is SQLAlchemy Core. These five are written by hand because a thousand rows
cost as many microseconds less: the driver binds rows as they come, and one statement with
many rows spares the steps (and the releases of the GIL) between them. Here are SQLite's,
PostgreSQL's are in postgres_hot.py.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select, update

from .base import NewEvent
from .schema import PREFIX, event, outbox

if TYPE_CHECKING:
    from .transaction import Transaction

# Rows in one statement. More gain little: 4.2 µs per event one by one, 2.6 by 50, 2.5 by 100.
_ROWS = 50


class Cursor(Protocol):
    """What is used of a DB-API cursor. Places of parameters are written as ``?``."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...
    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Sequence[Any]: ...


#: From this take-over on an event is claimed alone, so that it cannot be mistaken.
SUSPECT_CLAIMS = 3

#: Columns of a row that :meth:`HotStatements.take_free` answers.
FREE = (
    outbox.c.claims,
    event.c.seq,
    event.c.id,
    event.c.action,
    event.c.paths,
    event.c.open_id,
    event.c.data,
    event.c.published_at,
    event.c.subscription_rev,
)

#: Columns of a row that :meth:`HotStatements.upsert_deliveries` takes.
DELIVERY = (
    "event_seq",
    "subscription_seq",
    "state",
    "attempts",
    "next_at",
    "origin",
    "batch",
    "http_status",
    "outcome",
    "duration_ms",
    "updated_at",
)
#: What is claimed is claimed no more.
ON_CONFLICT = (
    " ON CONFLICT (event_seq, subscription_seq) DO UPDATE SET dispatcher = NULL, "
    + ", ".join(f"{name} = excluded.{name}" for name in DELIVERY[2:])
)
#: Columns of a row that :meth:`HotStatements.insert_attempts` takes.
ATTEMPT = (
    "event_seq",
    "subscription_seq",
    "batch",
    "n",
    "started_at",
    "duration_ms",
    "http_status",
    "outcome",
    "address",
    "snippet",
)


#: The last event in the outbox, and the first.
OUTBOX_ENDS = (
    f"SELECT (SELECT max(event_seq) FROM {PREFIX}outbox),"
    f" (SELECT min(event_seq) FROM {PREFIX}outbox)"
)


class HotStatements(Protocol):
    """One database's way to do what is done most."""

    def insert_events(
        self, transaction: "Transaction", new: Sequence[NewEvent], now: int, ours: int
    ) -> Sequence[int]:
        """Writes events with their outbox rows, the first `ours` of them as this
        dispatcher's; answers their seqs."""

    def take_free(
        self, transaction: "Transaction", limit: int, max_bytes: int, *, suspects: bool
    ) -> Sequence[Any]:
        """Makes the oldest free events ours, suspects or the others, to `max_bytes` of data
        but at least one. Answers rows of FREE, oldest first."""

    def upsert_deliveries(self, cursor: Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
        """Rows of :meth:`webhooksub._core.Reports.deliveries`; may be empty."""

    def insert_attempts(self, cursor: Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
        """Rows of :meth:`webhooksub._core.Reports.attempts`; may be empty."""

    def delete_outbox(self, cursor: Cursor, done: Sequence[tuple[int]]) -> None:
        """Deletes the rows of `done` events; those not there are no error."""

    def lock(self, cursor: Cursor, names: Iterable[str]) -> None:
        """Waits until no other transaction has one of these names, and has them to its end."""

    def bounds(self, cursor: Cursor) -> tuple[int, int]:
        """Rows and bytes that the outbox cannot exceed, found without a walk over it."""


class Insert:
    """An INSERT of tuples that hold `columns` in order."""

    __slots__ = ("_many", "_one")

    def __init__(self, table: str, columns: Sequence[str], tail: str = "") -> None:
        head = f"INSERT INTO {PREFIX}{table} ({', '.join(columns)}) VALUES "
        row = f"({', '.join('?' * len(columns))})"
        self._one = head + row + tail
        self._many = head + ", ".join([row] * _ROWS) + tail

    def run(self, cursor: Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts all; `rows` may be empty."""
        whole = len(rows) - len(rows) % _ROWS
        for start in range(0, whole, _ROWS):
            cursor.execute(self._many, list(chain.from_iterable(rows[start : start + _ROWS])))
        if whole < len(rows):
            cursor.executemany(self._one, rows[whole:])


_INSERT_EVENTS = Insert(
    "event",
    (
        "seq",
        "id",
        "root",
        "action",
        "paths",
        "open_id",
        "published_at",
        "subscription_rev",
        "data",
    ),
)
# Bound to (dispatcher seq or None, first event seq, last event seq): rows written just before.
_INSERT_OUTBOX = (
    f"INSERT INTO {PREFIX}outbox (event_seq, dispatcher, claims)"
    f" SELECT seq, ?, 0 FROM {PREFIX}event WHERE seq BETWEEN ? AND ?"
)
_FREE = (
    select(*FREE)
    .join(event, event.c.seq == outbox.c.event_seq)
    .where(outbox.c.dispatcher.is_(None))
    .order_by(outbox.c.event_seq)
)
_UPSERT_DELIVERIES = Insert("delivery", DELIVERY, ON_CONFLICT)
_INSERT_ATTEMPTS = Insert("attempt", ATTEMPT)
_DELETE_OUTBOX = f"DELETE FROM {PREFIX}outbox WHERE event_seq IN (SELECT value FROM json_each(?))"


class SqliteStatements:
    """See :class:`HotStatements`. The write lock of a transaction makes everything one at a
    time, and lets it number events on from the last one."""

    def insert_events(
        self, transaction: "Transaction", new: Sequence[NewEvent], now: int, ours: int
    ) -> Sequence[int]:
        first, revision = transaction.last_seq + 1, transaction.revision
        last = transaction.last_seq = transaction.last_seq + len(new)
        rows = [
            (seq, id_, root, action, "\n".join(paths), open_id, now, revision, data)
            for seq, (id_, root, action, paths, open_id, data, _, _) in enumerate(new, first)
        ]
        _INSERT_EVENTS.run(transaction.cursor, rows)
        if ours:
            span = (transaction.dispatcher, first, first + ours - 1)
            transaction.cursor.execute(_INSERT_OUTBOX, span)
        if ours < len(new):
            transaction.cursor.execute(_INSERT_OUTBOX, (None, first + ours, last))
        return range(first, last + 1)

    def take_free(
        self, transaction: "Transaction", limit: int, max_bytes: int, *, suspects: bool
    ) -> Sequence[Any]:
        suspect = outbox.c.claims >= SUSPECT_CLAIMS
        wanted = suspect if suspects else ~suspect
        taken: list[Any] = []
        with transaction.connection.execute(_FREE.where(wanted).limit(limit)) as rows:
            for row in rows:
                max_bytes -= len(row.data or b"")
                if max_bytes < 0 and taken:
                    break
                taken.append(row)
        if taken:
            transaction.connection.execute(
                update(outbox)
                .where(outbox.c.dispatcher.is_(None), wanted)
                .where(outbox.c.event_seq.between(taken[0].seq, taken[-1].seq))
                .values(dispatcher=transaction.dispatcher)
            )
        return taken

    def upsert_deliveries(self, cursor: Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
        _UPSERT_DELIVERIES.run(cursor, rows)

    def insert_attempts(self, cursor: Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
        _INSERT_ATTEMPTS.run(cursor, rows)

    def delete_outbox(self, cursor: Cursor, done: Sequence[tuple[int]]) -> None:
        if done:
            cursor.execute(_DELETE_OUTBOX, (json.dumps([seq for (seq,) in done]),))

    def lock(self, cursor: Cursor, names: Iterable[str]) -> None:
        """Nobody else is writing."""

    def bounds(self, cursor: Cursor) -> tuple[int, int]:
        """The span of seqs, and all that is in the file."""
        cursor.execute(OUTBOX_ENDS)
        last, first = cursor.fetchone()
        pages = 0
        for name, sign in (("page_count", 1), ("freelist_count", -1)):
            cursor.execute(f"PRAGMA {name}")
            pages += sign * cursor.fetchone()[0]
        cursor.execute("PRAGMA page_size")
        return (0 if last is None else last - first + 1), pages * cursor.fetchone()[0]


SQLITE = SqliteStatements()
