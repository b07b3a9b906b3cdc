"""The subscription API as one view: facts of a request in, the answer's bytes out.

It is a plain view: WSGI calls it on the request's thread, ASGI on a thread beside the loop.
"""

import inspect
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from asgiref.sync import async_to_sync
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt

from ...api import MAX_BODY, ApiAnswer, ApiRequest, SubscriptionApi
from ...api.problems import problem
from ...errors import Unauthenticated
from ...secret import SecretBytes
from .dispatcher import DjangoDispatcher, current

# What everybody may read, whoever they are.
_PAGES = ("openapi.json", "docs")


@csrf_exempt  # asked below, where a browser speaks
@transaction.non_atomic_requests  # subscriptions have a transaction of their own
def api(request: HttpRequest, path: str) -> HttpResponse:
    """Everything below the mount."""
    hooks = current()
    try:
        body = _body(request)
    except UnreadablePostError:
        return _response(problem(400, "the body did not arrive"))
    if (reason := _forged(request)) is not None:
        return _response(problem(403, reason))
    actor = None if path in _PAGES else _actor(hooks, request)
    if actor is None and path not in _PAGES:
        return _response(_api(hooks).unauthenticated())
    facts = ApiRequest(
        method=request.method or "",
        path="/" + path,
        query=request.META.get("QUERY_STRING", ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        actor=actor,
        base_path=quote(request.path[: len(request.path) - len(path)].rstrip("/")),
    )
    return _response(_api(hooks).answer(facts))


@lru_cache(maxsize=1)
def _api(hooks: DjangoDispatcher) -> SubscriptionApi:
    return SubscriptionApi(hooks)


def _body(request: HttpRequest) -> bytes:
    """At most a byte more than the API takes, which is enough for it to refuse."""
    body = b""
    while len(body) <= MAX_BODY and (chunk := request.read(MAX_BODY + 1 - len(body))):
        body += chunk
    return SecretBytes(body)


def _actor(hooks: DjangoDispatcher, request: HttpRequest) -> Any:
    """None: nobody that the service knows."""
    ask = hooks.actor or logged_in_user
    try:
        return async_to_sync(ask)(request) if inspect.iscoroutinefunction(ask) else ask(request)
    except Unauthenticated:
        return None


def logged_in_user(request: HttpRequest) -> Any:
    """The default actor."""
    found = getattr(request, "user", None)
    return found if found is not None and found.is_authenticated else None


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _forged(request: HttpRequest) -> str | None:
    """Why a request may be another site's, sent by a browser with our cookies.

    A site can neither read the token nor send an Authorization header for us; who sends no
    cookie proves who they are in another way.
    """
    if not request.COOKIES or "Authorization" in request.headers:
        return None
    check = _Csrf(lambda _: HttpResponse())
    check.process_request(request)
    reason: Any = check.process_view(request, None, (), {})  # type: ignore[arg-type]
    return None if reason is None else str(reason)


def _response(answer: ApiAnswer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    del response["Content-Type"]
    for name, value in answer.headers:
        response[name] = value
    return response
