"""What was published, as the transaction sees it that it was published in.

No dispatcher is needed and no commit: a test whose transaction is rolled back at its end sees
its events, but not those of a SAVEPOINT that was undone.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, overload

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from .. import _core
from ..dispatcher import Dispatcher
from ..events import Action, Event
from ..store.base import NewEvent, Published
from ..store.schema import PREFIX

_FIND = f"SELECT count(*) FROM {PREFIX}event WHERE id = ?"


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """One event as it was published; `data` is decoded again, None where there was none."""

    id: str
    paths: tuple[str, ...]
    action: str
    data: Any = field(default=None)
    open_id: str | None = None

    @property
    def path(self) -> str:
        """The first of `paths`, mostly the only one."""
        return self.paths[0]


class CapturedEvents(Sequence[CapturedEvent]):
    """Those published since the capture began, in order; looked up at each use.

    Left out are events of a transaction or SAVEPOINT that was rolled back meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: list[tuple[CapturedEvent, Callable[[], bool]]] = []

    def _there(self) -> list[CapturedEvent]:
        with self._lock:
            taken = list(self._taken)
        return [event for event, exists in taken if exists()]

    def _take(self, event: CapturedEvent, exists: Callable[[], bool]) -> None:
        with self._lock:
            self._taken.append((event, exists))

    def __len__(self) -> int:
        return len(self._there())

    @overload
    def __getitem__(self, index: int) -> CapturedEvent: ...
    @overload
    def __getitem__(self, index: slice) -> list[CapturedEvent]: ...
    def __getitem__(self, index: int | slice) -> CapturedEvent | list[CapturedEvent]:
        return self._there()[index]

    def __iter__(self) -> Iterator[CapturedEvent]:
        return iter(self._there())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._there() == list(other)

    def __repr__(self) -> str:
        return f"<captured {self._there()!r}>"

    def matching(self, path: str | None = None, action: str | None = None) -> list[CapturedEvent]:
        """Those of an entity path, of an action, or of both."""
        return [
            event
            for event in self._there()
            if path in (None, *event.paths) and action in (None, event.action)
        ]

    def clear(self) -> None:
        """Forgets what came up to now."""
        with self._lock:
            self._taken.clear()


@contextmanager
def capture() -> Iterator[CapturedEvents]:
    """Captures what every dispatcher of this process publishes inside the block.

    That nobody delivers it is no news there, and not warned of.
    """
    captured = CapturedEvents()
    answer, warn = Dispatcher._published, Dispatcher._warn_without_dispatcher

    def take(
        self: Dispatcher,
        rows: Sequence[NewEvent],
        published: Sequence[Published],
        connection: Any,
    ) -> Sequence[Event]:
        for row, written in zip(rows, published, strict=True):
            if not written.duplicate:
                captured._take(_captured(row), _existence(connection, row.id))
        return answer(self, rows, published, connection)

    Dispatcher._published = take  # type: ignore[method-assign]
    Dispatcher._warn_without_dispatcher = lambda self: None  # type: ignore[method-assign]
    try:
        yield captured
    finally:
        Dispatcher._published = answer  # type: ignore[method-assign]
        Dispatcher._warn_without_dispatcher = warn  # type: ignore[method-assign]


def _captured(row: NewEvent) -> CapturedEvent:
    return CapturedEvent(
        _core.uuid_text(row.id),
        row.paths,
        Action(row.action).name.lower(),
        None if row.data is None else json.loads(row.data),
        row.open_id,
    )


def _existence(connection: Any, id_: bytes) -> Callable[[], bool]:
    """Whether the event is there, for the connection that wrote it or, where that can be asked
    no more, for everybody."""
    raw = connection
    if isinstance(connection, Session):
        raw = connection.connection().connection.driver_connection
    elif isinstance(connection, Connection):
        raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        return lambda: True
    file = raw.execute("SELECT file FROM pragma_database_list WHERE name = 'main'")
    file.row_factory = None  # the host's may make anything of a row
    path = file.fetchone()[0]

    def exists() -> bool:
        try:
            return _sees(raw, id_)
        except sqlite3.ProgrammingError:  # closed, or another thread's
            return bool(path) and _committed(path, id_)

    return exists


def _sees(raw: sqlite3.Connection, id_: bytes) -> bool:
    cursor = raw.cursor()
    cursor.row_factory = None
    return bool(cursor.execute(_FIND, (id_,)).fetchone()[0])


def _committed(path: str, id_: bytes) -> bool:
    with closing(sqlite3.connect(path)) as other:
        return _sees(other, id_)
