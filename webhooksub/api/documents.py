"""What is shown, by its JSON names.

Of attempts only what a tenant may know: the HTTP status of an answer, and of what had none
that the endpoint was unreachable. More would show what is where behind a firewall.
"""

import hashlib
import json
from typing import Any

from .. import _core
from ..events import (
    Attempt,
    Delivery,
    Explanation,
    RotatedSecret,
    SubscriptionInfo,
    format_moment,
    public_outcome,
)
from ..paging import Page
from ..secret import hidden
from ..subscribing import server_made


def webhook(info: SubscriptionInfo) -> dict[str, Any]:
    """The subscription entity: a document that PUT takes as it is."""
    fields: dict[str, Any] = {"resource": info.resource}
    if info.subscription is not None:
        fields = json.loads(info.subscription.to_json())
    return server_made(info) | fields


def etag(info: SubscriptionInfo) -> str:
    """Strong: of the stored revision and of what is computed, such as being expired."""
    text = json.dumps([info.revision, webhook(info)])
    return '"' + hashlib.sha256(text.encode()).hexdigest()[:32] + '"'


def rotated(row: RotatedSecret) -> dict[str, Any]:
    until = row.old_key_until
    shown: dict[str, Any] = {"oldKeyUntil": None if until is None else format_moment(until)}
    return (
        shown if row.integrity_key is None else {"integrityKey": hidden(row.integrity_key)} | shown
    )


def delivery(row: Delivery) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "eventId": row.event_id,
        "state": row.state.name.lower(),
        "attempts": row.attempts,
        "updatedAt": format_moment(row.updated_at),
    }
    if row.next_at is not None:
        shown["nextAttemptAt"] = format_moment(row.next_at)
    if row.outcome is not None:
        shown |= _outcome(row)
    return shown


def attempt(row: Attempt) -> dict[str, Any]:
    return {"n": row.n, "startedAt": format_moment(row.started_at)} | _outcome(row)


def _outcome(row: Delivery | Attempt) -> dict[str, Any]:
    """How long it took is told where the endpoint itself answered."""
    assert row.outcome is not None
    shown: dict[str, Any] = {"outcome": public_outcome(row.outcome, row.http_status)}
    if row.http_status is not None:
        shown |= {"httpStatus": row.http_status, "durationMs": row.duration_ms}
    return shown


def explanation(row: Explanation) -> dict[str, Any]:
    shown: dict[str, Any] = {"hears": row.hears, "code": row.code, "reason": row.reason}
    if row.attempts is not None:
        shown["attempts"] = row.attempts
    if row.http_status is not None:
        shown["httpStatus"] = row.http_status
    if row.until is not None:
        shown["until"] = format_moment(row.until)
    return shown


def page(found: Page[Any], rows: list[dict[str, Any]], link: Any) -> dict[str, Any]:
    """`link` makes the address of a page from its cursor."""
    return {
        "data": rows,
        "hasMore": found.next is not None,
        "nextPage": None if found.next is None else link(found.next),
        "previousPage": None if found.previous is None else link(found.previous),
        "totalCount": found.total,
    }


def whole(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A list that has one page."""
    return {
        "data": rows,
        "hasMore": False,
        "nextPage": None,
        "previousPage": None,
        "totalCount": len(rows),
    }


def resources(catalog: _core.Catalog) -> list[dict[str, Any]]:
    """The catalog: what can be subscribed to, and which changes of which entities each hears."""
    order = ("create", "update", "delete")
    rows = []
    for template, rules in catalog.rows:
        marked = {action for _, actions in rules for action in actions}
        covered = [
            {"path": entity, "modificationTypes": list(actions)} for entity, actions in rules
        ]
        rows.append(
            {
                "resource": template,
                "modificationTypes": ["any", *(a for a in order if a in marked)],
                "covers": covered,
            }
        )
    return rows
