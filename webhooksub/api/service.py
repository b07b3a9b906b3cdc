"""The subscription API: one method of :class:`SubscriptionApi` answers every request."""

import logging
from typing import Any

from ..authorizer import allow_all
from ..dispatcher import Dispatcher
from ..errors import ConfigurationError, Conflict, WebhooksubError
from . import facts, problems
from .call import Call
from .exchange import ApiAnswer, ApiRequest
from .looking import LookingOperations
from .operations import Operation, find
from .problems import Refused
from .subscriptions import SubscriptionOperations

log = logging.getLogger("webhooksub")


class SubscriptionApi:
    """Answers requests about one dispatcher's subscriptions. Any thread."""

    def __init__(self, hooks: Dispatcher) -> None:
        self._hooks = hooks
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
                log.error("the API cannot answer: %s", error)
            answer = told.answer()
        except Exception:
            log.exception("the API has a defect")
            answer = problems.broken().answer()
        if request.method == "HEAD":
            return ApiAnswer(answer.status, answer.headers, b"")
        return answer

    def unauthenticated(self, challenge: str = "Bearer") -> ApiAnswer:
        """The answer to whom the host does not know."""
        detail = "say who you are"
        return problems.problem(401, detail, (("www-authenticate", challenge),))

    def _answer(self, request: ApiRequest) -> ApiAnswer:
        operation, parameters = find(request.method, request.path)
        if request.actor is None and self._hooks.authorizer is not allow_all:
            return self.unauthenticated()
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
