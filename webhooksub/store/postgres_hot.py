"""PostgreSQL's statements for every event and delivery: see hot.py.

Rows cross as arrays, a column each, so that one statement and one round trip carry as many as
there are. Numbers of events come from the sequence of their table: another process may have
taken one in between.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import psycopg

from .base import NewEvent
from .hot import ATTEMPT, DELIVERY, FREE, ON_CONFLICT, OUTBOX_ENDS, SUSPECT_CLAIMS, Cursor
from .schema import PREFIX
from .transaction import Transaction

#: What an event and its row in the outbox cannot exceed: 1 MiB of data is the limit of publish.
_EVENT_BYTES_MAX = 1024 * 1024 + 4096
_TYPES = {
    "event_seq": "bigint",
    "subscription_seq": "bigint",
    "state": "smallint",
    "attempts": "integer",
    "next_at": "bigint",
    "origin": "bigint",
    "batch": "text",
    "http_status": "integer",
    "outcome": "smallint",
    "duration_ms": "bigint",
    "updated_at": "bigint",
    "n": "integer",
    "started_at": "bigint",
    "address": "text",
    "snippet": "bytea",
}


def _insert(table: str, columns: Sequence[str], tail: str = "") -> str:
    arrays = ", ".join(f"%b::{_TYPES[name]}[]" for name in columns)
    return (
        f"INSERT INTO {PREFIX}{table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})" + tail
    )


_MANY = (
    "unnest(%b::bytea[], %b::text[], %b::smallint[], %b::text[], %b::text[], %b::bytea[])"
    " WITH ORDINALITY AS t (id, root, action, paths, open_id, data, place)"
)
# An array costs four times what its only element does.
_ONE = (
    "(VALUES (%b::bytea, %s::text, %s::smallint, %s::text, %s::text, %b::bytea, 1))"
    " AS t (id, root, action, paths, open_id, data, place)"
)


class InsertEvents:
    """Writes events with their outbox rows, and answers their seqs."""

    __slots__ = ("_many", "_one")

    def __init__(self, revision: str, condition: str = "") -> None:
        """SQL of the revision that they see, and under which condition they are written."""
        self._one, self._many = (
            f"WITH n AS MATERIALIZED (SELECT nextval('{PREFIX}event_seq_seq') AS seq, t.*"
            f" FROM {rows} {condition}),"
            f" e AS (INSERT INTO {PREFIX}event (seq, id, root, action, paths, open_id,"
            " published_at, subscription_rev, data) SELECT seq, id, root, action, paths, open_id,"
            f" %s::bigint, {revision}, data FROM n),"
            f" o AS (INSERT INTO {PREFIX}outbox (event_seq, dispatcher, claims)"
            " SELECT seq, CASE WHEN place <= %s::bigint THEN %s::bigint END, 0 FROM n)"
            " SELECT seq FROM n ORDER BY place"
            for rows in (_ONE, _MANY)
        )

    def run(self, cursor: Cursor, events: Sequence[NewEvent], given: Sequence[Any]) -> list[int]:
        """`given`: what the condition takes, the time, what the revision takes, how many are a
        dispatcher's, and whose."""
        if len(events) == 1:
            cursor.execute(self._one, (*_parts(events[0]), *given))
        else:
            columns = zip(*map(_parts, events), strict=True)
            cursor.execute(self._many, (*map(list, columns), *given))
        return [seq for (seq,) in cursor.fetchall()]


def _parts(event: NewEvent) -> tuple[Any, ...]:
    paths = "\n".join(event.paths)
    return event.id, event.root, event.action, paths, event.open_id, event.data


_INSERT_EVENTS = InsertEvents("%s::bigint")
_UPSERT_DELIVERIES = _insert("delivery", DELIVERY, ON_CONFLICT)
_INSERT_ATTEMPTS = _insert("attempt", ATTEMPT)
_DELETE_OUTBOX = f"DELETE FROM {PREFIX}outbox WHERE event_seq = ANY(%b::bigint[])"
_LOCK = (
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 0))"
    " FROM unnest(%s::text[]) WITH ORDINALITY AS t (name, place) ORDER BY place"
)
# Materialised: evaluated anew, the inner query would lock other rows than those first found.
_TAKE_FREE = (
    f"WITH free AS MATERIALIZED (SELECT event_seq FROM {PREFIX}outbox"
    " WHERE dispatcher IS NULL AND {condition} ORDER BY event_seq LIMIT %s"
    " FOR UPDATE SKIP LOCKED),"
    " sized AS MATERIALIZED (SELECT event_seq, sum(coalesce(length(data), 0))"
    " OVER (ORDER BY event_seq) AS bytes, row_number() OVER (ORDER BY event_seq) AS place"
    f" FROM free JOIN {PREFIX}event ON seq = event_seq),"
    f" taken AS (UPDATE {PREFIX}outbox SET dispatcher = %s FROM sized"
    f" WHERE {PREFIX}outbox.event_seq = sized.event_seq AND (bytes <= %s OR place = 1)"
    f" RETURNING {PREFIX}outbox.event_seq, claims)"
    " SELECT {columns} FROM taken"
    f" JOIN {PREFIX}event ON seq = event_seq ORDER BY seq"
)
_COLUMNS = ", ".join(column.name for column in FREE)
_TAKE_SUSPECTS, _TAKE_OTHERS = (
    _TAKE_FREE.format(condition=f"claims {comparison} {SUSPECT_CLAIMS}", columns=_COLUMNS)
    for comparison in (">=", "<")
)


class DriverCursor(psycopg.Cursor[Any]):
    """Of our own connections. For many rows the driver sends a Flush behind its Sync, which ends
    the server's ``idle_in_transaction_session_timeout`` until the next statement; an empty one
    begins it again, or else a process that is stopped here would never be taken over."""

    def executemany(
        self, query: Any, params_seq: Iterable[Any], *, returning: bool = False
    ) -> None:
        super().executemany(query, params_seq, returning=returning)
        self.connection.execute("", prepare=False)


class PostgresCursor:
    """A cursor of psycopg that understands ``?``, as all our statements write parameters."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        self._cursor.execute(_translated(sql), parameters or None)
        return self

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> Any:
        self._cursor.executemany(_translated(sql), rows)
        return self

    def commit(self) -> str | None:
        """Answers what the server did."""
        self._cursor.execute("COMMIT")
        status: str | None = self._cursor.statusmessage
        return status

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> Sequence[Any]:
        rows: Sequence[Any] = self._cursor.fetchall()
        return rows


@lru_cache(maxsize=256)
def _translated(sql: str) -> str:
    return sql.replace("?", "%s")


class PostgresStatements:
    """See :class:`webhooksub.store.hot.HotStatements`."""

    def insert_events(
        self, transaction: Transaction, new: Sequence[NewEvent], now: int, ours: int
    ) -> Sequence[int]:
        given = (now, transaction.revision, ours, transaction.dispatcher)
        return _INSERT_EVENTS.run(transaction.cursor, new, given)

    def take_free(
        self, transaction: Transaction, limit: int, max_bytes: int, *, suspects: bool
    ) -> Sequence[Any]:
        statement = _TAKE_SUSPECTS if suspects else _TAKE_OTHERS
        transaction.cursor.execute(statement, (limit, transaction.dispatcher, max_bytes))
        return transaction.cursor.fetchall()

    def upsert_deliveries(self, cursor: Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
        """In the order of their keys, so that two of these do not wait for each other."""
        if rows:
            last = {row[:2]: row for row in rows}
            in_order = [last[key] for key in sorted(last)]
            cursor.execute(_UPSERT_DELIVERIES, _columns(in_order))

    def insert_attempts(self, cursor: Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            cursor.execute(_INSERT_ATTEMPTS, _columns(rows))

    def delete_outbox(self, cursor: Cursor, done: Sequence[tuple[int]]) -> None:
        if done:
            cursor.execute(_DELETE_OUTBOX, ([seq for (seq,) in done],))

    def lock(self, cursor: Cursor, names: Iterable[str]) -> None:
        """Advisory locks, in one order everywhere."""
        cursor.execute(_LOCK, (sorted(PREFIX + name for name in names),))
        cursor.fetchall()

    def bounds(self, cursor: Cursor) -> tuple[int, int]:
        """The span of seqs, and as many of the largest events."""
        cursor.execute(OUTBOX_ENDS)
        last, first = cursor.fetchone()
        rows = 0 if last is None else last - first + 1
        return rows, rows * _EVENT_BYTES_MAX


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


POSTGRES = PostgresStatements()
