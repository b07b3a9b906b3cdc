"""One run: set up, publish, wait, judge. Or a run resumed: wait, judge."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Protocol

from .. import catalogs
from ..authorizer import allow_all
from ..config import Config
from ..dispatcher import Dispatcher
from ..errors import ConfigurationError
from ..events import DeliveryState
from .endpoint import Endpoint
from .folder import CERTIFICATE_DAYS, Facts, Folder, read_lines
from .verdict import StoreCounts, Verdict, accepted, judge
from .world import Item, Wish, items, wishes

CATALOG = catalogs.SIDEDRAWER
#: Seconds instead of hours; the last step is repeated.
RETRY_STEPS_MS = (200, 500, 1_000, 2_000, 4_000)
MAX_RETRIES = 9
# One endpoint stands for all, and it is ours.
IN_FLIGHT = 64
# Events of one transaction.
CHUNK = 500
# Every so many requests are kept as files.
KEEP_EVERY = 100
# Longer than any step of the schedule, and than an origin is left alone that could not be
# reached in time: if nothing moves for so long, nothing will.
PATIENCE_SECONDS = 60
_LOOK_SECONDS = 0.1
_BATCH_LINGER_MS = 200
_ALL = 2**31


class Watcher(Protocol):
    """Who is told how it goes."""

    def note(self, text: str) -> None:
        """A sentence."""

    def progress(self, what: str, done: int, total: int) -> None:
        """So much of `total` is `what`; both may still grow."""


class Demo:
    """A run in a folder. `kill9_after`: seconds from the first event (or, resumed, from the
    start) to this process' SIGKILL; `keep`: every hundredth request is kept."""

    def __init__(
        self,
        folder: Folder,
        watcher: Watcher,
        *,
        kill9_after: float | None = None,
        keep: bool = False,
    ) -> None:
        self._folder, self._watcher = folder, watcher
        self._kill9_after, self._keep = kill9_after, keep

    def run(self, events: int, *, batch: int | None = None, database: str | None = None) -> Verdict:
        """From an empty folder to the verdict. Raises what Dispatcher raises, and DemoError."""
        wanted = wishes(CATALOG)
        self._folder.prepare({wish.endpoint: wish.key for wish in wanted})
        with self._endpoint() as endpoint:
            facts = Facts(endpoint.port, database, events, batch)
            with self._dispatcher(facts) as hooks:
                self._subscribe(hooks, endpoint, wanted, batch)
                self._folder.write_facts(facts)
                self._announce(facts, len(wanted))
                began = time.monotonic()
                with self._killed_later():
                    self._publish(hooks, items(CATALOG, events), events)
                    self._wait(hooks, endpoint)
                seconds = time.monotonic() - began
                counts = self._count(hooks)
        return judge(self._folder, CATALOG.rows, counts, seconds=seconds)

    def resume(self) -> Verdict:
        """What is left of a run that died. Raises DemoError, and what Dispatcher raises."""
        facts = self._folder.read_facts()
        with self._endpoint(facts.port) as endpoint:
            before = accepted(self._folder)
            self._watcher.note(f"{before:,} notifications were accepted before")
            began = time.monotonic()
            with self._dispatcher(facts) as hooks:
                with self._killed_later():
                    self._wait(hooks, endpoint)
                seconds = time.monotonic() - began
                counts = self._count(hooks)
        return judge(
            self._folder, CATALOG.rows, counts, seconds=seconds, before=before, undisturbed=False
        )

    # --- the parts -------------------------------------------------------------------

    def _endpoint(self, port: int = 0) -> Endpoint:
        return Endpoint(self._folder, port=port, keep_every=KEEP_EVERY if self._keep else 0)

    def _dispatcher(self, facts: Facts) -> Dispatcher:
        """Of its own settings alone: those of the environment are for services."""
        return Dispatcher(
            self._folder.database(facts.database),
            authorizer=allow_all,
            catalog=CATALOG,
            config=Config.of(
                retry_steps_ms=RETRY_STEPS_MS,
                retry_max_retries=MAX_RETRIES,
                in_flight_per_origin=IN_FLIGHT,
            ),
            dev=True,
            ca_pem=self._folder.authority,
        )

    def _subscribe(
        self, hooks: Dispatcher, endpoint: Endpoint, wanted: Sequence[Wish], batch: int | None
    ) -> None:
        if hooks.subscriptions(limit=1) or hooks.deliveries(limit=1) or hooks.stats()["outbox"]:
            raise ConfigurationError("the demo needs a database of its own; this one is in use")
        fields: dict[str, Any] = {"expires": timedelta(days=CERTIFICATE_DAYS)}
        if batch is not None:
            limits = {"maxNotifications": batch, "lingerMs": _BATCH_LINGER_MS}
            fields["delivery"] = {"batch": limits}
        rows: list[dict[str, Any]] = []
        for wish in wanted:
            url = endpoint.url(wish.endpoint)
            info = hooks.subscribe(
                wish.resource, wish.modification_type, url, integrity_key=wish.key, **fields
            )
            asked = {"resource": wish.resource, "modification_type": wish.modification_type}
            rows.append({"id": info.id, **asked, "url": url})
        self._folder.append(self._folder.subscriptions, rows)

    def _announce(self, facts: Facts, subscriptions: int) -> None:
        first, *others = (f"{ms / 1_000:g}" for ms in RETRY_STEPS_MS)
        self._watcher.note(
            f"{facts.events:,} events, {subscriptions} subscriptions, "
            f"receiver at https://127.0.0.1:{facts.port} in its own process"
        )
        self._watcher.note(
            "a tenth of the requests is answered 500 at first; retries after "
            f"{', '.join([first, *others])} s, then every {others[-1]} s, "
            f"± 20 %, at most {MAX_RETRIES}"
        )
        if self._keep:
            self._watcher.note(f"everything is kept in {self._folder.path}")

    @contextlib.contextmanager
    def _killed_later(self) -> Iterator[None]:
        """As a crash would: nothing is closed, nothing is told."""
        if self._kill9_after is None:
            yield
            return
        timer = threading.Timer(self._kill9_after, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _publish(self, hooks: Dispatcher, source: Iterable[Item], total: int) -> None:
        """Writes down what was acknowledged before it publishes more."""
        left, done = iter(source), 0
        while chunk := list(islice(left, CHUNK)):
            acknowledged = hooks.publish_many(chunk)
            self._folder.append(
                self._folder.published,
                [{"id": e.id, "paths": e.paths, "action": e.action} for e in acknowledged],
            )
            done += len(chunk)
            self._watcher.progress("published", done, total)

    def _wait(self, hooks: Dispatcher, endpoint: Endpoint) -> None:
        """Until nothing is left, or nothing moves any more: the verdict tells which."""
        done, last, moved = 0, None, time.monotonic()
        while True:
            result = hooks.flush(timeout=_LOOK_SECONDS)
            stats = hooks.stats()
            done += result.delivered
            left = sum(stats[k] for k in ("outbox", "waiting", "claimed", "queued", "in_flight"))
            self._watcher.progress("delivered", done, done + left)
            if result.complete and not left:
                return
            endpoint.check()
            now = time.monotonic()
            if last != (last := (done, left, result.retried)):
                moved = now
            if stats["fenced"] or now - moved > PATIENCE_SECONDS:
                self._watcher.note("nothing moves any more: given up")
                return
            if result.complete:  # the next retry is due later
                time.sleep(_LOOK_SECONDS)

    def _count(self, hooks: Dispatcher) -> StoreCounts:
        """What the store says, subscription by subscription."""
        delivered = retried = unanswered = dead = 0
        for line in read_lines(self._folder.subscriptions):
            for one in hooks.deliveries(subscription=line["id"], limit=_ALL):
                delivered += one.state is DeliveryState.DELIVERED
                dead += one.state is DeliveryState.DEAD
                if one.attempts > 1:
                    retried += 1
                    attempts = hooks.attempts(one.event_id, one.subscription_id)
                    unanswered += any(attempt.http_status is None for attempt in attempts)
        return StoreCounts(delivered, retried, unanswered, dead)
