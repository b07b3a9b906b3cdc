"""One write transaction, and what it saw when it began."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from .. import _core
from .hot import Cursor, HotStatements


@dataclass(slots=True)
class Transaction:
    """Given to every job of the writer, on its thread."""

    connection: Connection
    cursor: Cursor
    dispatcher: int | None  # our seq, while this process has the role
    last_seq: int  # of events; those written now are numbered on from here
    revision: int  # of subscriptions
    alive: bool  # our dispatcher still has the role
    hot: HotStatements
    clocks_differ_ms: int = 0  # of who writes to the store, at most
    handed: list[_core.Events] = field(default_factory=list)  # ours as soon as it commits
    left: bool = False  # events were written that nobody has yet
    after: list[Callable[[], Any]] = field(default_factory=list)  # called after the commit

    def mark(self) -> tuple[int, int, int, int]:
        """What a savepoint must put back beside the rows."""
        return self.last_seq, self.revision, len(self.handed), len(self.after)

    def back_to(self, mark: tuple[int, int, int, int]) -> None:
        self.last_seq, self.revision, handed, after = mark
        del self.handed[handed:], self.after[after:]
