"""One example of every body. Tests send them and compare what comes back."""

from typing import Any, Final

_ID = "0190f2a5-7c3e-7b1d-9f00-5d2c8e6a4b17"
_EVENT = "0190f2a6-11aa-7c54-8a3b-0f9d6c2e7a51"
_MOMENT = "2026-05-04T09:30:00.000Z"
_KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

#: What ``examples/subscription.json`` holds.
SUBSCRIPTION: Final[dict[str, Any]] = {
    "modificationType": "any",
    "notificationUrl": "https://example.com/hook",
    "resource": "tenant/acme/sidedrawer/s1/record",
    "expirationDateTime": "2099-07-07T14:40:40-03:00",
    "brandCode": "mybrand",
    "integrityKey": _KEY,
    "maxRetries": 5,
}

_WEBHOOK: Final[dict[str, Any]] = {
    "id": _ID,
    "owner": "ann",
    "status": "active",
    "createdAt": _MOMENT,
    "updatedAt": _MOMENT,
    "hasIntegrityKey": True,
    "modificationType": "any",
    "connectionType": "HTTP",
    "notificationUrl": "https://example.com/hook",
    "resource": "tenant/acme/sidedrawer/s1/record",
    "expirationDateTime": "2099-07-07T14:40:40-03:00",
    "brandCode": "mybrand",
    "maxRetries": 5,
}
_DELIVERY: Final = {
    "eventId": _EVENT,
    "state": "waiting",
    "attempts": 3,
    "updatedAt": _MOMENT,
    "nextAttemptAt": "2026-05-04T11:30:00.000Z",
    "outcome": "refused",
    "httpStatus": 401,
    "durationMs": 38,
}


def _list(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": list(rows),
        "hasMore": False,
        "nextPage": None,
        "previousPage": None,
        "totalCount": len(rows),
    }


#: Bodies that are sent, by the operation's id.
REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "createWebhook": SUBSCRIPTION,
    "replaceWebhook": _WEBHOOK,
    "updateWebhook": {"maxRetries": 3, "brandCode": None},
    "renewWebhook": {"expirationDateTime": "2099-12-31T00:00:00Z"},
    "rotateSecret": {"overlapSeconds": 3_600},
    "replayDeliveries": {"since": "2026-05-04T00:00:00Z", "until": "2026-05-05T00:00:00Z"},
}

#: Bodies that are answered, by the name of their schema.
ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "Webhook": _WEBHOOK,
    "WrittenWebhook": _WEBHOOK | {"warnings": []},
    "WebhookList": _list(_WEBHOOK),
    "ResourceList": _list(
        {
            "resource": "tenant/{tenantId}/sidedrawer",
            "modificationTypes": ["any", "create", "update", "delete"],
            "covers": [
                {
                    "path": "tenant/{tenantId}/sidedrawer/{sidedrawerId}",
                    "modificationTypes": ["create", "update", "delete"],
                }
            ],
        }
    ),
    "TestResult": {"result": "delivered"},
    "RotatedSecret": {"integrityKey": _KEY, "oldKeyUntil": "2026-05-04T10:30:00.000Z"},
    "DeliveryList": _list(_DELIVERY),
    "AttemptList": _list(
        {
            "n": 1,
            "startedAt": _MOMENT,
            "outcome": "refused",
            "httpStatus": 401,
            "durationMs": 38,
        }
    ),
    "Replayed": {"replayed": 12},
    "Explanation": {
        "hears": True,
        "code": "waiting",
        "reason": "3 attempts, the last one answered 401",
        "attempts": 3,
        "httpStatus": 401,
        "until": "2026-05-04T11:30:00.000Z",
    },
    "Problem": {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "the request is not valid",
        "errors": [
            {
                "field": "notificationUrl",
                "code": "scheme",
                "message": "must start with https://",
            }
        ],
    },
}

#: Query parameters and headers, by name.
PARAMETERS: Final[dict[str, Any]] = {
    "resource": "tenant/acme/sidedrawer/s1/record",
    "status": "active",
    "brandCode": "mybrand",
    "limit": 20,
    "state": "dead",
    "since": "2026-05-04T00:00:00Z",
    "until": "2026-05-05T00:00:00Z",
    "path": ["tenant/acme/sidedrawer/s1/record/r9"],
    "action": "update",
}


def notification(resource: str, entity: str, action: str) -> dict[str, Any]:
    """What a subscription to `resource` is sent when `entity` changes, both as templates."""
    return {
        "id": "msg_5c1f9d0b7a2e4c8396d4e1f0a7b8c9d2",
        "subscriptionId": _ID,
        "resource": filled(resource),
        "resourcePath": filled(entity),
        "modificationType": action,
        "rawTime": _MOMENT,
        "brandCode": "mybrand",
        "openId": "auth0|12345abcde",
        "data": {"name": "Taxes"},
    }


def filled(template: str) -> str:
    """A path of this shape: ``{recordId}`` becomes ``record-1``."""
    parts = template.split("/")
    return "/".join(_value(part) if part.startswith("{") else part for part in parts)


def _value(parameter: str) -> str:
    return parameter[1:-1].removesuffix("Id").removesuffix("id").lower() + "-1"
