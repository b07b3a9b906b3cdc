"""The subscription API in a FastAPI application.

::

    app = FastAPI(lifespan=lifespan(hooks))
    app.include_router(webhook_router(hooks, current_user), prefix="/api")
    describe_webhooks(app, hooks)

`current_user` is the host's own dependency; what it answers is the actor. None, or raising
Unauthenticated, means that nobody known asks.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from ..api import OPERATIONS, Operation, SubscriptionApi
from ..dispatcher import Dispatcher
from ..errors import Unauthenticated
from .starlette import ApiResponder, lifespan

__all__ = ["describe_webhooks", "lifespan", "webhook_router"]

Endpoint = Callable[..., Coroutine[Any, Any, Response]]

# Besides those that are offered; the API says so itself.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def webhook_router(
    hooks: Dispatcher, actor: Callable[..., Any] | None = None, **options: Any
) -> APIRouter:
    """A router with the whole API. `options` are the APIRouter's own, such as `tags`.

    `actor`: a dependency, plain or async, with whatever dependencies it has itself. Raises
    ConfigurationError without it, unless `hooks` restricts nobody and is for development.
    """
    api = SubscriptionApi(hooks)
    api.check_mountable(has_actor=actor is not None)
    responder = ApiResponder(api)
    router = APIRouter(route_class=_route_class(responder), **options)
    described = _without_references(api.openapi())["paths"]
    for operation in OPERATIONS:
        endpoint = _endpoint(responder, operation.path.count("/"), actor)
        shown = described[operation.path][operation.method.lower()]
        _add(router, operation, endpoint, shown)
        if operation.method == "GET":
            router.add_api_route(
                operation.path, endpoint, methods=["HEAD"], include_in_schema=False
            )
    for path in dict.fromkeys(operation.path for operation in OPERATIONS):
        offered = {operation.method for operation in OPERATIONS if operation.path == path}
        others = [method for method in _METHODS if method not in offered]
        endpoint = _endpoint(responder, path.count("/"), None)
        router.add_api_route(path, endpoint, methods=others, include_in_schema=False)
    return router


def describe_webhooks(app: FastAPI, hooks: Dispatcher) -> None:
    """What subscribers are sent, as `app.webhooks`: one for each resource of the catalog."""
    described = _without_references(SubscriptionApi(hooks).openapi())["webhooks"]

    async def notify() -> None:
        """Sent by the dispatcher; nobody calls this."""

    for resource, item in described.items():
        app.webhooks.add_api_route(
            resource,
            notify,
            methods=["POST"],
            response_class=Response,
            operation_id=f"notify {resource}",
            summary=item["post"]["summary"],
            openapi_extra=item["post"],
        )


def _add(router: APIRouter, operation: Operation, endpoint: Endpoint, shown: Any) -> None:
    router.add_api_route(
        operation.path,
        endpoint,
        methods=[operation.method],
        status_code=operation.status,
        operation_id=operation.operation_id,
        summary=operation.summary,
        response_class=Response,
        response_model=None,
        openapi_extra=shown,
    )


def _endpoint(responder: ApiResponder, segments: int, actor: Callable[..., Any] | None) -> Endpoint:
    if actor is None:

        async def answer(request: Request) -> Response:
            return await responder.respond(request, segments, None)

        return answer

    async def answer_to(request: Request, asks: Any = Depends(actor)) -> Response:  # noqa: B008
        if asks is None:
            return responder.unauthenticated()
        return await responder.respond(request, segments, asks)

    return answer_to


def _route_class(responder: ApiResponder) -> type[APIRoute]:
    class WebhookRoute(APIRoute):
        """Hears it where the host's dependency raises Unauthenticated."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    return await handler(request)
                except Unauthenticated:
                    return responder.unauthenticated()

            return answer

    return WebhookRoute


def _without_references(document: dict[str, Any]) -> dict[str, Any]:
    """Each reference replaced by what it names: the host's components stay its own."""

    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("$ref"), str):
            _, kind, name = value["$ref"].rsplit("/", 2)
            found = replaced(document["components"][kind][name])
            return {"title": name, **found} if kind == "schemas" else found
        return {key: replaced(item) for key, item in value.items()}

    resolved: dict[str, Any] = replaced(document)
    return resolved
