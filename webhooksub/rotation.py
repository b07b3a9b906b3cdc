"""Another key for a subscription, while the old one still signs.

Both sign `webhook-signature` until the overlap ends, `integrityHash` is the new one's at
once: a receiver that verifies Standard Webhooks changes its key at any time meanwhile.
"""

import base64
import secrets
from datetime import timedelta
from typing import Any

from . import _core
from .errors import ValidationError
from .events import RotatedSecret, from_ms
from .secret import SecretText
from .store.base import Store
from .subscribing import Subscriptions

#: Bytes of a key that we make: as many as HMAC-SHA256 has use for.
_KEY_BYTES = 32
#: An overlap is longer than anybody needs, and a forgotten key ends some day.
OVERLAP_MAX = timedelta(days=30)


def rotate(
    store: Store,
    subscriptions: Subscriptions,
    id_: str,
    actor: Any,
    *,
    integrity_key: str | None,
    overlap: timedelta,
    revision: int | None = None,
) -> RotatedSecret:
    """Raises NotFound, Conflict, ValidationError, LimitReached (too many keys in force)."""
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        days = OVERLAP_MAX.days
        raise ValidationError.of("overlapSeconds", "range", f"must be 0 to {days} days")
    record = subscriptions.record(id_, actor, "update")
    made = SecretText(make_key()) if integrity_key is None else None
    key = _core.decode_key(made or integrity_key or "")
    overlap_ms = overlap // timedelta(milliseconds=1)
    changed = store.update_subscription(
        record.id, {}, keys=(key,), keys_overlap_ms=overlap_ms, expected_rev=revision
    )
    until = None if len(changed.keys) == 1 else changed.updated_at + overlap_ms
    return RotatedSecret(
        subscriptions.info(changed),
        None if made is None else made[:],
        None if until is None else from_ms(until),
    )


def make_key() -> str:
    """As Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
