"""Named points at which a process can be made to end: those that lie in Python.

The points of the C core are compiled into a test build (``WHS_FAILPOINT``), and what ends
the process is preloaded (``tests/crash/failpoint.c``). The points below are patched in by
:func:`in_place`; none stands in the product's files.
"""

import contextlib
import ctypes
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection

from webhooksub.store import (
    hot,
    migrations,
    outbox,
    postgres,
    postgres_hot,
    retention,
    role,
    secrets,
    sqlite,
)

#: Every point, in the order of an event's life, and how often a busy process passes it
#: while it lives: which of the passes is the last one is drawn from so many.
POINTS: dict[str, int] = {
    "before-insert": 40,
    "before-commit": 40,
    "after-commit": 40,
    "after-claim": 40,
    "mid-send": 400,
    "after-answer": 300,
    "in-settle": 30,
    "in-spill": 30,
    "in-key-change": 3,
    "in-migration": 3,
    "in-checkpoint": 60,
    "in-prune": 6,
}
#: Those of the C core.
IN_C = ("mid-send", "after-answer", "in-spill")
#: Those of a file that the process writes itself: a server has others, in other processes.
OF_FILES = ("in-checkpoint",)

Passes = Callable[[str], None]


def preloaded() -> Passes:
    """The function that ends the process at a point. Raises AttributeError without it."""
    end = ctypes.CDLL(None).whs_failpoint
    end.argtypes, end.restype = [ctypes.c_char_p], None
    return lambda name: end(name.encode())


def before(owner: Any, name: str, act: Callable[..., None]) -> Any:
    """`act` is called with the arguments of `owner.name`, in front of it."""
    real = getattr(owner, name)

    @functools.wraps(real)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        act(*args, **kwargs)
        return real(*args, **kwargs)

    return patch.object(owner, name, wrapper)


def after(owner: Any, name: str, act: Callable[[Any], None]) -> Any:
    """`act` is called with what `owner.name` answered."""
    real = getattr(owner, name)

    @functools.wraps(real)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        answer = real(*args, **kwargs)
        act(answer)
        return answer

    return patch.object(owner, name, wrapper)


def publishing(passes: Passes) -> Iterator[Any]:
    """Of a publisher's transaction; those that only settle are not meant."""
    wrote = threading.local()

    def inserted(_: Any) -> None:
        wrote.events = True
        passes("before-commit")

    def committed(_: Any) -> None:
        if getattr(wrote, "events", False):
            wrote.events = False
            passes("after-commit")

    yield before(outbox, "write_events", lambda *_, **__: passes("before-insert"))
    yield after(outbox, "write_events", inserted)
    for kind in (sqlite.SqliteFile, postgres.PostgresDatabase):
        yield after(kind, "commit", committed)


def claiming(passes: Passes) -> Iterator[Any]:
    """Events and deliveries are ours in the store, and the engine has not got them."""

    def claimed(found: Any) -> None:
        if found:
            passes("after-claim")

    def handed(_: Any, transaction: Any) -> None:
        if transaction.handed:
            passes("after-claim")

    yield after(role.DispatcherRole, "claim_events", claimed)
    yield after(role.DispatcherRole, "claim_due", claimed)
    yield before(role.DispatcherRole, "hand_over", handed)


def writing(passes: Passes) -> Iterator[Any]:
    """Amid the other transactions: a part of the rows is written."""

    def settled(_: Any, __: Any, done: Any) -> None:
        if done:
            passes("in-settle")

    for kind in (hot.SqliteStatements, postgres_hot.PostgresStatements):
        yield before(kind, "delete_outbox", settled)
    yield after(secrets, "drop_keys", lambda _: passes("in-key-change"))
    yield after(retention.Pruning, "_delete", lambda _: passes("in-prune"))


def next_version(passes: Passes) -> Any:
    """While inside there is one more version of the schema to migrate to."""
    return patch.object(migrations, "STEPS", [*migrations.STEPS, NextVersion(passes)])


class NextVersion:
    """A step after today's."""

    MIN_READER = 1

    def __init__(self, passes: Passes) -> None:
        self._passes = passes

    def upgrade(self, connection: Connection) -> None:
        for statement in (
            "CREATE TABLE webhooksub_next (event_seq INTEGER PRIMARY KEY, paths TEXT)",
            "INSERT INTO webhooksub_next SELECT seq, paths FROM webhooksub_event",
            "CREATE INDEX webhooksub_next_paths ON webhooksub_next (paths)",
        ):
            connection.exec_driver_sql(statement)
            self._passes("in-migration")


@contextlib.contextmanager
def in_place(passes: Passes) -> Iterator[None]:
    """The points of Python, while inside."""
    with contextlib.ExitStack() as stack:
        for group in (publishing, claiming, writing):
            for point in group(passes):
                stack.enter_context(point)
        yield
