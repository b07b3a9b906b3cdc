"""HTTP for a process that delivers: is it alive, is it ready, and the subscription API.

Needs the extra ``serve`` (Starlette on uvicorn).
"""

import math
import socket
import threading
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from .dispatcher import Dispatcher
from .errors import Closed, StoreUnavailable
from .running import Grace

# Connections answered at once; more get 503. Each may hold a body of 64 KiB.
CONNECTIONS_MAX = 256
# An idle connection of a client is kept so long.
_KEEP_ALIVE_SECONDS = 5
# A supervisor may ask this often; its answers are never kept.
_NOT_KEPT = {"cache-control": "no-store"}


def health_routes(hooks: Dispatcher, *, delivers: bool = True) -> list[Route]:
    """``/healthz``: 503 when only a new start would help. ``/readyz``: 503 when what is
    asked or published now would not be answered or delivered."""

    async def healthz(_: Request) -> JSONResponse:
        fine = hooks.delivers or not delivers
        return _verdict(None if fine else "the dispatcher has stopped")

    async def readyz(_: Request) -> JSONResponse:
        try:
            await run_in_threadpool(hooks.check, delivers=delivers)
        except (Closed, StoreUnavailable) as error:
            return _verdict(str(error))
        return _verdict(None)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _verdict(reason: str | None) -> JSONResponse:
    if reason is None:
        return JSONResponse({"status": "ok"}, headers=_NOT_KEPT)
    return JSONResponse({"status": "unavailable", "reason": reason}, 503, headers=_NOT_KEPT)


def application(routes: Sequence[BaseRoute], middleware: Sequence[Middleware] = ()) -> Starlette:
    """The ASGI application of these routes."""
    return Starlette(routes=routes, middleware=middleware)


class HttpServer:
    """An application on a listening socket, served by a thread of its own."""

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        self._listener = listener
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="webhooksub-http", daemon=True
        )

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Connections made before this wait in the kernel."""
        self._thread.start()

    def stop(self, grace: Grace) -> None:
        """Takes no connection more; requests under way get the grace."""
        self._server.config.timeout_graceful_shutdown = math.ceil(grace.left)
        self._server.should_exit = True
        self._thread.join(grace.left + 1)
