"""Which notifications were there before, by their ids.

Delivery is at least once: the same notification may come again, with the same id, which is
``webhook-id`` of a request with one notification. (A batch's ``webhook-id`` is that of the
batch, and its halves have others.)

An id is *new*, then *busy* while somebody works on it, then *done*. Who dies while busy leaves
an id that is new again after `busy_s`; marking it seen at once would lose what it was about.
"""

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol

_DAY = 86_400
#: The whole schedule of retries takes three days and a half; then an operator may replay.
KEEP_S = 7 * _DAY
#: Longer than a sender waits for an answer (15–30 s).
BUSY_S = 60
#: Of :class:`MemorySeen`: some 20 MB.
IDS_MAX = 100_000
# As long as another process may hold the file.
_BUSY_TIMEOUT_S = 10
_BUSY_PAUSE_S = 0.01
# Rows that are past, deleted for each id that is written: the file shrinks faster than it grows.
_SWEPT = 10


class State(Enum):
    """What :meth:`Seen.begin` found. NEW ones are the caller's now."""

    NEW = "new"
    BUSY = "busy"
    DONE = "done"


class Seen(Protocol):
    """Any thread may call. Ids are any text."""

    def begin(self, ids: Sequence[str]) -> list[State]:
        """How each stands; those that were new are busy from now on."""

    def done(self, ids: Sequence[str]) -> None:
        """They were taken care of."""

    def forget(self, ids: Sequence[str]) -> None:
        """They are new again."""


class MemorySeen:
    """In this process alone, and only the last `ids_max`: for one process, and for tests."""

    def __init__(
        self,
        *,
        ids_max: int = IDS_MAX,
        keep_s: float = KEEP_S,
        busy_s: float = BUSY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ids_max, self._keep_s, self._busy_s = ids_max, keep_s, busy_s
        self._clock = clock
        self._lock = threading.Lock()
        self._until: OrderedDict[bytes, tuple[State, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def begin(self, ids: Sequence[str]) -> list[State]:
        with self._lock:
            return [self._begin(_digest(id_)) for id_ in ids]

    def done(self, ids: Sequence[str]) -> None:
        with self._lock:
            for id_ in ids:
                self._put(_digest(id_), State.DONE, self._keep_s)

    def forget(self, ids: Sequence[str]) -> None:
        with self._lock:
            for id_ in ids:
                self._until.pop(_digest(id_), None)

    def _begin(self, digest: bytes) -> State:
        state, until = self._until.get(digest, (State.NEW, 0.0))
        if until > self._clock():
            return state
        self._put(digest, State.BUSY, self._busy_s)
        return State.NEW

    def _put(self, digest: bytes, state: State, seconds: float) -> None:
        self._until[digest] = (state, self._clock() + seconds)
        self._until.move_to_end(digest)
        while len(self._until) > self._ids_max:
            self._until.popitem(last=False)


class SqliteSeen:
    """In a SQLite file of its own, for any number of processes on one machine.

    Ids that are past are deleted as others come. The file is made at first use, mode 0600.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        keep_s: float = KEEP_S,
        busy_s: float = BUSY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = os.fspath(path)
        self._keep_s, self._busy_s, self._clock = keep_s, busy_s, clock

    def begin(self, ids: Sequence[str]) -> list[State]:
        now = self._clock()
        with self._writing() as raw:
            self._sweep(raw, now, len(ids))
            return [self._begin(raw, _digest(id_), now) for id_ in ids]

    def done(self, ids: Sequence[str]) -> None:
        until = self._clock() + self._keep_s
        with self._writing() as raw:
            raw.executemany(
                "INSERT OR REPLACE INTO seen (id, done, until) VALUES (?, 1, ?)",
                [(_digest(id_), until) for id_ in ids],
            )

    def forget(self, ids: Sequence[str]) -> None:
        with self._writing() as raw:
            raw.executemany("DELETE FROM seen WHERE id = ?", [(_digest(id_),) for id_ in ids])

    def _begin(self, raw: sqlite3.Connection, digest: bytes, now: float) -> State:
        row = raw.execute("SELECT done, until FROM seen WHERE id = ?", (digest,)).fetchone()
        if row is not None and row[1] > now:
            return State.DONE if row[0] else State.BUSY
        raw.execute(
            "INSERT OR REPLACE INTO seen (id, done, until) VALUES (?, 0, ?)",
            (digest, now + self._busy_s),
        )
        return State.NEW

    def _sweep(self, raw: sqlite3.Connection, now: float, ids: int) -> None:
        raw.execute(
            "DELETE FROM seen WHERE id IN (SELECT id FROM seen WHERE until <= ? LIMIT ?)",
            (now, _SWEPT * ids),
        )

    @contextlib.contextmanager
    def _writing(self) -> Any:
        """A connection for each use, so that threads and forks share none."""
        if not os.path.exists(self._path):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        raw = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        with contextlib.closing(raw):
            self._set_up(raw)
            raw.execute("BEGIN IMMEDIATE")
            try:
                yield raw
            except BaseException:
                raw.execute("ROLLBACK")
                raise
            raw.execute("COMMIT")

    def _set_up(self, raw: sqlite3.Connection) -> None:
        if raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'seen'").fetchone():
            return
        _write_ahead(raw)
        raw.execute(
            "CREATE TABLE IF NOT EXISTS seen"
            " (id BLOB PRIMARY KEY, done INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID"
        )
        raw.execute("CREATE INDEX IF NOT EXISTS seen_until ON seen (until)")


class Cache(Protocol):
    """What Django's caches are, and Flask-Caching's. `add` must be one step for all processes:
    Memcached, Redis and the database are, local memory is for one process."""

    def add(self, key: str, value: Any, timeout: Any) -> Any:
        """True where the key was not there."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any, timeout: Any) -> Any: ...
    def delete(self, key: str) -> Any: ...


class CacheSeen:
    """In a cache, ``django.core.cache.cache`` for one. It may evict what it likes: an id that
    is gone is new again."""

    def __init__(
        self,
        cache: Cache,
        *,
        prefix: str = "webhooksub.seen.",
        keep_s: int = KEEP_S,
        busy_s: int = BUSY_S,
    ) -> None:
        self._cache, self._prefix = cache, prefix
        self._keep_s, self._busy_s = keep_s, busy_s

    def begin(self, ids: Sequence[str]) -> list[State]:
        return [self._begin(self._key(id_)) for id_ in ids]

    def done(self, ids: Sequence[str]) -> None:
        for id_ in ids:
            self._cache.set(self._key(id_), State.DONE.value, self._keep_s)

    def forget(self, ids: Sequence[str]) -> None:
        for id_ in ids:
            self._cache.delete(self._key(id_))

    def _begin(self, key: str) -> State:
        if self._cache.add(key, State.BUSY.value, self._busy_s):
            return State.NEW
        # Gone between the two calls counts as busy: the sender asks again.
        return State.DONE if self._cache.get(key) == State.DONE.value else State.BUSY

    def _key(self, id_: str) -> str:
        return self._prefix + _digest(id_).hex()


def _write_ahead(raw: sqlite3.Connection) -> None:
    """The one statement that SQLite's busy timeout does not hold for: it fails at once where
    others write."""
    until = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return


def _digest(id_: str) -> bytes:
    """Ids are what a sender makes them, of any length."""
    return hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=16).digest()
