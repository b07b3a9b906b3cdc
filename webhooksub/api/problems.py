"""Errors as RFC 9457 problem documents.

No body holds an id or a path that the request named: what an actor may not see is the same
bytes as what does not exist.
"""

from collections.abc import Iterable
from http import HTTPStatus

from ..errors import (
    Closed,
    Conflict,
    FieldError,
    LimitReached,
    NotFound,
    OutboxFull,
    StoreUnavailable,
    UnknownResource,
    ValidationError,
    WebhooksubError,
)
from .exchange import ApiAnswer, Headers, json_bytes

PROBLEM = "application/problem+json"
_TOO_LATE = "it was changed since it was read, or does not exist any more"
#: When a client may try again after the store did not answer.
_OUTAGE_RETRY_S = 5


class Refused(Exception):
    """The request ends here, with this status."""

    def __init__(
        self,
        status: int,
        detail: str,
        *headers: tuple[str, str],
        errors: Iterable[FieldError] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers
        self.errors = tuple(errors)

    def answer(self) -> ApiAnswer:
        return problem(self.status, self.detail, self.headers, self.errors)


def problem(
    status: int, detail: str, headers: Headers = (), errors: Iterable[FieldError] = ()
) -> ApiAnswer:
    """An answer that says what is wrong; a 400 has `errors`, every one of them."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    listed = [{"field": e.field, "code": e.code, "message": e.message} for e in errors]
    first = (("content-type", PROBLEM), ("cache-control", "no-store"))
    return ApiAnswer(
        status, first + headers, json_bytes(document | ({"errors": listed} if listed else {}))
    )


def invalid(*errors: FieldError) -> Refused:
    """A 400. One sentence for people, and the mistakes for programs."""
    return Refused(400, "the request is not valid", errors=errors)


def not_found() -> Refused:
    return Refused(404, "there is no such thing, or it is not yours to see")


def precondition_failed() -> Refused:
    return Refused(412, _TOO_LATE)


def too_many(detail: str, seconds: int) -> Refused:
    return Refused(429, detail, ("retry-after", str(seconds)))


def refused_by(error: WebhooksubError) -> Refused:
    """The library's error as the answer that it is."""
    match error:
        case ValidationError():
            return invalid(*error.errors)
        case UnknownResource():
            return invalid(FieldError("path", "unknown", str(error)))
        case NotFound():
            return not_found()
        case LimitReached():
            return too_many(str(error), error.retry_after_s)
        case Conflict():
            return Refused(409, str(error))
        case StoreUnavailable() | Closed() | OutboxFull():
            retry = ("retry-after", str(_OUTAGE_RETRY_S))
            return Refused(500, "the service cannot answer at the moment", retry)
        case _:
            return broken()


def broken() -> Refused:
    return Refused(500, "the service has a defect; its operator can see which")
