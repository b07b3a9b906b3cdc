"""HTTP for a process that delivers: is it alive, is it ready, and the subscription API.

Needs the extra ``serve`` (Starlette on uvicorn).
"""

import logging
import math
import socket
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import uvicorn
from jwt import PyJWKClientConnectionError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .contrib.starlette import webhook_routes
from .dispatcher import Dispatcher
from .errors import Closed, StoreUnavailable
from .logs import about
from .running import Grace

log = logging.getLogger("webhooksub")

# Connections answered at once; more get 503. Each may hold a body of 64 KiB.
CONNECTIONS_MAX = 256
#: Names of this machine that a client may ask for.
LOCAL_HOSTS = ["localhost", "127.0.0.1", "::1", "[::1]"]
# An idle connection of a client is kept so long.
_KEEP_ALIVE_SECONDS = 5
# Seconds after which a client may ask again.
_ISSUER_RETRY = "5"
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


def metrics_routes(hooks: Dispatcher) -> list[Route]:
    """``/metrics`` for Prometheus; none where the extra ``prometheus`` is not installed."""
    if find_spec("prometheus_client") is None:
        return []
    client = import_module("prometheus_client")
    exposition = import_module("prometheus_client.exposition")
    registry = client.CollectorRegistry()
    registry.register(import_module("webhooksub.contrib.prometheus").WebhooksubCollector(hooks))

    async def metrics(request: Request) -> Response:
        encode, kind = exposition.choose_encoder(request.headers.get("accept", ""))
        text = await run_in_threadpool(encode, registry)
        return Response(text, headers={"content-type": kind} | _NOT_KEPT)

    return [Route("/metrics", metrics)]


def _verdict(reason: str | None) -> JSONResponse:
    if reason is None:
        return JSONResponse({"status": "ok"}, headers=_NOT_KEPT)
    return JSONResponse({"status": "unavailable", "reason": reason}, 503, headers=_NOT_KEPT)


def application(routes: Sequence[BaseRoute], middleware: Sequence[Middleware] = ()) -> Starlette:
    """The ASGI application of these routes."""
    return Starlette(routes=routes, middleware=middleware)


def api_application(
    hooks: Dispatcher,
    asks: Callable[[Request], Any] | None,
    *,
    delivers: bool = True,
    local: bool = False,
) -> Starlette:
    """The subscription API beside health; `asks` answers who asks.

    `local`: only for who names this machine, so that no page of a browser can lead its name
    here and ask as if it were of this place.
    """
    routes: list[BaseRoute] = [*health_routes(hooks, delivers=delivers)]
    routes += webhook_routes(hooks, asks and _or_unavailable(asks))
    hosts = [Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS, www_redirect=False)]
    return application(routes, hosts if local else [])


def _or_unavailable(asks: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """While the issuer does not show its keys nobody is refused, and nobody let in."""

    def asked(request: Request) -> Any:
        try:
            return asks(request)
        except PyJWKClientConnectionError as error:
            text = f"the issuer does not show its keys: {error}"
            log.error(text, extra=about("issuer_unreachable"))
            raise HTTPException(503, headers={"Retry-After": _ISSUER_RETRY}) from None

    return asked


class HttpServer:
    """An application on a listening socket, served by a thread of its own."""

    def __init__(self, app: Starlette, listener: socket.socket, *, base_path: str = "") -> None:
        self._listener = listener
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            root_path=base_path.rstrip("/"),
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
