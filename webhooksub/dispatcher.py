"""The face of the product: subscribe, publish, deliver, look.

A :class:`Dispatcher` that was only constructed is a *publisher*: it writes events and
subscriptions and holds no engine. :meth:`Dispatcher.start` makes it deliver.
"""

import asyncio
import atexit
import logging
import math
import os
import socket
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from . import _core, catalogs, rerunning
from .authorizer import Authorizer
from .config import Config
from .delivering import DeliveryLoop
from .dispatcher_looking import DispatcherLooking
from .dispatcher_sockets import DispatcherSockets
from .dispatcher_subscriptions import DispatcherSubscriptions
from .engine import make_engine
from .errors import Closed, ConfigurationError, Forked
from .events import (
    Event,
    FlushResult,
    OperatorEvent,
    SubscriptionInfo,
)
from .explaining import Explaining
from .feed import SubscriptionFeed
from .handshake import Handshake
from .hostcalls import HostCalls
from .lifecycle import Lifecycle
from .logs import about
from .looking import Looking
from .news import News
from .notebook import Stats
from .paging import Paging
from .publishing import Encoder, Publication, PublishedEvents, encode_compact
from .sockets import SocketDelivery, SocketTransport
from .store import open_store
from .store.base import DispatcherInfo, NewEvent, Published, Store
from .subscribing import Subscriptions
from .version import __version__
from .watching import Watcher, Watching

log = logging.getLogger("webhooksub")

# A wait in Python's locks is cut so, that Ctrl-C is heard and a fenced loop is seen.
_FLUSH_SLICE = 0.2


class SystemClock:
    """UTC milliseconds. `ahead_ms` is what a test has moved it on (:mod:`webhooksub.testing`)."""

    ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def __repr__(self) -> str:
        return "system_clock"


system_clock = SystemClock()


class Dispatcher(DispatcherSubscriptions, DispatcherLooking, DispatcherSockets):
    """Offers webhooks: keeps subscriptions, publishes events, delivers notifications.

    `url` names the store (``sqlite:///hooks.db``, ``postgresql://…``); `authorizer` answers who
    may subscribe to what and has no default; `catalog` are the resources; `config` a
    :class:`Config`, a mapping of its flat names, or None for the defaults with
    ``WEBHOOKSUB_…`` variables. `dev` opens loopback addresses, any port and this process' local
    receivers, and says so. `json` encodes data; `on_operator_event` hears what the operator
    should know, on a thread of ours. `sockets` is what sends events to SOCKET subscriptions
    (:mod:`webhooksub.contrib.socketio`); without it they are refused.

    Every method may be called from any thread. Raises :class:`ConfigurationError`.
    """

    def __init__(
        self,
        url: str,
        *,
        authorizer: Authorizer,
        catalog: _core.Catalog = catalogs.SIDEDRAWER,
        config: Config | Mapping[str, Any] | None = None,
        dev: bool = False,
        json: Encoder = encode_compact,
        clock: Callable[[], int] = system_clock,
        on_operator_event: Callable[[OperatorEvent], None] | None = None,
        ca_pem: bytes | None = None,
        sockets: SocketTransport | None = None,
    ) -> None:
        self.config = _configured(config)
        self.catalog, self.dev = catalog, dev
        self._authorizer, self._clock = authorizer, clock
        self._on_operator_event, self._ca_pem = on_operator_event, ca_pem
        self._transport = sockets
        self._handshake = Handshake(self.config.http)
        rerunning.close_left()
        self._url = url
        self._store: Store = open_store(url, self.config.store, clock)
        self._store.open()
        self._when_left = rerunning.close_when_left(self, self._store)
        rules: dict[str, Any] = {
            "dev": dev,
            "ports": self.config.http.ports,
            "integrity_header": self.config.signing.integrity_header,
            "max_lifetime_ms": self.config.subscriptions.max_lifetime_ms,
            "sockets": sockets is not None,
        }
        self._subscriptions = Subscriptions(
            self._store,
            catalog,
            authorizer,
            clock,
            rules,
            self._handshake,
            self.config.subscriptions.subscriptions_per_root_max,
        )
        self._looking = Looking(self._store, self._subscriptions, catalog, clock)
        self._explaining = Explaining(
            self._store, self._subscriptions, self._looking, catalog, clock
        )
        self._paging = Paging(self._store, self._subscriptions, self._looking)
        self._publication = Publication(catalog, clock, json)
        self._watching = Watching(self._store, clock)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._engine: _core.Engine | None = None
        self._feed: SubscriptionFeed | None = None
        self._loop: DeliveryLoop | None = None
        self._sockets: SocketDelivery | None = None
        self._closed = self._warned = self._forked = False
        self._lifecycle = self._make_lifecycle()
        self._listening = self._make_listening()
        self._flushed: dict[str, int] = {}

    @classmethod
    def in_memory(cls, *, authorizer: Authorizer, **settings: Any) -> Self:
        """A dispatcher without a database, for notebooks and benches: nothing is written."""
        return cls("memory://", authorizer=authorizer, **settings)

    @property
    def clock(self) -> Callable[[], int]:
        """UTC milliseconds."""
        return self._clock

    @property
    def authorizer(self) -> Authorizer:
        return self._authorizer

    def __repr__(self) -> str:
        state = "closed" if self._closed else "delivering" if self._loop else "publisher"
        return f"<webhooksub.Dispatcher {self._store.name} ({state})>"

    # --- life ------------------------------------------------------------------------

    def start(self) -> Self:
        """Begins to deliver. Raises ConfigurationError naming another dispatcher's holder.

        In IPython it takes the place of the one that was started for the same store before,
        which it closes: a cell can be run again.
        """
        self._check_delivers_here()
        rerunning.replace_started(self._url, self._store, self)
        return self._start()

    def _start(self) -> Self:
        self._check_delivers_here()
        if self._store.shared and self.config.store.takeover_ms <= self.config.dispatcher.lease_ms:
            raise ConfigurationError("takeover_ms: must be more than lease_ms")
        with self._lock:
            self._check_usable()
            if self._loop is not None:
                return self
            engine = self._make_engine(spill=True, sockets=self._transport is not None)
            calls = HostCalls(self._tell)
            feed = SubscriptionFeed(self._store, engine, self.catalog, self._clock, calls.tell)
            told = self.config.subscriptions
            news = News(self._store, told, self._clock, self._lifecycle, calls.tell)
            loop = DeliveryLoop(
                self._store,
                engine,
                feed,
                self.config,
                self._clock,
                self._authorizer,
                calls,
                news,
                self._watching,
            )
            info = DispatcherInfo(
                id=_core.uuid7(self._clock()),
                host=socket.gethostname(),
                pid=os.getpid(),
                version=__version__,
            )
            sockets = self._start_sockets(engine)
            try:
                loop.start(info)
            except BaseException:
                if sockets is not None:
                    sockets.stop()
                raise
            self._engine, self._feed, self._loop, self._sockets = engine, feed, loop, sockets
            self._flushed = {}
            _close_at_exit(self)
        if self.dev:
            text = "dev=True: loopback addresses, any port and local receivers are open"
            log.warning(text, extra=about("dev_opened"))
        log.info("delivering from %s", self._store.name, extra=about("started"))
        return self

    def close(self, grace: float | None = None) -> None:
        """Ends: nothing more starts, attempts under way get `grace` seconds, all is settled.

        What could not start stays in the store. A callback of the host's that has not returned
        when they are over, or a second after, is left behind. Twice is fine.
        """
        with self._lock:
            if self._closed or os.getpid() != self._pid:
                return
            self._closed = True
            seconds = self.config.dispatcher.grace_ms / 1_000 if grace is None else grace
            until = time.monotonic() + seconds
            try:
                self._lifecycle.close(seconds)
                if self._loop is not None:
                    self._loop.stop(max(0, int((until - time.monotonic()) * 1_000)))
                    name = self._store.name
                    log.info("no longer delivering from %s", name, extra=about("stopped"))
                if self._sockets is not None:
                    self._sockets.stop()
                self._listening.close()
            finally:
                self._store.close()
                self._when_left.detach()

    def __enter__(self) -> Self:
        return self._start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def delivers(self) -> bool:
        """It was started, and has neither been closed nor stopped by itself."""
        return self._loop is not None and not self._closed and self._loop.works

    def check(self, *, delivers: bool = True) -> None:
        """Asks whether what is published now would be delivered; costs next to nothing.

        `delivers` False asks for the store alone. Raises StoreUnavailable, Closed.
        """
        self._check_usable()
        self._store.revision()
        if delivers and not self.delivers:
            raise Closed("this dispatcher does not deliver")

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self._start)

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.to_thread(self.close)

    # --- publishing ------------------------------------------------------------------

    def publish(
        self,
        path: str | Sequence[str],
        action: str,
        data: Any = None,
        *,
        open_id: str | None = None,
        idempotency_key: str | None = None,
        connection: Any = None,
    ) -> Event:
        """Says that an entity changed. Returns when the event is durable.

        `path`: of the entity, or several paths of the same one. `data`: anything JSON, or
        bytes that are JSON already. `connection`: a SQLAlchemy Connection or Session or a
        DB-API connection whose transaction the event joins; durable is then its commit.

        Raises UnknownResource, ValidationError, OutboxFull, Conflict (idempotency key),
        StoreUnavailable, Closed.
        """
        self._check_usable()
        row = self._publication.event(
            path, action, data, open_id=open_id, idempotency_key=idempotency_key
        )
        return self._publish([row], connection)[0]

    def publish_many(
        self, items: Iterable[Sequence[Any]], *, connection: Any = None
    ) -> Sequence[Event]:
        """Publishes ``(path, action[, data[, open_id]])`` items in one transaction."""
        self._check_usable()
        return self._publish(self._publication.events(items), connection)

    def _publish(self, rows: Sequence[NewEvent], connection: Any) -> Sequence[Event]:
        if not self._warned and self._loop is None:
            self._warn_without_dispatcher()
        with self._watching.publishing(rows):
            if connection is None:
                published = self._store.publish(rows)
            else:
                published = self._store.publish_on(connection, rows)
        return self._published(rows, published, connection)

    def _published(
        self, rows: Sequence[NewEvent], published: Sequence[Published], connection: Any
    ) -> Sequence[Event]:
        """The answer to who published; :func:`webhooksub.testing.capture` listens here."""
        return PublishedEvents(rows, published)

    def wake(self) -> None:
        """After the commit of a raw connection: looks for its events at once."""
        self._store.wake()
        if self._loop is not None:
            self._loop.wake()

    def _warn_without_dispatcher(self) -> None:
        self._warned = True
        if not self._store.stats()["dispatchers_alive"]:
            warnings.warn(
                "no dispatcher delivers from this store now: events wait in the outbox",
                RuntimeWarning,
                stacklevel=4,
            )

    # --- waiting and looking ---------------------------------------------------------

    def flush(self, timeout: float | None = None) -> FlushResult:
        """Waits until nothing is ready or in flight; what waits for later is counted.

        `timeout` in seconds; the result says what was left when it came first. Raises Closed
        when this dispatcher does not deliver, Forked in a child of the process that started it.
        """
        self._check_delivers_here()
        loop = self._loop
        if loop is None:
            raise Closed("this dispatcher does not deliver: start() it first")
        deadline = None if timeout is None else time.monotonic() + timeout
        loop.wake()
        ready = 1
        while True:
            left = math.inf if deadline is None else deadline - time.monotonic()
            if ready == 0 or loop.fenced or left <= 0:
                return self._flush_result(ready)
            counted = loop.count_ready(min(_FLUSH_SLICE, left))
            ready = ready if counted is None else counted

    def _flush_result(self, ready: int) -> FlushResult:
        assert self._engine is not None
        stats = self._engine.stats()
        since = {k: stats[k] - self._flushed.get(k, 0) for k in stats}
        self._flushed = stats
        return FlushResult(
            delivered=since["delivered"],
            waiting=self._store.stats()["waiting"],
            dead=since["dead"],
            expired=since["expired"],
            cancelled=since["cancelled"],
            retried=since["retried"],
            ready=max(ready - stats["in_flight"], 0),
            in_flight=stats["in_flight"],
        )

    def stats(self) -> Stats:
        """What is where, now: the store's counts and, while delivering, the engine's.

        `dead` are the store's dead letters, whoever gave them up.
        """
        stats: dict[str, Any] = {"delivering": self._loop is not None and not self._closed}
        if counters := self.counters():
            assert self._loop is not None
            stats |= counters | {"fenced": self._loop.fenced}
        return Stats(stats | self.counts())

    def counters(self) -> dict[str, int]:
        """What this process has delivered since it was started and holds now; asks nobody.

        Nothing while it does not deliver.
        """
        if self._loop is None or self._engine is None or self._closed:
            return {}
        return self._engine.stats() | {"unresolved": self._loop.unresolved}

    def counts(self) -> dict[str, int]:
        """What is in the store, by counts that cost what waits and not what was delivered.

        Raises StoreUnavailable, Closed.
        """
        return self._store.stats()

    def watch(self, watcher: Watcher | None) -> None:
        """Tells one who looks on of what is published and delivered here; None: nobody."""
        self._watching.watcher = watcher

    # --- the same, awaited -----------------------------------------------------------

    async def asubscribe(self, *args: Any, **fields: Any) -> SubscriptionInfo:
        """:meth:`subscribe`, off the event loop."""
        return await asyncio.to_thread(self.subscribe, *args, **fields)

    async def apublish(
        self, path: str | Sequence[str], action: str, data: Any = None, **options: Any
    ) -> Event:
        """:meth:`publish`, off the event loop; `connection` may be an AsyncSession."""
        connection = options.pop("connection", None)
        if connection is not None and hasattr(connection, "run_sync"):

            def join(sync: Any) -> Event:
                return self.publish(path, action, data, connection=sync, **options)

            event: Event = await connection.run_sync(join)
            return event
        options["connection"] = connection
        return await asyncio.to_thread(self.publish, path, action, data, **options)

    async def aflush(self, timeout: float | None = None) -> FlushResult:
        """:meth:`flush`, off the event loop."""
        return await asyncio.to_thread(self.flush, timeout)

    # --- inside ----------------------------------------------------------------------

    def _make_engine(self, *, spill: bool, sockets: bool = False) -> _core.Engine:
        return make_engine(
            self.catalog,
            self.config,
            dev=self.dev,
            spill=spill,
            ca_pem=self._ca_pem,
            sockets=sockets,
        )

    def _make_lifecycle(self) -> Lifecycle:
        news = self.config.subscriptions
        return Lifecycle(
            news.lifecycle,
            news.lifecycle_queue_max,
            self.catalog,
            self._asking_engine,
            self.config.signing,
            self._handshake.headers,
            self._clock,
            self._tell,
        )

    @contextmanager
    def _asking_engine(self) -> Iterator[_core.Engine]:
        """The one that delivers; for a publisher one of its own, for the moment."""
        if self._engine is not None:
            yield self._engine
            return
        engine = self._make_engine(spill=False)
        engine.start()
        try:
            yield engine
        finally:
            engine.close()

    def _tell(self, event: OperatorEvent) -> None:
        log.warning("%s: %s", event.kind, event.message, extra=about(event.kind, **event.facts))
        if self._on_operator_event is None:
            return
        try:
            self._on_operator_event(event)
        except Exception:
            log.exception("on_operator_event failed", extra=about("operator_event_raised"))

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            self._become_publisher()
        if self._closed:
            raise Closed("this dispatcher is closed")

    def _become_publisher(self) -> None:
        """In a forked child: what delivers is the parent's, and stays as it was."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._forked = self._loop is not None
        self._engine = self._feed = self._loop = self._sockets = None
        self._lifecycle = self._make_lifecycle()
        self._listening = self._make_listening()

    def _check_delivers_here(self) -> None:
        self._check_usable()
        if self._forked:
            raise Forked("this dispatcher was started in the parent process: make another")


def _configured(config: Config | Mapping[str, Any] | None) -> Config:
    if isinstance(config, Config):
        return config
    return Config.from_env().replace(**(config or {}))


def _close_at_exit(dispatcher: Dispatcher) -> None:
    """At interpreter exit nothing waits for endpoints; what is left is in the store."""
    reference = weakref.ref(dispatcher)

    def close() -> None:
        alive = reference()
        if alive is not None:
            alive.close(grace=0)

    atexit.register(close)
