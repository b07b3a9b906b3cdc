"""Subscriptions to make: the least that is valid, and what is wrong with others."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from webhooksub import Subscription, ValidationError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://example.com/hook"
#: A key that must be seen nowhere.
CANARY = "CANARY-" + "c" * 32
#: The reference's own sample, letter by letter.
SAMPLE = """{"modificationType": "Create", "notificationUrl": "string", \
"resource": "tenant/{tenantId}/sidedrawer", "expirationDateTime": "2029-07-07T14:40:40-03:00",
 "brandCode": "mybrand", "notificationMessages": "", "integrityKey": "", "maxRetries": 0}"""
#: Fields that a document of the service holds beside those of its owner.
MADE = {
    "id": "sub_1",
    "owner": "auth0|1",
    "status": "disabled",
    "statusReason": "gone",
    "createdAt": "2026-01-01T00:00:00.000Z",
    "updatedAt": "2026-01-02T00:00:00.000Z",
    "hasIntegrityKey": True,
}


def make(**fields: Any) -> Subscription:
    """By the constructor's names."""
    least = {
        "resource": "tenant/t1/sidedrawer",
        "modification_type": "any",
        "notification_url": URL,
        "expires": "2029-07-07T14:40:40-03:00",
        "now": NOW,
    }
    return Subscription(**(least | fields))


def document(**fields: Any) -> str:
    """The same as JSON, by the document's names."""
    least = {
        "resource": "tenant/t1/sidedrawer",
        "modificationType": "any",
        "notificationUrl": URL,
        "expirationDateTime": "2029-07-07T14:40:40-03:00",
    }
    return json.dumps(least | fields)


def mistakes(call: Callable[[], object]) -> list[tuple[str, str]]:
    """Field and code of each, in their order."""
    with pytest.raises(ValidationError) as caught:
        call()
    return [(error.field, error.code) for error in caught.value.errors]


def columns(**changes: Any) -> tuple[Any, ...]:
    """Of the store, in the order in which _restore takes them."""
    row = {
        "resource": "tenant/t1/sidedrawer",
        "action": 4,
        "channel": 1,
        "url": URL,
        "event": None,
        "expires": "2029-07-07T14:40:40-03:00",
        "brand": None,
        "retries": None,
        "options": "{}",
        "key": None,
    }
    return tuple((row | changes).values())
