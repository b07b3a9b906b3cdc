"""Who looks on while events are published and delivered, such as tracing.

Nothing is asked of the store, and nothing made, while nobody looks.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from . import _core
from .events import DeliveryState, Outcome, from_ms, is_own
from .logs import about
from .store.base import NewEvent, Store

log = logging.getLogger("webhooksub")


@dataclass(frozen=True, slots=True)
class Settled:
    """One delivery after an attempt that ended: it is written down already."""

    event_id: str
    subscription_id: str
    state: DeliveryState
    attempts: int
    http_status: int | None
    outcome: Outcome
    duration_ms: int
    ended_at: datetime


class Watcher(Protocol):
    """Is told of all that one dispatcher does. It must not block."""

    def publishing(self, event_ids: Sequence[str]) -> AbstractContextManager[object]:
        """Entered before the events are written, left behind that. On the publisher's thread;
        must not raise."""

    def settled(self, deliveries: Sequence[Settled]) -> None:
        """On the dispatcher's own thread. What it raises is logged."""


_BY_NOBODY = nullcontext()


class Watching:
    """Of one dispatcher."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self.watcher: Watcher | None = None
        self._store, self._clock = store, clock

    def publishing(self, rows: Sequence[NewEvent]) -> AbstractContextManager[object]:
        watcher = self.watcher
        if watcher is None:
            return _BY_NOBODY
        return watcher.publishing([_core.uuid_text(row.id) for row in rows])

    def of_reports(self, reports: _core.Reports) -> None:
        """After their commit. Raises StoreUnavailable."""
        watcher = self.watcher
        if watcher is None:
            return
        rows = [row for row in reports.deliveries(self._clock()) if not is_own(Outcome(row[8]))]
        events = self._store.event_ids([row[0] for row in rows])
        subscriptions = self._store.subscription_ids([row[1] for row in rows])
        settled = [
            Settled(
                _core.uuid_text(events[row[0]]),
                _core.uuid_text(subscriptions[row[1]]),
                DeliveryState(row[2]),
                row[3],
                row[7],
                Outcome(row[8]),
                row[9],
                from_ms(row[10]),
            )
            for row in rows
            if row[0] in events and row[1] in subscriptions
        ]
        try:
            watcher.settled(settled)
        except Exception:
            log.exception("a watcher of deliveries failed", extra=about("watcher_raised"))
