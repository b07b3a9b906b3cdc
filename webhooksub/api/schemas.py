"""The components of the OpenAPI document: what bodies look like."""

import re
from datetime import timedelta
from typing import Any

from .. import _core
from ..events import DeliveryState, SubscriptionStatus
from ..paging import PAGE_MAX
from ..rotation import OVERLAP_MAX
from .facts import KEY_BYTES_MAX

Schema = dict[str, Any]

_MOMENT: Schema = {"type": "string", "format": "date-time"}
_URL: Schema = {"type": "string", "format": "uri", "maxLength": 2_048}
_UUID: Schema = {"type": "string", "format": "uuid"}
_TEXT_MAX = 256
# `whsec_`, and 256 bytes as base64.
_KEY_CHARACTERS_MAX = 6 + 344
_NO_CONTROL = r"^[^\u0000-\u001f\u007f]*$"
_KEY: Schema = {"maxLength": _KEY_CHARACTERS_MAX, "pattern": _NO_CONTROL}
# RFC 9110: a token; visible ASCII, with blanks only between.
_FIELD_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_FIELD_VALUE = r"^([!-~]([\t -~]*[!-~])?)?$"
_ACTIONS = ["create", "update", "delete"]
_OUTCOMES = ["delivered", "refused", "unreachable", "local_error", "expired", "cancelled"]
_OUTCOMES += ["backlog_full", "spilled", "disabled", "not_connected"]


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def words(enum: Any) -> list[str]:
    return [member.name.lower() for member in enum]


def components(catalog: _core.Catalog, *, sockets: bool = False) -> dict[str, Schema]:
    """Schemas by name. `sockets`: SOCKET subscriptions are taken."""
    fields, made = _webhook_fields(catalog), _made_fields()
    required = ["modificationType", "notificationUrl", "resource", "expirationDateTime"]
    if sockets:
        fields |= _socket_fields()
        required.remove("notificationUrl")
    warnings: Schema = {"type": "array", "items": {"type": "string"}, "description": "Advice."}
    created: dict[str, Schema] = {**made, **fields, "warnings": warnings}
    return {
        "Webhook": _object({**made, **fields}, required, "A subscription."),
        "WrittenWebhook": _object(
            created,
            [*required, "id", "status", "warnings"],
            "A subscription as it was written, with advice.",
        ),
        "WebhookPatch": _object(fields, [], "Fields to change; null takes one away (RFC 7396)."),
        "WebhookList": _list("Webhook"),
        **_small_bodies(),
        **_looks(),
        **_catalog_rows(),
        "Notification": _notification(),
        "Problem": _problem(),
    }


def _object(properties: dict[str, Schema], required: list[str], description: str) -> Schema:
    schema: Schema = {"type": "object", "description": description, "properties": properties}
    if required:
        schema["required"] = required
    return schema | {"additionalProperties": False}


def _list(item: str) -> Schema:
    page = {"type": ["string", "null"], "description": "Address of that page."}
    properties: dict[str, Schema] = {
        "data": {"type": "array", "items": reference(item), "maxItems": PAGE_MAX},
        "hasMore": {"type": "boolean"},
        "nextPage": page,
        "previousPage": page,
        "totalCount": {"type": "integer", "minimum": 0},
    }
    return _object(properties, list(properties), "A page of a list.")


def _optional_text(description: str) -> Schema:
    text = {"type": ["string", "null"], "maxLength": _TEXT_MAX, "pattern": _NO_CONTROL}
    return text | {"description": f"{description} At most {_TEXT_MAX} bytes of UTF-8."}


def _socket_fields() -> dict[str, Schema]:
    """Where there is another way than HTTP."""
    return {
        "connectionType": {
            "type": ["string", "null"],
            "enum": ["HTTP", "SOCKET", None],
            "default": "HTTP",
            "description": "SOCKET: an event for whoever is connected by socket.io as the owner.",
        },
        "notificationUrl": _URL
        | {
            "type": ["string", "null"],
            "description": "Where notifications are POSTed: https. Required for HTTP.",
        },
    }


def _webhook_fields(catalog: _core.Catalog) -> dict[str, Schema]:
    """What its owner writes."""
    return {
        "modificationType": {
            "type": "string",
            "enum": [*_ACTIONS, "any"],
            "description": "Read without regard to case. Must be one that the resource offers.",
        },
        "connectionType": {
            "type": ["string", "null"],
            "enum": ["HTTP", None],
            "default": "HTTP",
            "description": "SOCKET is refused: this service has no socket transport.",
        },
        "notificationUrl": _URL | {"description": "Where notifications are POSTed: https."},
        "notificationMessages": _optional_text(
            "Name of the event that the client listens to. Required for SOCKET."
        ),
        "resource": {
            "type": "string",
            "pattern": resource_pattern(catalog),
            "description": "Path of what is subscribed to: a template of `/webhooks/resources` "
            "with its parameters in place. One left as `{recordId}` means any; the first must "
            "have a value.",
        },
        "expirationDateTime": _MOMENT
        | {"description": "RFC 3339 with offset, in the future. Nothing is sent after it."},
        "brandCode": _optional_text("Branding code, carried in every notification."),
        "integrityKey": {
            "type": ["string", "null"],
            "writeOnly": True,
            **_KEY,
            "description": "Signs every notification. `whsec_` and base64, or 1 to 256 bytes of "
            "text. Absent in a replacement: kept. Empty or null: cleared.",
        },
        "maxRetries": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": 100,
            "description": "0 is one attempt; absent is the service's default.",
        },
        "delivery": _delivery_options(),
    }


def _delivery_options() -> Schema:
    batch = {
        "maxNotifications": {"type": "integer", "minimum": 1, "maximum": 1_000},
        "maxBytes": {"type": "integer", "minimum": 1_024, "maximum": 4 * 1_024 * 1_024},
        "lingerMs": {"type": "integer", "minimum": 0, "maximum": 60_000},
    }
    header = {"type": "string", "maxLength": 4_096, "pattern": _FIELD_VALUE}
    headers = {
        "type": "object",
        "maxProperties": 50,
        "propertyNames": {"pattern": _FIELD_NAME, "maxLength": 128},
        "additionalProperties": header,
        "description": "Besides those that the sender sets itself.",
    }
    properties: dict[str, Schema] = {
        "batch": _object(batch, ["maxNotifications"], "Several notifications in one POST."),
        "ratePerSecond": {"type": "number", "minimum": 0.01, "maximum": 1_000},
        "headers": headers,
    }
    schema = _object(properties, [], "How this subscription wants to be sent to.")
    return schema | {"type": ["object", "null"]}


def _made_fields() -> dict[str, Schema]:
    """What the service writes. A replacement may repeat and not change them."""
    status = {"type": "string", "enum": words(SubscriptionStatus)}
    reason = {"type": "string", "description": "Why it is not active."}
    fields: dict[str, Schema] = {
        "id": _UUID,
        "owner": {"type": "string"},
        "status": status,
        "statusReason": reason,
        "createdAt": _MOMENT,
        "updatedAt": _MOMENT,
        "hasIntegrityKey": {"type": "boolean"},
    }
    return {name: schema | {"readOnly": True} for name, schema in fields.items()}


def _small_bodies() -> dict[str, Schema]:
    """Of the operations that are no plain reading and writing."""
    key: Schema = {"type": "string", "description": "Shown this once."}
    overlap = {"type": ["integer", "null"], "minimum": 0, "maximum": OVERLAP_MAX_S}
    perhaps: Schema = {**_MOMENT, "type": ["string", "null"]}
    nothing: Schema = {"type": "null"}
    until = _MOMENT | {"description": "The old key signs beside the new one before it."}
    return {
        "Renewal": _object({"expirationDateTime": _MOMENT}, ["expirationDateTime"], "A new date."),
        "Rotation": _object(
            {
                "integrityKey": {"type": ["string", "null"], "minLength": 1, **_KEY},
                "overlapSeconds": overlap,
            },
            [],
            "Absent key: the service makes one. Absent overlap: the service's default.",
        ),
        "RotatedSecret": _object(
            {"integrityKey": key, "oldKeyUntil": until | {"type": ["string", "null"]}},
            ["oldKeyUntil"],
            "`integrityKey` only where the service made it.",
        ),
        "TestResult": _object(
            {"result": {"type": "string", "enum": ["delivered", "refused", "unreachable"]}},
            ["result"],
            "How the endpoint took it.",
        ),
        "Replay": {
            "oneOf": [
                _object(
                    {"eventId": _UUID, "since": nothing, "until": nothing},
                    ["eventId"],
                    "One delivery.",
                ),
                _object(
                    {"since": _MOMENT, "until": perhaps, "eventId": nothing},
                    ["since"],
                    "All events of that time, matched anew.",
                ),
            ]
        },
        "Replayed": _object(
            {"replayed": {"type": "integer", "minimum": 0}}, ["replayed"], "Deliveries due again."
        ),
    }


def _looks() -> dict[str, Schema]:
    outcome: dict[str, Schema] = {
        "outcome": {"type": "string", "enum": _OUTCOMES},
        "httpStatus": {"type": "integer"},
        "durationMs": {"type": "integer", "minimum": 0},
    }
    delivery: dict[str, Schema] = {
        "eventId": _UUID,
        "state": {"type": "string", "enum": words(DeliveryState)},
        "attempts": {"type": "integer", "minimum": 0},
        "updatedAt": _MOMENT,
        "nextAttemptAt": _MOMENT,
        **outcome,
    }
    attempt: dict[str, Schema] = {
        "n": {"type": "integer", "minimum": 1},
        "startedAt": _MOMENT,
        **outcome,
    }
    explanation: dict[str, Schema] = {
        "hears": {"type": "boolean"},
        "code": {"type": "string"},
        "reason": {"type": "string"},
        "attempts": {"type": "integer", "minimum": 0},
        "httpStatus": {"type": "integer"},
        "until": _MOMENT,
    }
    shown = ["eventId", "state", "attempts", "updatedAt"]
    return {
        "Delivery": _object(delivery, shown, "One event for one subscription."),
        "DeliveryList": _list("Delivery"),
        "Attempt": _object(attempt, ["n", "startedAt", "outcome"], "One POST."),
        "AttemptList": _list("Attempt"),
        "Explanation": _object(explanation, ["hears", "code", "reason"], "Why, or why not."),
    }


def _catalog_rows() -> dict[str, Schema]:
    actions = {"type": "array", "items": {"type": "string", "enum": _ACTIONS}}
    covered = _object(
        {"path": {"type": "string"}, "modificationTypes": actions},
        ["path", "modificationTypes"],
        "Changes of these entities.",
    )
    offered = {"type": "array", "items": {"type": "string", "enum": ["any", *_ACTIONS]}}
    row: dict[str, Schema] = {
        "resource": {"type": "string"},
        "modificationTypes": offered,
        "covers": {"type": "array", "items": covered},
    }
    return {
        "Resource": _object(row, list(row), "What can be subscribed to, and what it hears."),
        "ResourceList": _list("Resource"),
    }


def _notification() -> Schema:
    fields: dict[str, Schema] = {
        "id": {"type": "string", "description": "The same in every retry."},
        "subscriptionId": _UUID,
        "resource": {"type": "string", "description": "What was subscribed to."},
        "resourcePath": {"type": "string", "description": "What changed."},
        "modificationType": {"type": "string", "enum": _ACTIONS},
        "rawTime": _MOMENT,
        "brandCode": {"type": "string"},
        "openId": {"type": "string", "description": "Who changed it."},
        "data": {"description": "What the service says of the change: any JSON."},
    }
    required = ["id", "subscriptionId", "resource", "resourcePath", "modificationType", "rawTime"]
    return _object(fields, required, "One change, for one subscription.")


def _problem() -> Schema:
    error: dict[str, Schema] = {name: {"type": "string"} for name in ("field", "code", "message")}
    mistakes = {"type": "array", "items": _object(error, list(error), "One mistake.")}
    fields: dict[str, Schema] = {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": mistakes | {"description": "Every mistake of a 400."},
    }
    return _object(fields, ["type", "title", "status", "detail"], "RFC 9457.")


def resource_pattern(catalog: _core.Catalog) -> str:
    """What a resource's path looks like, as an expression of JSON Schema's kind."""
    return "^(" + "|".join(_template_pattern(template) for template, _ in catalog.rows) + ")$"


def _template_pattern(template: str) -> str:
    parts, bound = [], False
    for part in template.split("/"):
        if not part.startswith("{"):
            parts.append(re.escape(part).replace(r"\-", "-"))
            continue
        value = r"[^/{}\u0000-\u001f\u007f]+"
        parts.append(rf"({value}|\{{{part[1:-1]}\}})" if bound else value)
        bound = True
    return "/".join(parts)


OVERLAP_MAX_S = OVERLAP_MAX // timedelta(seconds=1)
# Visible ASCII, with blanks between or in quotes.
IDEMPOTENCY_KEY: Schema = {
    "type": "string",
    "pattern": r'^([!#-~]([ -~]*[!-~])?|"[ -~]+")$',
    "minLength": 1,
    "maxLength": KEY_BYTES_MAX,
}
