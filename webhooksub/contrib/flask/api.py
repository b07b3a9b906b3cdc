"""The subscription API as a blueprint: facts of a request in, the answer's bytes out."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from ...api import MAX_BODY, OPERATIONS, ApiAnswer, ApiRequest, SubscriptionApi
from ...dispatcher import Dispatcher
from ...errors import Unauthenticated
from ...secret import SecretBytes
from .state import NAME, Actor, current_state, state_of

Ask = Callable[[], tuple[SubscriptionApi, Actor | None]]

# What describes the API, and asks nobody who they are.
_PAGES = ("/openapi.json", "/docs")
# All that a client may try: which are offered is the API's to say.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def webhook_blueprint(
    hooks: Dispatcher, actor: Actor | None = None, *, name: str = NAME, pages: bool = True
) -> Blueprint:
    """The whole API of one dispatcher, for ``app.register_blueprint(…, url_prefix=…)``.

    `actor(request)` answers who asks, None for nobody known, or raises Unauthenticated; it may
    be a coroutine function. `pages`: with ``/openapi.json`` and ``/docs``, which everybody may
    read. Raises ConfigurationError without `actor`, unless `hooks` restricts nobody and is for
    development.
    """
    api = SubscriptionApi(hooks)
    api.check_mountable(has_actor=actor is not None)
    return _blueprint(name, pages, lambda: (api, actor))


def blueprint_of_app(name: str, pages: bool) -> Blueprint:
    """That of whichever app it is registered with."""

    def of_app() -> tuple[SubscriptionApi, Actor | None]:
        state = current_state()
        return state.api, state.actor

    def check(setup: BlueprintSetupState) -> None:
        assert isinstance(setup.app, Flask)
        state_of(setup.app).check_mountable()

    blueprint = _blueprint(name, pages, of_app)
    blueprint.record(check)
    return blueprint


def _blueprint(name: str, pages: bool, ask: Ask) -> Blueprint:
    """Only what begins as the API's own paths do is ours: it may be mounted at the root."""
    blueprint = Blueprint(name, __name__)
    options: dict[str, Any] = {"methods": _METHODS, "provide_automatic_options": False}
    for n, path in enumerate(_PAGES if pages else ()):
        view = partial(_page, ask, path)
        blueprint.add_url_rule(path, f"page{n}", view, **options)
    for first in sorted({operation.segments[0] for operation in OPERATIONS}):
        view = partial(_operation, ask, f"/{first}")
        for rule in ("", "/", "/<path:below>"):
            blueprint.add_url_rule(f"/{first}{rule}", first, view, merge_slashes=False, **options)
    return blueprint


def _page(ask: Ask, path: str) -> Response:
    api, _ = ask()
    return _response(api.answer(_facts(path, None)))


def _operation(ask: Ask, first: str, below: str | None = None) -> Response:
    api, actor = ask()
    known = None
    if actor is not None:
        try:
            known = current_app.ensure_sync(actor)(request)
        except Unauthenticated:
            known = None
        if known is None:
            return _response(api.unauthenticated())
    path = first if below is None else f"{first}/{below}"
    if below is None and request.path.endswith("/"):
        path += "/"
    return _response(api.answer(_facts(path, known)))


def _facts(path: str, actor: Any) -> ApiRequest:
    return ApiRequest(
        method=request.method,
        path=path,
        query=request.query_string.decode("latin-1"),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=_body(),
        actor=actor,
        base_path=quote(request.root_path + request.path.removesuffix(path)),
    )


def _body() -> bytes:
    """At most a byte more than the API takes, which is enough for it to refuse."""
    body = b""
    while len(body) <= MAX_BODY and (chunk := request.stream.read(MAX_BODY + 1 - len(body))):
        body += chunk
    return SecretBytes(body)


def _response(answer: ApiAnswer) -> Response:
    """Its bytes and its headers, and no others."""
    response = Response(answer.body, answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers.add(name, value)
    return response
