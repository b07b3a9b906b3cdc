"""The subscription API in a Starlette application, and a lifespan that starts and closes.

::

    app = Starlette(routes=webhook_routes(hooks, actor), lifespan=lifespan(hooks))

`actor(request)` is the host's: it answers who asks, or None, or raises Unauthenticated; it
may be a coroutine function. For FastAPI see :mod:`webhooksub.contrib.fastapi`.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..api import MAX_BODY, OPERATIONS, ApiAnswer, ApiRequest, SubscriptionApi
from ..dispatcher import Dispatcher
from ..errors import Unauthenticated
from ..secret import SecretBytes

__all__ = ["PAGES", "THREADS_MAX", "ApiResponder", "lifespan", "webhook_routes"]

#: Answers at once. They block for the store, and for an endpoint that is tried; threads of
#: their own leave those of the host's framework alone.
THREADS_MAX = 16

#: What describes the API, and asks nobody who they are.
PAGES = ("/openapi.json", "/docs")

Actor = Callable[[Request], Any]
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]

# Nobody is there to read it.
_HUNG_UP = 400


class ApiResponder:
    """Facts of a request to the API, and its answer's bytes back."""

    def __init__(self, api: SubscriptionApi) -> None:
        self.api = api
        self._limiter: CapacityLimiter | None = None

    async def respond(self, request: Request, segments: int, actor: Any) -> Response:
        """`segments`: how many of the path's last ones lie below the mount."""
        try:
            body = await _read(request)
        except ClientDisconnect:
            return Response(status_code=_HUNG_UP)
        base, path = _split(request.scope, segments)
        asked = ApiRequest(
            method=request.method,
            path=path,
            query=request.scope["query_string"].decode("latin-1"),
            headers=_headers(request),
            body=body,
            actor=actor,
            base_path=base,
        )
        if self._limiter is None:  # it belongs to a running event loop
            self._limiter = CapacityLimiter(THREADS_MAX)
        return response_of(await to_thread.run_sync(self.api.answer, asked, limiter=self._limiter))

    def unauthenticated(self) -> Response:
        """To whom the host does not know."""
        return response_of(self.api.unauthenticated())


class _Endpoint:
    """One path, with every method: which are offered is the API's to say."""

    def __init__(self, responder: ApiResponder, actor: Actor | None, segments: int) -> None:
        self._responder, self._actor, self._segments = responder, actor, segments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        actor = None
        if self._actor is not None:
            try:
                actor = await ask_actor(self._actor, request)
            except Unauthenticated:
                actor = None
            if actor is None:
                return self._responder.unauthenticated()
        return await self._responder.respond(request, self._segments, actor)


def webhook_routes(
    hooks: Dispatcher, actor: Actor | None = None, *, pages: bool = True
) -> list[Route]:
    """Routes of the whole API, to be mounted wherever the host likes.

    `pages`: with ``/openapi.json`` and ``/docs``, which everybody may read. Raises
    ConfigurationError without `actor`, unless `hooks` restricts nobody and is for development.
    """
    api = SubscriptionApi(hooks)
    api.check_mountable(has_actor=actor is not None)
    responder = ApiResponder(api)
    paths = dict.fromkeys(operation.path for operation in OPERATIONS)
    described = [Route(path, _Endpoint(responder, None, 1)) for path in PAGES] if pages else []
    return described + [Route(path, _Endpoint(responder, actor, path.count("/"))) for path in paths]


def lifespan(hooks: Dispatcher, inner: Lifespan | None = None, *, deliver: bool = True) -> Lifespan:
    """A lifespan that starts the dispatcher, runs the host's own within, and closes it last.

    `deliver` False: this process only publishes; it is closed all the same.
    """

    @asynccontextmanager
    async def composed(app: Any) -> AsyncIterator[Any]:
        try:
            if deliver:
                await run_in_threadpool(hooks.start)
            if inner is None:
                yield
            else:
                async with inner(app) as state:
                    yield state
        finally:
            await run_in_threadpool(hooks.close)

    return composed


async def ask_actor(actor: Actor, request: Request) -> Any:
    """Who asks. A plain function may block, and gets a thread of the framework's."""
    if _is_async(actor):
        return await actor(request)
    answer = await run_in_threadpool(actor, request)
    return await answer if isinstance(answer, Awaitable) else answer


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - the method itself is looked at
    )


async def _read(request: Request) -> bytes:
    """At most a byte more than the API takes, which is enough for it to refuse."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return body[: MAX_BODY + 1]
    return SecretBytes(body)


def _split(scope: Scope, segments: int) -> tuple[str, str]:
    """Where the API is mounted, as seen from outside, and the path below it."""
    parts = scope["path"].split("/")
    base, path = "/".join(parts[:-segments]), "/" + "/".join(parts[-segments:])
    root: str = scope.get("root_path", "").rstrip("/")
    # A proxy that takes a prefix away names it in root_path alone.
    return (base if scope["path"].startswith(root) else root + base), path


def _headers(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def response_of(answer: ApiAnswer) -> Response:
    """Its bytes and its headers, and no others."""
    response = Response(answer.body, answer.status)
    for name, value in answer.headers:
        response.headers.append(name, value)
    return response
