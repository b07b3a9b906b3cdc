"""Who is at a socket now: each connection that some process holds for an owner.

The rows end with their processes: what a process says no more of is forgotten, and nothing
else in the store refers to them. So they are no part of the schema that is migrated; the
table is made where sockets are used first.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from ..errors import LimitReached
from .schema import PREFIX

if TYPE_CHECKING:  # it imports this module
    from .process import StoreProcess

# Owners asked for in one statement.
_ASKED_AT_ONCE = 500

listener = Table(
    PREFIX + "listener",
    MetaData(),
    Column("sid", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("process", LargeBinary(16), nullable=False),
    Column("connected_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index(PREFIX + "listener_owner", "owner"),
    Index(PREFIX + "listener_process", "process"),
    Index(PREFIX + "listener_connected", "connected_at"),
)


class Listeners(Protocol):
    """A store's connections. Any thread. Raises as the store does.

    `since`, everywhere: what was not seen at that time or later counts no more.
    """

    def add(self, process: bytes, sid: str, owner: str, *, most: int, since: int) -> None:
        """One has connected. Raises LimitReached where its owner has `most`."""

    def remove(self, sids: Iterable[str]) -> None:
        """They have gone. Those that are not there are fine."""

    def beat(self, process: bytes, held: Mapping[str, str], *, since: int) -> None:
        """The process has these connections still, owners by sid: also those of them that
        were forgotten meanwhile. Forgets what was not seen `since`."""

    def leave(self, process: bytes) -> None:
        """The process ends."""

    def of(self, owners: Iterable[str], *, since: int) -> dict[str, list[str]]:
        """The sids of those owners that have any, the oldest first."""

    def came(self, after: int, *, since: int) -> set[str]:
        """Owners of whom one has connected after that time."""


def too_many(most: int) -> LimitReached:
    """Names the limit."""
    return LimitReached(f"socket_connections_per_owner_max: there are {most} already")


class SqlListeners:
    """See :class:`Listeners`."""

    def __init__(self, process: "StoreProcess", clock: Callable[[], int]) -> None:
        self._process, self._clock = process, clock
        self._lock = threading.Lock()
        self._made = False

    def _make(self) -> None:
        """The table. Twice is fine, also at once."""
        with self._lock:
            if not self._made:
                self._process.write(lambda t: listener.metadata.create_all(t.connection))
                self._made = True

    def add(self, process: bytes, sid: str, owner: str, *, most: int, since: int) -> None:
        self._make()
        now = self._clock()
        self._process.write(lambda t: _add(t.connection, (process, sid, owner), most, since, now))

    def remove(self, sids: Iterable[str]) -> None:
        self._make()
        gone = delete(listener).where(listener.c.sid.in_(list(sids)))
        self._process.write(lambda t: t.connection.execute(gone))

    def beat(self, process: bytes, held: Mapping[str, str], *, since: int) -> None:
        self._make()
        now = self._clock()
        self._process.write(lambda t: _beat(t.connection, process, held, since, now))

    def leave(self, process: bytes) -> None:
        self._make()
        gone = delete(listener).where(listener.c.process == process)
        self._process.write(lambda t: t.connection.execute(gone))

    def of(self, owners: Iterable[str], *, since: int) -> dict[str, list[str]]:
        self._make()
        wanted, found = list(owners), dict[str, list[str]]()
        columns = select(listener.c.owner, listener.c.sid).where(listener.c.seen_at >= since)
        with self._process.reading() as connection:
            for start in range(0, len(wanted), _ASKED_AT_ONCE):
                some = listener.c.owner.in_(wanted[start : start + _ASKED_AT_ONCE])
                query = columns.where(some).order_by(listener.c.connected_at)
                for owner, sid in connection.execute(query):
                    found.setdefault(owner, []).append(sid)
        return found

    def came(self, after: int, *, since: int) -> set[str]:
        self._make()
        query = (
            select(listener.c.owner)
            .distinct()
            .where(listener.c.connected_at > after, listener.c.seen_at >= since)
        )
        with self._process.reading() as connection:
            return set(connection.execute(query).scalars())


def _add(
    connection: Connection, named: tuple[bytes, str, str], most: int, since: int, now: int
) -> None:
    process, sid, owner = named
    alive = (listener.c.owner == owner, listener.c.seen_at >= since, listener.c.sid != sid)
    if connection.execute(select(func.count()).where(*alive)).scalar_one() >= most:
        raise too_many(most)
    connection.execute(delete(listener).where(listener.c.sid == sid))
    _insert(connection, process, {sid: owner}, now)


def _beat(
    connection: Connection, process: bytes, held: Mapping[str, str], since: int, now: int
) -> None:
    mine = listener.c.process == process
    connection.execute(update(listener).where(mine).values(seen_at=now))
    known = set(connection.execute(select(listener.c.sid).where(mine)).scalars())
    _insert(connection, process, {s: o for s, o in held.items() if s not in known}, now)
    connection.execute(delete(listener).where(listener.c.seen_at < since))


def _insert(connection: Connection, process: bytes, owners: Mapping[str, str], now: int) -> None:
    rows = [
        {"sid": sid, "owner": owner, "process": process, "connected_at": now, "seen_at": now}
        for sid, owner in owners.items()
    ]
    if rows:
        connection.execute(insert(listener), rows)


@dataclass(frozen=True, slots=True)
class _Listener:
    owner: str
    process: bytes
    connected_at: int
    seen_at: int


class MemoryListeners:
    """See :class:`Listeners`."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._rows: dict[str, _Listener] = {}

    def add(self, process: bytes, sid: str, owner: str, *, most: int, since: int) -> None:
        with self._lock:
            others = [r for s, r in self._rows.items() if s != sid and r.owner == owner]
            if sum(row.seen_at >= since for row in others) >= most:
                raise too_many(most)
            now = self._clock()
            self._rows[sid] = _Listener(owner, process, now, now)

    def remove(self, sids: Iterable[str]) -> None:
        with self._lock:
            for sid in sids:
                self._rows.pop(sid, None)

    def beat(self, process: bytes, held: Mapping[str, str], *, since: int) -> None:
        with self._lock:
            now = self._clock()
            for sid, row in self._rows.items():
                if row.process == process:
                    self._rows[sid] = replace(row, seen_at=now)
            for sid in held.keys() - self._rows.keys():
                self._rows[sid] = _Listener(held[sid], process, now, now)
            self._rows = {s: row for s, row in self._rows.items() if row.seen_at >= since}

    def leave(self, process: bytes) -> None:
        with self._lock:
            self._rows = {s: row for s, row in self._rows.items() if row.process != process}

    def of(self, owners: Iterable[str], *, since: int) -> dict[str, list[str]]:
        wanted, found = set(owners), dict[str, list[str]]()
        with self._lock:
            for sid, row in self._rows.items():
                if row.owner in wanted and row.seen_at >= since:
                    found.setdefault(row.owner, []).append(sid)
        return found

    def came(self, after: int, *, since: int) -> set[str]:
        with self._lock:
            rows = list(self._rows.values())
        return {r.owner for r in rows if r.connected_at > after and r.seen_at >= since}
