"""Subscriptions from one store to another, as JSON lines.

A line is the subscription's document as the API shows it, with its owner, and its key where
that was asked for. An imported subscription keeps its id, so that its notifications' ids go
on, and hears what is published from its import on.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from . import _core
from .errors import Conflict, FieldError, ValidationError
from .events import Action, SubscriptionStatus, format_moment, from_ms
from .secret import SecretText, concealed
from .store.base import Store, SubscriptionRecord
from .subscribing import columns

_PAGE = 1_000
_CHANNELS = {1: "HTTP", 2: "SOCKET"}
#: Mistakes that are told; a file that is another thing altogether has as many as lines.
_MISTAKES_MAX = 100
# What ended while it was stored comes along: its owner may renew it.
_ANY_DATE = datetime(1, 1, 2, tzinfo=UTC)
_KEPT = (
    SubscriptionStatus.PENDING,
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.PAUSED,
    SubscriptionStatus.DISABLED,
)


@dataclass(frozen=True, slots=True)
class Imported:
    """`skipped`: they were there already, and stay as they are."""

    written: int
    skipped: int


def export_lines(
    store: Store, *, with_keys: bool = False, root: str | None = None
) -> Iterator[str]:
    """Every subscription that was not deleted, oldest first, of one root or of all."""
    roots, after = None if root is None else [root], 0
    while page := store.subscriptions(roots=roots, after=after, limit=_PAGE):
        after = page[-1].seq
        for record in page:
            yield json.dumps(_document(record, with_keys), separators=(",", ":"))


def _document(record: SubscriptionRecord, with_keys: bool) -> dict[str, Any]:
    """Also of one whose resource the catalog of today does not know."""
    options = json.loads(record.options)
    fields = {
        "id": _core.uuid_text(record.id),
        "owner": record.owner,
        "status": SubscriptionStatus(record.status).name.lower(),
        "statusReason": record.status_reason,
        "createdAt": format_moment(from_ms(record.created_at)),
        "modificationType": Action(record.action).name.lower(),
        "connectionType": _CHANNELS[record.channel],
        "notificationUrl": record.url,
        "notificationMessages": record.socket_event,
        "resource": record.resource,
        "expirationDateTime": record.expires_text,
        "brandCode": record.brand_code,
        "maxRetries": record.max_retries,
        "delivery": options or None,
    }
    if with_keys and record.keys:
        key = base64.b64encode(record.keys[0]).decode()
        fields["integrityKey"] = SecretText(f"whsec_{key}")
        del key
    return {name: value for name, value in fields.items() if value is not None}


def import_lines(
    store: Store,
    catalog: _core.Catalog,
    lines: Iterable[str],
    rules: Mapping[str, Any],
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Writes what :func:`export_lines` gave; nothing at all where a line is wrong.

    `rules`: what URLs may be, as keywords of Subscription. Raises ValidationError with the
    mistakes, each with its line.
    """
    rows = _read(catalog, lines, rules)
    skipped = 0
    for done, row in enumerate(rows, 1):
        try:
            store.add_subscription(**row)
        except Conflict:
            skipped += 1
        if progress is not None:
            progress(done)
    return Imported(len(rows) - skipped, skipped)


def _read(
    catalog: _core.Catalog, lines: Iterable[str], rules: Mapping[str, Any]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    mistakes: list[FieldError] = []
    for number, line in enumerate(map(SecretText, lines), 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(catalog, line, rules))
        except ValidationError as error:
            mistakes += [_in_line(number, mistake) for mistake in error.errors]
        if len(mistakes) >= _MISTAKES_MAX:
            break
    if mistakes:
        raise ValidationError(mistakes)
    return rows


def _in_line(number: int, mistake: FieldError) -> FieldError:
    place = f"line {number}: {mistake.field}" if mistake.field else f"line {number}"
    return FieldError(place, mistake.code, mistake.message)


def _row(catalog: _core.Catalog, line: str, rules: Mapping[str, Any]) -> dict[str, Any]:
    """What one line says, as the store takes it."""
    document = _object(line)
    id_, owner = document.pop("id", None), document.pop("owner", None)
    status, reason = document.pop("status", None), document.pop("statusReason", None)
    document.pop("createdAt", None)
    value = _core.Subscription.from_json(
        SecretText(json.dumps(document)), catalog=catalog, now=_ANY_DATE, **rules
    )
    mistakes = []
    seq_id = _id(id_)
    if seq_id is None:
        mistakes.append(FieldError("id", "format", "must be a UUID"))
    if not isinstance(owner, str):
        mistakes.append(FieldError("owner", "type", "must be a string"))
    if not isinstance(reason, str | None):
        mistakes.append(FieldError("statusReason", "type", "must be a string"))
    kept = _status(status)
    if kept is None:
        mistakes.append(FieldError("status", "enum", "is no status"))
    if mistakes:
        raise ValidationError(mistakes)
    key = value._key()
    return columns(value, owner if isinstance(owner, str) else "") | {
        "id": seq_id,
        "owner": owner,
        "status": int(kept or SubscriptionStatus.ACTIVE),
        "status_reason": reason,
        "keys": () if key is None else (key,),
    }


def _object(line: str) -> dict[str, Any]:
    try:
        _core.check_json(line.encode())
        document = json.loads(line, object_hook=concealed)
    except (ValidationError, ValueError):
        raise ValidationError.of("", "json", "is no JSON") from None
    if not isinstance(document, dict):
        raise ValidationError.of("", "type", "must be a JSON object")
    return document


def _id(text: Any) -> bytes | None:
    try:
        return _core.uuid_bytes(text)
    except (TypeError, ValueError):
        return None


def _status(word: Any) -> SubscriptionStatus | None:
    """One that is invalid today is looked at anew, where the catalog knows its resource."""
    if not isinstance(word, str) or word.upper() not in SubscriptionStatus.__members__:
        return None
    status = SubscriptionStatus[word.upper()]
    return status if status in _KEPT else SubscriptionStatus.ACTIVE
