"""The one description of the API, made from what it is: operations, schemas, the catalog."""

from http import HTTPStatus
from typing import Any

from .. import _core
from ..events import DeliveryState, SubscriptionStatus
from ..paging import PAGE_MAX
from ..version import __version__
from . import examples
from .exchange import JSON
from .facts import MERGE_PATCH
from .operations import OPERATIONS, Operation
from .problems import PROBLEM
from .schemas import IDEMPOTENCY_KEY, Schema, components, reference, words

_DESCRIPTION = """\
Subscriptions to changes: who subscribes to a resource gets a signed POST for each change of it.

Errors are `application/problem+json` (RFC 9457) with every mistake. What you may not see is \
answered like what does not exist. After 429, wait for `Retry-After` seconds, longer each time."""
_TAKEN = {
    400: "Not valid: `errors` names every mistake.",
    401: "Nobody that the service knows.",
    404: "Not there, or not yours to see.",
    405: "A method that is not offered here; `Allow` names those that are.",
    409: "It contradicts what is stored.",
    412: "Changed since it was read (`If-Match`).",
    413: "The body is too large.",
    415: "The body is no JSON.",
    429: "A limit is reached; `Retry-After` says when to try again.",
    500: "The service cannot answer.",
}
_CREATE = "createWebhook"


def describe(
    catalog: _core.Catalog, base_path: str, *, secured: bool, sockets: bool = False
) -> dict[str, Any]:
    """An OpenAPI 3.1 document. `secured`: the host asks who somebody is; `sockets`: it takes
    SOCKET subscriptions."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Webhook subscriptions",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base_path or "/"}],
        "paths": _paths(),
        "webhooks": {template: _webhook(template, rules) for template, rules in catalog.rows},
        "components": {
            "schemas": components(catalog, sockets=sockets),
            "responses": _problems(),
        },
    }
    if secured:
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        document["components"]["securitySchemes"] = {"bearer": bearer}
        document["security"] = [{"bearer": []}]
    return document


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        item = paths.setdefault(operation.path, {})
        item[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
    }
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = _body(operation)
    described["responses"] = _responses(operation)
    return described


def _parameters(operation: Operation) -> list[Schema]:
    found: list[Schema] = [
        _parameter(part[1:-1], "path", {"type": "string", "format": "uuid"}, required=True)
        for part in operation.segments
        if part.startswith("{")
    ]
    found += [_parameter(name, "query", _QUERY[name]) for name in operation.query]
    if operation.conditional:
        found.append(_parameter("If-Match", "header", {"type": "string"}))
    if operation.operation_id == _CREATE:
        found.append(_parameter("Idempotency-Key", "header", IDEMPOTENCY_KEY))
    return found


_MOMENT: Schema = {"type": "string", "format": "date-time"}
_SOME_TEXT: Schema = {"type": "string", "minLength": 1}
_QUERY: dict[str, Schema] = {
    "resource": _SOME_TEXT,
    "status": {"type": "string", "enum": words(SubscriptionStatus)},
    "brandCode": _SOME_TEXT,
    "cursor": _SOME_TEXT,
    "limit": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 20},
    "state": {"type": "string", "enum": words(DeliveryState)},
    "since": _MOMENT,
    "until": _MOMENT,
    "path": {
        "type": "array",
        "items": _SOME_TEXT,
        "minItems": 1,
        "description": "Of what changed; each of its paths. Required without event.",
    },
    "action": {"type": "string", "enum": ["create", "update", "delete"]},
    "event": {"type": "string", "format": "uuid"},
}


def _parameter(name: str, place: str, schema: Schema, *, required: bool = False) -> Schema:
    parameter: Schema = {"name": name, "in": place, "required": required, "schema": schema}
    if place == "query" and name in examples.PARAMETERS:
        parameter["example"] = examples.PARAMETERS[name]
    return parameter


def _body(operation: Operation) -> Schema:
    assert operation.body is not None
    content = {
        "schema": reference(operation.body),
        "example": examples.REQUESTS[operation.operation_id],
    }
    kinds = [JSON, MERGE_PATCH] if operation.method == "PATCH" else [JSON]
    return {
        "required": operation.body_required,
        "content": {kind: content for kind in kinds},
    }


def _responses(operation: Operation) -> dict[str, Any]:
    phrase = HTTPStatus(operation.status).phrase
    success: Schema = {"description": phrase}
    if operation.answer is not None:
        example = examples.ANSWERS[operation.answer]
        content = {"schema": reference(operation.answer), "example": example}
        success["content"] = {JSON: content}
    if operation.answer in ("Webhook", "WrittenWebhook"):
        success["headers"] = {"ETag": {"schema": {"type": "string"}}}
    found: dict[str, Any] = {str(operation.status): success}
    for status in _TAKEN:
        if _may_answer(operation, status):
            found[str(status)] = {"$ref": f"#/components/responses/{_problem_name(status)}"}
    return found | {"default": {"$ref": "#/components/responses/Default"}}


def _may_answer(operation: Operation, status: int) -> bool:
    if status == 412:
        return operation.conditional
    if status == 415:
        return operation.body is not None
    return True


def _problems() -> dict[str, Schema]:
    """What every operation may answer, once."""
    named = {_problem_name(s): _problem(s, description) for s, description in _TAKEN.items()}
    return named | {"Default": _problem(0, "Another error.")}


def _problem_name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")


def _problem(status: int, description: str) -> Schema:
    content: Schema = {"schema": reference("Problem")}
    if status == 400:
        content["example"] = examples.ANSWERS["Problem"]
    response: Schema = {"description": description, "content": {PROBLEM: content}}
    if status == 429:
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return response


# --- What subscribers are sent -------------------------------------------------------

_SIGNED = (
    ("webhook-id", True, "The same in every retry."),
    ("webhook-timestamp", True, "Unix seconds of this attempt."),
    ("webhook-signature", False, "Standard Webhooks v1, by every live key."),
    ("integrityHash", False, "HMAC-SHA256 of the body's bytes under the newest key, hex."),
)


def _webhook(template: str, rules: Any) -> Schema:
    heard = [(entity, action) for entity, actions in rules for action in actions]
    notification = reference("Notification")
    content = {
        "schema": {"oneOf": [notification, {"type": "array", "items": notification}]},
        "examples": {
            f"{action} {entity}": {"value": examples.notification(template, entity, action)}
            for entity, action in heard
        },
    }
    headers = [
        {
            "name": name,
            "in": "header",
            "required": required,
            "description": text,
            "schema": {"type": "string"},
        }
        for name, required, text in _SIGNED
    ]
    post = {
        "summary": f"What a subscription to {template} is sent",
        "description": "An array where the subscription asks for batches.",
        "parameters": headers,
        "requestBody": {"required": True, "content": {JSON: content}},
        "responses": {
            "2XX": {"description": "Taken."},
            "410": {"description": "Not wanted any more: the subscription is disabled."},
            "default": {"description": "Tried again later."},
        },
        "security": [],
    }
    return {"post": post}
