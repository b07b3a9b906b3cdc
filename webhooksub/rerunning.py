"""What becomes of a dispatcher when its cell is run again?

In IPython a name is bound anew only after the new dispatcher was started, and an output may
keep the old one alive: no reference says that it is done with. So there a :meth:`start` closes
the dispatcher that the session started for the same store before. Elsewhere a second one is a
mistake, and is refused by a store that has one dispatcher.

A publisher that nobody holds any more is closed when the next dispatcher is made, in a notebook
or not: its store's thread does not end by itself.
"""

import logging
import sys
import weakref
from collections import deque
from typing import Protocol

from .logs import about
from .store.base import Store

log = logging.getLogger("webhooksub")


class Dispatching(Protocol):
    """A started dispatcher."""

    def close(self, grace: float | None = None) -> None: ...


_started: "weakref.WeakValueDictionary[str, Dispatching]" = weakref.WeakValueDictionary()
# A deque may be appended to wherever the collector runs.
_left: deque[Store] = deque()


def in_session() -> bool:
    """Somebody types into IPython, or runs cells of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def replace_started(url: str, store: Store, dispatcher: Dispatching) -> None:
    """Closes the one before, where a session begins another for the same store. One in memory
    has nothing to lose, and does not wait for slow endpoints."""
    if not in_session():
        return
    key = store.name if store.durable else url
    before = _started.get(key)
    if before is not None and before is not dispatcher:
        facts = about("replaced")
        log.info("closing what this session started for %s before", store.name, extra=facts)
        before.close(None if store.durable else 0)
    _started[key] = dispatcher


def close_left() -> None:
    """The stores whose dispatchers are gone."""
    while _left:
        _left.popleft().close()


def close_when_left(dispatcher: Dispatching, store: Store) -> "weakref.finalize[..., Dispatching]":
    """Remembers the store for :func:`close_left`, once nobody holds the dispatcher."""
    finalizer = weakref.finalize(dispatcher, _left.append, store)
    finalizer.atexit = False
    return finalizer
