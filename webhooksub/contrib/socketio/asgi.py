"""socket.io in an ASGI application: Starlette, FastAPI, and any other.

::

    app = socket_app(sockets, hooks, actor, app)

`actor(request)` is the one that :func:`webhooksub.contrib.starlette.webhook_routes` takes.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import socketio
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ...dispatcher import Dispatcher
from ...errors import Unauthenticated
from ...logs import about
from ..starlette import ask_actor
from .guests import Guests, Refused, authorize
from .transport import Sockets

__all__ = ["attach", "socket_app"]

log = logging.getLogger("webhooksub")

Actor = Callable[[Request], Any]


def socket_app(
    sockets: Sockets,
    hooks: Dispatcher,
    actor: Actor | None = None,
    app: ASGIApp | None = None,
    *,
    path: str = "socket.io",
) -> ASGIApp:
    """`app` with socket.io at `path`; None: socket.io alone.

    `actor` answers who connects, None for nobody known, or raises Unauthenticated. Raises
    ConfigurationError without it, unless `hooks` restricts nobody and is for development.
    """
    server = sockets.make_async_server()
    attach(server, sockets, hooks, actor)
    served = socketio.ASGIApp(server, app, socketio_path=path)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        sockets.run_on(asyncio.get_running_loop())
        await served(scope, receive, send)

    return serve


def attach(
    server: socketio.AsyncServer, sockets: Sockets, hooks: Dispatcher, actor: Actor | None = None
) -> None:
    """Makes `sockets.namespace` of a host's own server the place where clients connect.

    With Redis the server has python-socketio's AsyncRedisManager on the same channel. Raises as
    :func:`socket_app`.
    """
    guests = Guests(hooks, server, sockets.namespace, actor is not None)
    sockets.attach(server)

    async def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        sockets.run_on(asyncio.get_running_loop())
        known = None if actor is None else await _ask(actor, environ, auth)
        await asyncio.to_thread(guests.admit, sid, known)

    async def disconnect(sid: str, *_: Any) -> None:
        await asyncio.to_thread(guests.leave, sid)

    server.on("connect", connect, namespace=sockets.namespace)
    server.on("disconnect", disconnect, namespace=sockets.namespace)


async def _ask(actor: Actor, environ: dict[str, Any], auth: Any) -> Any:
    try:
        known = await ask_actor(actor, _request(environ["asgi.scope"], auth))
    except Unauthenticated:
        known = None
    except Exception:
        log.exception("who connects could not be found out", extra=about("actor_raised"))
        raise Refused("try again later") from None
    if known is None:
        raise Refused("say who you are")
    return known


def _request(scope: Scope, auth: Any) -> Request:
    """The handshake as a request of HTTP, which it is before it becomes a WebSocket."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    before = set(headers)
    authorize(headers, "authorization", auth)
    added = [(n.encode("latin-1"), headers[n].encode("latin-1")) for n in set(headers) - before]
    return Request({**scope, "type": "http", "method": "GET", "headers": scope["headers"] + added})
