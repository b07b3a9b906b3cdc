"""How a dispatcher reaches the clients of python-socketio's servers."""

import asyncio
import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import socketio

from ...errors import ConfigurationError
from ...logs import about

__all__ = ["CHANNEL", "NAMESPACE", "Sockets"]

log = logging.getLogger("webhooksub")

#: Where clients connect unless it is named otherwise: the host's own events are elsewhere.
NAMESPACE = "/webhooks"
#: python-socketio's own name for the channel that its managers share.
CHANNEL = "socketio"

# Clients of other processes to whom something was sent, the last ones.
_CLIENTS_MAX = 100_000
# A start waits so long for Redis to carry acknowledgements.
_SUBSCRIBED_WITHIN = 5.0
_LOOK = 0.01


class Sockets:
    """What ``Dispatcher(…, sockets=…)`` sends events by; one for each dispatcher.

    `redis`: URL of the Redis by which several processes reach each other's clients; None: the
    clients are this process'. `namespace`: where they connect. `channel`: of Redis. `options`
    are those of python-socketio's server, such as ``cors_allowed_origins``.
    """

    def __init__(
        self,
        *,
        redis: str | None = None,
        namespace: str = NAMESPACE,
        channel: str = CHANNEL,
        **options: Any,
    ) -> None:
        if not namespace.startswith("/"):
            raise ConfigurationError("namespace: must begin with /")
        self.namespace = namespace
        self._redis, self._channel, self._options = redis, channel, options
        self._server: Any = None  # of this process' clients
        self._loop: asyncio.AbstractEventLoop | None = None  # of an asynchronous one
        self._sender: socketio.Server | None = None  # mounted nowhere: for those of others
        self._lock = threading.Lock()
        self._sent_to: OrderedDict[str, None] = OrderedDict()  # by the sender; under the lock

    # --- servers ---------------------------------------------------------------------

    def make_async_server(self) -> socketio.AsyncServer:
        """One for an ASGI application, by which this process' clients are reached."""
        manager = None
        if self._redis is not None:
            manager = socketio.AsyncRedisManager(self._redis, channel=self._channel)
        options = {"async_mode": "asgi", "client_manager": manager, **self._options}
        return socketio.AsyncServer(**options)

    def make_server(self) -> socketio.Server:
        """One for a WSGI application, by which this process' clients are reached."""
        options = {"async_mode": "threading", "client_manager": self._manager(), **self._options}
        return socketio.Server(**options)

    def attach(self, server: Any) -> None:
        """The server that has this process' clients. Raises ConfigurationError for another."""
        if self._server not in (None, server):
            raise ConfigurationError("sockets: it serves another application already")
        self._server = server

    def run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """The event loop of the server, as soon as it is known."""
        self._loop = loop

    def _manager(self) -> socketio.RedisManager | None:
        if self._redis is None:
            return None
        return socketio.RedisManager(self._redis, channel=self._channel)

    # --- the dispatcher's transport --------------------------------------------------

    def start(self) -> None:
        """See :class:`webhooksub.sockets.SocketTransport`. Without Redis the clients' server
        is looked for when there is something to send."""
        if self._redis is None or self._sender is not None:
            return
        # A server of its own and not a write-only manager: that takes no acknowledgements.
        sender = socketio.Server(async_mode="threading", client_manager=self._manager())
        sender.manager_initialized = True
        sender.manager.initialize()
        _wait_for_redis(sender.manager)
        self._sender = sender

    def send(
        self, sid: str, event: str, notification: Any, acknowledged: Callable[[], None]
    ) -> Callable[[], None] | None:
        """Emits the event to one client."""
        server, loop = self._sender or self._server, self._loop
        if server is None:
            raise ConfigurationError("sockets: no application serves them in this process")
        if self._redis is None and server.get_environ(sid, namespace=self.namespace) is None:
            return None
        answered = _Answered(server.manager, sid, acknowledged)
        sent = {"to": sid, "namespace": self.namespace, "callback": answered}
        if not server.is_asyncio_based():
            server.emit(event, notification, **sent)
            self._remember(sid)
            return answered.forget
        if loop is None or loop.is_closed():
            raise ConfigurationError("sockets: the application does not serve now")
        emitted = server.emit(event, notification, **sent)
        asyncio.run_coroutine_threadsafe(emitted, loop).add_done_callback(_log_failure)
        return lambda: _call_on(loop, answered.forget)

    def _remember(self, sid: str) -> None:
        """The sender never hears that a client is gone: of the last ones it numbers what it
        sends, and of no others."""
        sender = self._sender
        if sender is None:
            return
        with self._lock:
            self._sent_to[sid] = None
            self._sent_to.move_to_end(sid)
            if len(self._sent_to) > _CLIENTS_MAX:
                oldest, _ = self._sent_to.popitem(last=False)
                sender.manager.callbacks.pop(oldest, None)

    def stop(self) -> None:
        """The sender's thread is python-socketio's, and ends with the process."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.manager.redis.close()


class _Answered:
    """One client's acknowledgement, which python-socketio would await for ever."""

    def __init__(self, manager: Any, sid: str, acknowledged: Callable[[], None]) -> None:
        self._manager, self._sid, self._acknowledged = manager, sid, acknowledged

    def __call__(self, *_: Any) -> None:
        self._acknowledged()

    def forget(self) -> None:
        """It is awaited no more."""
        waiting = self._manager.callbacks.get(self._sid, {})
        for number in [n for n, found in list(waiting.items()) if found is self]:
            waiting.pop(number, None)


def _call_on(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """A loop that has ended has forgotten everything."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def _log_failure(sent: Any) -> None:
    """The attempt ends when its time is over."""
    if not sent.cancelled() and sent.exception() is not None:
        facts = about("socket_not_sent")
        log.error("an event could not be sent to a socket", exc_info=sent.exception(), extra=facts)


def _wait_for_redis(manager: Any) -> None:
    """An acknowledgement that comes before would be lost."""
    until = time.monotonic() + _SUBSCRIBED_WITHIN
    while not (manager.connected and manager.pubsub is not None and manager.pubsub.subscribed):
        if time.monotonic() > until:
            raise ConfigurationError("redis: it does not answer, and carries no acknowledgements")
        threading.Event().wait(_LOOK)
