"""One notification that says it is a test: does this endpoint take it?

It goes the way of every other, by the engine's thread, guard and transport, and leaves no
event, no delivery and no attempt behind.
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _core
from .config import SigningConfig
from .events import Action, Outcome, TestResult, format_moment, from_ms

_USER_AGENT = "webhooksub"
_NOBODY = "00000000-0000-0000-0000-000000000000"
_PLACE = "test"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A URL, and the subscription that it is of, if any. `keys`: newest first."""

    url: str
    subscription: _core.Subscription | None = None
    id: str = _NOBODY
    keys: tuple[bytes, ...] = field(default=(), repr=False)


def send(
    engine: _core.Engine,
    recipient: Recipient,
    signing: SigningConfig,
    now_ms: int,
    more_headers: Iterable[tuple[str, str]] = (),
    message: str | None = None,
) -> TestResult:
    """POSTs it in the words of the subscription, signed if there is a key. `message`: the id
    of the one that is sent again.

    Raises ValidationError, Closed.
    """
    subscription = recipient.subscription
    word = "any" if subscription is None else subscription.modification_type
    word = Action.UPDATE.name.lower() if word == "any" else word
    document = notification(subscription, recipient.id, word, {"test": True}, now_ms)
    if message is not None:
        document["id"] = message
    return post(engine, recipient, signing, now_ms, document, more_headers)


def post(
    engine: _core.Engine,
    recipient: Recipient,
    signing: SigningConfig,
    now_ms: int,
    document: dict[str, Any],
    more_headers: Iterable[tuple[str, str]] = (),
) -> TestResult:
    """One notification that is no delivery; an array where batches are what is sent."""
    subscription = recipient.subscription
    batch = subscription is not None and "batch" in subscription.delivery
    sent = [document] if batch else document
    body = json.dumps(sent, separators=(",", ":"), ensure_ascii=False).encode()
    at = now_ms // 1_000
    headers = sealed_headers(signing, document["id"], at, body, recipient, more_headers)
    outcome, status, ms, address, *_ = engine.ask("POST", recipient.url, headers, body)
    return TestResult(Outcome(outcome), status, ms, address, document["id"])


def notification(
    subscription: _core.Subscription | None,
    id_: str,
    word: str,
    data: Mapping[str, Any],
    now_ms: int,
) -> dict[str, Any]:
    """One of the resource itself, under an id of its own; `word` is its modificationType."""
    resource = _PLACE if subscription is None else subscription.resource
    found: dict[str, Any] = {
        "id": f"msg_{secrets.token_hex(16)}",
        "subscriptionId": id_,
        "resource": resource,
        "resourcePath": resource,
        "modificationType": word,
        "rawTime": format_moment(from_ms(now_ms)),
    }
    if subscription is not None and subscription.brand_code is not None:
        found["brandCode"] = subscription.brand_code
    return found | {"data": dict(data)}


def sealed_headers(
    signing: SigningConfig,
    message: str,
    now_s: int,
    body: bytes,
    recipient: Recipient,
    more_headers: Iterable[tuple[str, str]],
) -> list[tuple[str, str]]:
    """All of a request, in the order in which attempts send them.

    A subscription's own header of a name that is ours is not sent: it may be older than that.
    """
    headers = [
        ("Content-Type", "application/json"),
        ("User-Agent", _USER_AGENT),
        ("webhook-id", message),
        ("webhook-timestamp", str(now_s)),
    ]
    if recipient.keys:
        encoding = signing.integrity_encoding
        integrity, standard = _core.sign(recipient.keys, message, now_s, body, encoding=encoding)
        headers += [("webhook-signature", standard), (signing.integrity_header, integrity)]
    headers += more_headers
    if recipient.subscription is not None:
        own = recipient.subscription.delivery.get("headers", {})
        ours = {signing.integrity_header.lower(), *(name.lower() for name, _ in headers)}
        headers += [(name, value) for name, value in own.items() if name.lower() not in ours]
    return headers
