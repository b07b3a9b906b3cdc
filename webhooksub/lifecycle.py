"""What a subscription's own endpoint is told of the subscription, where that is switched on.

``expiring``, ``removed``, ``missed`` and ``disabled`` are news about a subscription, and no
events of its resource: nothing stores them, no other subscription hears them, they are not
replayed. Each is one POST, signed like every notification, by the same guard and transport,
and is not tried again: the operator hears of what could not be sent.
"""

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from . import _core
from .config import SigningConfig
from .errors import (
    ConfigurationError,
    KeyUnreadable,
    UnknownResource,
    ValidationError,
    WebhooksubError,
)
from .events import OperatorEvent, Outcome
from .feed import restore
from .logs import about
from .store.base import SubscriptionRecord
from .trying import Recipient, notification, post

log = logging.getLogger("webhooksub")

Asking = Callable[[], AbstractContextManager[_core.Engine]]

#: In `modificationType`, where every notification has a word: receivers that look for create,
#: update and delete pass it over.
WORD = "lifecycle"
_HTTP = 1  # a channel's code: a socket's owner may not be there to hear it
#: Sent at once; one to each origin, so that a slow one holds up its own.
_SENDERS = 4
#: After unsubscribing nothing starts later than this.
REMOVED_WITHIN_MS = 1_000


@dataclass(frozen=True, slots=True)
class _News:
    record: SubscriptionRecord
    value: _core.Subscription
    facts: Mapping[str, Any]
    not_after: int  # it is no news any more


class Lifecycle:
    """Sends news. Any thread. `wanted`: which; `most`: how many may wait."""

    def __init__(
        self,
        wanted: tuple[str, ...],
        most: int,
        catalog: _core.Catalog,
        asking: Asking,
        signing: SigningConfig,
        headers: Sequence[tuple[str, str]],
        clock: Callable[[], int],
        tell: Callable[[OperatorEvent], None],
    ) -> None:
        self._wanted, self._most, self._catalog = frozenset(wanted), most, catalog
        self._asking, self._signing, self._headers = asking, signing, headers
        self._clock, self._tell = clock, tell
        self._changed = threading.Condition()
        self._queues: OrderedDict[str, deque[_News]] = OrderedDict()  # by origin
        self._busy: set[str] = set()
        self._count = self._senders = 0
        self._closed = self._full = False

    def wants(self, word: str) -> bool:
        return word in self._wanted

    def put(
        self,
        word: str,
        record: SubscriptionRecord,
        facts: Mapping[str, Any],
        *,
        within_ms: int | None = None,
    ) -> None:
        """News of this kind, if it is wanted; nothing starts at the expiry or later."""
        if word not in self._wanted or record.channel != _HTTP or record.origin is None:
            return
        try:
            value = restore(record, self._catalog)
        except (UnknownResource, ValidationError, ConfigurationError, KeyUnreadable):
            return
        last = record.expires_at
        if within_ms is not None:
            last = min(last, self._clock() + within_ms)
        told = {"lifecycle": word, **facts}
        if not self._queue(_News(record, value, told, last), record.origin):
            self._refuse()

    def wait(self, timeout: float) -> bool:
        """Until nothing waits or is being sent; False: the time came first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._senders == 0, timeout)

    def close(self, timeout: float) -> None:
        """Starts nothing more, and waits for what is being sent."""
        with self._changed:
            self._closed = True
            self._queues.clear()
            self._count = 0
        self.wait(timeout)

    def _queue(self, news: _News, origin: str) -> bool:
        with self._changed:
            if self._closed:
                return True
            if self._count >= self._most:
                told, self._full = self._full, True
                return told
            self._full = False
            self._count += 1
            self._queues.setdefault(origin, deque()).append(news)
            if self._senders < _SENDERS:
                self._senders += 1
                name = "webhooksub-lifecycle"
                threading.Thread(target=self._send_all, name=name, daemon=True).start()
        return True

    def _refuse(self) -> None:
        text = f"lifecycle_queue_max: {self._most} wait, and more are not sent"
        self._tell(OperatorEvent("lifecycle_full", text))

    def _send_all(self) -> None:
        """A sender ends when there is nothing to send."""
        while (found := self._next()) is not None:
            origin, news = found
            try:
                self._send(news)
            except WebhooksubError as error:
                text = f"a lifecycle notification was not sent: {error}"
                log.info(text, extra=about("lifecycle_not_sent"))
            except Exception:
                text = "a lifecycle notification could not be made"
                log.exception(text, extra=about("lifecycle_defect"))
            finally:
                with self._changed:
                    self._busy.discard(origin)

    def _next(self) -> tuple[str, _News] | None:
        """Of an origin that nobody sends to, each in its turn."""
        with self._changed:
            for origin, queue in self._queues.items():
                if origin in self._busy:
                    continue
                news = queue.popleft()
                self._count -= 1
                self._queues.move_to_end(origin)
                if not queue:
                    del self._queues[origin]
                self._busy.add(origin)
                return origin, news
            self._senders -= 1
            self._changed.notify_all()
            return None

    def _send(self, news: _News) -> None:
        word, id_ = news.facts["lifecycle"], _core.uuid_text(news.record.id)
        facts = {"subscription_id": id_, "lifecycle": word}
        now = self._clock()
        if now >= news.not_after:
            text = f"too late to tell an endpoint that its subscription is {word}"
            self._tell(OperatorEvent("lifecycle_unsent", text, facts))
            return
        body = notification(news.value, id_, WORD, news.facts, now)
        recipient = Recipient(news.record.url or "", news.value, id_, tuple(news.record.keys))
        with self._asking() as engine:
            result = post(engine, recipient, self._signing, now, body, self._headers)
        if result.outcome is not Outcome.SUCCESS:
            text = f"an endpoint did not take the news that its subscription is {word}"
            facts["outcome"] = result.outcome.name.lower()
            self._tell(OperatorEvent("lifecycle_unsent", text, facts))
