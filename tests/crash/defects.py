"""Defects put in on purpose, each to show that ``make crash`` can fail.

They are patched into the process that is killed. No defect stands in the product's files.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from webhooksub.delivering import DeliveryLoop
from webhooksub.store import lock, outbox, sqlstore, transaction


def ack_before_commit() -> Any:
    """A publisher is answered at once; the commit comes when it comes."""
    real = sqlstore.SqlStore.publish
    later = ThreadPoolExecutor(1)

    def publish(self: Any, events: Any) -> Any:
        later.submit(real, self, events)
        return [outbox.Published(0, event.id, False) for event in events]

    return patch.object(sqlstore.SqlStore, "publish", publish)


def no_fencing() -> Any:
    """Two dispatchers at once: the lock refuses nobody, and who was declared dead writes on."""
    real = transaction.Transaction.__init__

    def init(self: Any, *fields: Any, **more: Any) -> None:
        real(self, *fields, **more)
        self.alive = True

    stack = contextlib.ExitStack()
    stack.enter_context(patch.object(transaction.Transaction, "__init__", init))
    stack.enter_context(patch.object(lock, "_try_lock", lambda *args: True))
    return stack


def settle_before_answer() -> Any:
    """An event is done as soon as the engine has it."""
    real = DeliveryLoop._push

    def push(self: Any, events: Any) -> None:
        real(self, events)
        self._done.extend((event[0],) for event in events)
        self._engine.wake_reports()

    return patch.object(DeliveryLoop, "_push", push)


DEFECTS: dict[str, Callable[[], Any]] = {
    "ack-before-commit": ack_before_commit,
    "no-fencing": no_fencing,
    "settle-before-answer": settle_before_answer,
}


@contextlib.contextmanager
def in_place(name: str) -> Iterator[None]:
    """The named defect, while inside; "" is none. Raises KeyError for an unknown name."""
    with DEFECTS[name]() if name else contextlib.nullcontext():
        yield
