"""Publishing with a key, more than once: the same content is the same event.

A key belongs to a root and is remembered for a while. A lock on its name, or on all writing,
makes a hundred publishers with one key agree on one event.
"""

from collections.abc import Sequence

from ..errors import Conflict
from .base import NewEvent
from .hot import Cursor
from .schema import PREFIX

_FIND = (
    f"SELECT event_id, fingerprint FROM {PREFIX}idempotency"
    " WHERE root = ? AND key = ? AND expires_at > ?"
)
_REMEMBER = (
    f"INSERT INTO {PREFIX}idempotency (root, key, event_id, fingerprint, expires_at)"
    " VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (root, key) DO UPDATE SET event_id = excluded.event_id,"
    " fingerprint = excluded.fingerprint, expires_at = excluded.expires_at"
)
_EVENT_SEQ = f"SELECT seq FROM {PREFIX}event WHERE id = ?"


def name(root: str, key: str) -> str:
    """What a transaction locks (:meth:`HotStatements.lock`) to look for a key and write it."""
    return f"idempotency\n{root}\n{key}"


def names(events: Sequence[NewEvent]) -> set[str]:
    """Those of all events that have a key."""
    return {name(e.root, e.idempotency_key) for e in events if e.idempotency_key is not None}


def recognise(cursor: Cursor, events: Sequence[NewEvent], now: int) -> list[bytes | None]:
    """For each event the id under which its key was published before, also in `events`.

    Raises Conflict when that was other content. Writes nothing.
    """
    found: dict[tuple[str, str], tuple[bytes, bytes | None]] = {}
    answers: list[bytes | None] = []
    for event in events:
        if event.idempotency_key is None:
            answers.append(None)
            continue
        place = (event.root, event.idempotency_key)
        if place not in found:
            cursor.execute(_FIND, (*place, now))
            row = cursor.fetchone()
            if row is None:
                found[place] = (event.id, event.fingerprint)
                answers.append(None)
                continue
            found[place] = row
        id_, fingerprint = found[place]
        if fingerprint != event.fingerprint:
            raise Conflict("this idempotency key was used for another event")
        answers.append(id_)
    return answers


def remember(cursor: Cursor, events: Sequence[NewEvent], expires_at: int) -> None:
    """Keeps the keys of events that were just written."""
    # One by one: on a host's own connection psycopg's executemany would switch off the server's
    # idle timeout, see DriverCursor.
    for e in events:
        if e.idempotency_key is not None:
            row = (e.root, e.idempotency_key, e.id, e.fingerprint or b"", expires_at)
            cursor.execute(_REMEMBER, row)


def seq_of(cursor: Cursor, id_: bytes) -> int:
    """The seq of an event that was published before; 0 when it was pruned."""
    cursor.execute(_EVENT_SEQ, (id_,))
    row = cursor.fetchone()
    return row[0] if row else 0
