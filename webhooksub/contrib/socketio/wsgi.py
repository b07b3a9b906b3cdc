"""socket.io in a WSGI application served by threads: Flask, and any other.

::

    app.wsgi_app = socket_app(sockets, hooks, actor, app)

`actor(request)` is the one that :func:`webhooksub.contrib.flask.webhook_blueprint` takes. For a
Flask app it is called within the app's context of that request.
"""

import logging
from collections.abc import Callable
from typing import Any

import socketio
from flask import Flask, request
from werkzeug.wrappers import Request

from ...dispatcher import Dispatcher
from ...errors import Unauthenticated
from ...logs import about
from .guests import Guests, Refused, authorize
from .transport import Sockets

__all__ = ["attach", "socket_app"]

log = logging.getLogger("webhooksub")

Actor = Callable[[Any], Any]
WsgiApp = Callable[..., Any]


def socket_app(
    sockets: Sockets,
    hooks: Dispatcher,
    actor: Actor | None = None,
    app: Flask | WsgiApp | None = None,
    *,
    path: str = "socket.io",
) -> WsgiApp:
    """`app` with socket.io at `path`; None: socket.io alone. The server serves each request
    by a thread.

    `actor` answers who connects, None for nobody known, or raises Unauthenticated. Raises
    ConfigurationError without it, unless `hooks` restricts nobody and is for development.
    """
    server = sockets.make_server()
    attach(server, sockets, hooks, actor, app if isinstance(app, Flask) else None)
    inner = app.wsgi_app if isinstance(app, Flask) else app
    served: WsgiApp = socketio.WSGIApp(server, inner, socketio_path=path)
    return served


def attach(
    server: socketio.Server,
    sockets: Sockets,
    hooks: Dispatcher,
    actor: Actor | None = None,
    app: Flask | None = None,
) -> None:
    """Makes `sockets.namespace` of a host's own server the place where clients connect.

    With Redis the server has python-socketio's RedisManager on the same channel. Raises as
    :func:`socket_app`.
    """
    guests = Guests(hooks, server, sockets.namespace, actor is not None)
    sockets.attach(server)

    def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        known = None if actor is None else _ask(actor, app, environ, auth)
        guests.admit(sid, known)

    def disconnect(sid: str, *_: Any) -> None:
        guests.leave(sid)

    server.on("connect", connect, namespace=sockets.namespace)
    server.on("disconnect", disconnect, namespace=sockets.namespace)


def _ask(actor: Actor, app: Flask | None, environ: dict[str, Any], auth: Any) -> Any:
    asked = dict(environ)
    authorize(asked, "HTTP_AUTHORIZATION", auth)
    try:
        known = _known(actor, app, asked)
    except Unauthenticated:
        known = None
    except Exception:
        log.exception("who connects could not be found out", extra=about("actor_raised"))
        raise Refused("try again later") from None
    if known is None:
        raise Refused("say who you are")
    return known


def _known(actor: Actor, app: Flask | None, environ: dict[str, Any]) -> Any:
    if app is None:
        return actor(Request(environ))
    with app.request_context(environ):
        return app.ensure_sync(actor)(request)
