"""The request that repeats a delivery: what an attempt of it alone would POST now.

It is signed anew, under the keys of now and at this moment: a receiver that bounds the age of
what it takes would refuse the old signature.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import _core
from .config import SigningConfig
from .errors import NotFound
from .events import Action
from .store.base import EventRecord
from .trying import Recipient, sealed_headers


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """A POST. It holds signatures, and no key."""

    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


def request_of(
    catalog: _core.Catalog,
    event: EventRecord,
    recipient: Recipient,
    signing: SigningConfig,
    now_ms: int,
    more_headers: Iterable[tuple[str, str]],
) -> DeliveryRequest:
    """Raises NotFound where the subscription does not cover the event."""
    assert recipient.subscription is not None
    message, body = _core.render_notification(
        (
            event.seq,
            event.id,
            event.action,
            event.paths,
            event.open_id,
            event.data,
            event.published_at,
            event.revision,
            None,
        ),
        _covered(catalog, event, recipient.subscription),
        _core.uuid_bytes(recipient.id),
        recipient.subscription,
    )
    headers = sealed_headers(signing, message, now_ms // 1_000, body, recipient, more_headers)
    return DeliveryRequest(recipient.url, tuple(headers), body)


def _covered(catalog: _core.Catalog, event: EventRecord, subscription: _core.Subscription) -> int:
    """Index of the path by which it hears the event."""
    word, action = subscription.modification_type, Action(event.action).name.lower()
    for n, path in enumerate(event.paths):
        if catalog.covers(subscription.resource, word, [path], action):
            return n
    raise NotFound("the subscription does not cover this event")
