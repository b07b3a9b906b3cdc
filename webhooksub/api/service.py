"""The subscription API: one method of :class:`SubscriptionApi` answers every request."""

import json
import logging
from collections.abc import Callable
from typing import Any

from ..authorizer import allow_all
from ..dispatcher import Dispatcher
from ..errors import ConfigurationError, Conflict, WebhooksubError
from ..logs import about
from . import facts, problems
from .call import Call
from .exchange import JSON, ApiAnswer, ApiRequest
from .limits import RequestLimit
from .looking import LookingOperations
from .openapi import describe
from .operations import Operation, find, method_not_allowed
from .page import POLICY, render
from .problems import Refused
from .subscriptions import SubscriptionOperations

_PAGES = ("/openapi.json", "/docs")
# A host that names its mount by what clients send must not fill our memory.
_PAGES_MADE = 16

log = logging.getLogger("webhooksub")


class SubscriptionApi:
    """Answers requests about one dispatcher's subscriptions. Any thread."""

    def __init__(self, hooks: Dispatcher) -> None:
        self._hooks = hooks
        per_minute = hooks.config.subscriptions.requests_per_minute_max
        self._limit = RequestLimit(per_minute, hooks.clock)
        self._made: dict[tuple[str, str], bytes] = {}
        self._operations: dict[str, Any] = {
            **SubscriptionOperations(hooks).by_id,
            **LookingOperations(hooks).by_id,
        }

    def check_mountable(self, *, has_actor: bool) -> None:
        """Whoever mounts the API says who asks. Raises ConfigurationError."""
        if has_actor or (self._hooks.authorizer is allow_all and self._hooks.dev):
            return
        raise ConfigurationError(
            "actor: give a callable that says who asks; only allow_all with dev=True needs none"
        )

    def answer(self, request: ApiRequest) -> ApiAnswer:
        """Blocks for the store, and for the endpoint where one is asked. Never raises for what
        a client sends."""
        try:
            answer = self._answer(request)
        except Refused as ending:
            answer = ending.answer()
        except WebhooksubError as error:
            told = _refused(error, request)
            if told.status >= 500:
                log.error("the API cannot answer: %s", error, extra=about("api_unavailable"))
            answer = told.answer()
        except Exception:
            log.exception("the API has a defect", extra=about("api_defect"))
            answer = problems.broken().answer()
        if request.method == "HEAD":
            return ApiAnswer(answer.status, answer.headers, b"")
        return answer

    def unauthenticated(self, challenge: str = "Bearer") -> ApiAnswer:
        """The answer to whom the host does not know."""
        detail = "say who you are"
        return problems.problem(401, detail, (("www-authenticate", challenge),))

    def openapi(self, base_path: str = "") -> dict[str, Any]:
        """The OpenAPI 3.1 document, with `webhooks` from the catalog."""
        secured = self._hooks.authorizer is not allow_all
        sockets = self._hooks.offers_sockets
        return describe(self._hooks.catalog, base_path, secured=secured, sockets=sockets)

    def openapi_json(self, base_path: str = "") -> bytes:
        """The same as it is served: its one serialization."""
        return json.dumps(self.openapi(base_path), ensure_ascii=False, indent=1).encode()

    def _page(self, request: ApiRequest) -> ApiAnswer:
        """What everybody may read, whoever they are."""
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed({"GET"})
        headers: tuple[tuple[str, str], ...] = (("cache-control", "no-cache"),)
        if request.path == "/openapi.json":
            body = self._once("json", request.base_path, self.openapi_json)
            return ApiAnswer(200, (("content-type", JSON), *headers), body)
        page = self._once("html", request.base_path, lambda base: render(self.openapi(base)))
        policy = ("content-security-policy", POLICY)
        html = ("content-type", "text/html; charset=utf-8")
        return ApiAnswer(200, (html, policy, *headers), page)

    def _once(self, kind: str, base_path: str, make: Callable[[str], bytes]) -> bytes:
        """It costs more to make than to answer, and changes never."""
        key = (kind, base_path)
        if key not in self._made:
            if len(self._made) >= _PAGES_MADE:
                self._made.clear()
            self._made[key] = make(base_path)
        return self._made[key]

    def _answer(self, request: ApiRequest) -> ApiAnswer:
        if request.path in _PAGES:
            return self._page(request)
        operation, parameters = find(request.method, request.path)
        if request.actor is None and self._hooks.authorizer is not allow_all:
            return self.unauthenticated()
        if self._limit.per_minute:
            self._limit.take(self._hooks.authorizer.owner_id(request.actor))
        return self._run(operation, request, parameters)

    def _run(
        self, operation: Operation, request: ApiRequest, parameters: dict[str, str]
    ) -> ApiAnswer:
        body = facts.body(request, operation)
        query = facts.query(request, operation)
        answer: ApiAnswer = self._operations[operation.operation_id](
            Call(operation, request, parameters, query, body)
        )
        return answer


def _refused(error: WebhooksubError, request: ApiRequest) -> Refused:
    """Who named a revision and was too late hears that, everybody else of a conflict."""
    if isinstance(error, Conflict) and "if-match" in request.headers:
        return problems.precondition_failed()
    return problems.refused_by(error)
