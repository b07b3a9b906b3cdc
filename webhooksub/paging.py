"""Lists page by page, as far as an actor may see them.

A cursor is the id of the row that the page begins behind, or ends before: it holds no number
from which the size of what others have could be read. One that names nothing the actor may
see is refused in the same words as any other text.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from .errors import ValidationError
from .events import Action, Delivery, DeliveryState, StoredEvent, SubscriptionInfo, to_ms
from .looking import Looking
from .publishing import _ACTIONS
from .store.base import DeliveryRecord, Store
from .subscribing import Subscriptions

#: Rows of a page: what one answer may cost.
PAGE_MAX = 100

_Item = TypeVar("_Item")
_FORWARD, _BACK = b"\x01", b"\x02"
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    """Some of a list. `total` counts the whole of it, None where that would be to walk through
    all that was ever delivered; a cursor is None where the list ends."""

    items: list[_Item]
    total: int | None
    next: str | None
    previous: str | None


class Paging:
    """Pages of one store's subscriptions and deliveries."""

    def __init__(self, store: Store, subscriptions: Subscriptions, looking: Looking) -> None:
        self._store, self._subscriptions, self._looking = store, subscriptions, looking

    def subscriptions(
        self,
        actor: Any,
        *,
        resource: str | None = None,
        status: str | None = None,
        owner: str | None = None,
        brand_code: str | None = None,
        root: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page[SubscriptionInfo]:
        """Oldest first. Raises ValidationError (fields ``cursor``, ``limit``, ``status``)."""
        check_limit(limit)
        filters = self._subscriptions.filters(
            actor, resource=resource, status=status, owner=owner, brand_code=brand_code
        )
        filters["roots"] = _within(filters["roots"], root)
        back, place = self._subscription_place(actor, cursor)
        seek: dict[str, Any] = {"before": place} if back else {"after": place or 0}
        records = self._store.subscriptions(**filters, **seek, limit=limit + 1)
        page = _cut(records, back, cursor is not None, limit)
        return Page(
            [self._subscriptions.info(record) for record in page.rows],
            self._store.count_subscriptions(**filters),
            _cursor(_FORWARD, page.rows[-1].id) if page.more_behind else None,
            _cursor(_BACK, page.rows[0].id) if page.more_before else None,
        )

    def events(
        self,
        actor: Any,
        *,
        root: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page[StoredEvent]:
        """Newest first. Raises ValidationError (fields ``action``, ``cursor``, ``limit``)."""
        check_limit(limit)
        filters: dict[str, Any] = {
            "roots": _within(self._subscriptions.visible_roots(actor), root),
            "action": None if action is None else _action(action),
            "since": None if since is None else to_ms(since),
            "until": None if until is None else to_ms(until),
        }
        back, place = self._event_place(actor, cursor)
        seek: dict[str, Any] = {"after": place} if back else {"before": place}
        records = self._store.events(**filters, **seek, limit=limit + 1)
        page = _cut(records, back, cursor is not None, limit)
        return Page(
            [self._looking.listed(record) for record in page.rows],
            None,
            _cursor(_FORWARD, page.rows[-1].id) if page.more_behind else None,
            _cursor(_BACK, page.rows[0].id) if page.more_before else None,
        )

    def deliveries(
        self,
        subscription: str | None,
        actor: Any,
        *,
        event: str | None = None,
        state: str | DeliveryState | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Delivery]:
        """The newest events' first. Raises NotFound, ValidationError."""
        check_limit(limit)
        filters = self._looking.filters(actor, subscription, event, state, since, until)
        back, place = self._delivery_place(filters["roots"], filters["subscription"], cursor)
        seek: dict[str, Any] = {"after": place} if back else {"before": place}
        records = self._store.deliveries(**filters, **seek, limit=limit + 1)
        page = _cut(records, back, cursor is not None, limit)
        few = subscription is not None or event is not None

        def cursor_of(direction: bytes, row: DeliveryRecord) -> str:
            names = row.event_id if subscription else row.event_id + row.subscription_id
            return _cursor(direction, names)

        return Page(
            [self._looking.delivery(record) for record in page.rows],
            self._store.count_deliveries(**filters) if few else None,
            cursor_of(_FORWARD, page.rows[-1]) if page.more_behind else None,
            cursor_of(_BACK, page.rows[0]) if page.more_before else None,
        )

    def _subscription_place(self, actor: Any, cursor: str | None) -> tuple[bool, int | None]:
        """A tombstone marks its place as well: a list is read on while its rows end."""
        if cursor is None:
            return False, None
        back, id_ = _read_cursor(cursor)
        record = self._store.subscription(id_)
        roots = self._subscriptions.visible_roots(actor)
        if record is None or (roots is not None and record.root not in roots):
            raise _bad_cursor()
        return back, record.seq

    def _event_place(self, actor: Any, cursor: str | None) -> tuple[bool, int | None]:
        if cursor is None:
            return False, None
        back, id_ = _read_cursor(cursor)
        record = self._store.event(id_)
        roots = self._subscriptions.visible_roots(actor)
        if record is None or (roots is not None and record.root not in roots):
            raise _bad_cursor()
        return back, record.seq

    def _delivery_place(
        self, roots: Sequence[str] | None, subscription_seq: int | None, cursor: str | None
    ) -> tuple[bool, tuple[int, int] | None]:
        """Where deliveries are of any subscription, the cursor names that as well."""
        if cursor is None:
            return False, None
        back, ids = _read_cursor(cursor, 1 if subscription_seq is not None else 2)
        event = self._store.event(ids[:_ID_BYTES])
        if subscription_seq is None:
            subscription = self._store.subscription(ids[_ID_BYTES:])
            subscription_seq = None if subscription is None else subscription.seq
        if (
            event is None
            or subscription_seq is None
            or not self._store.deliveries(
                roots=roots, subscription=subscription_seq, event=event.seq, limit=1
            )
        ):
            raise _bad_cursor()
        return back, (event.seq, subscription_seq)


@dataclass(frozen=True, slots=True)
class _Cut:
    rows: list[Any]
    more_before: bool
    more_behind: bool


def _cut(rows: list[Any], back: bool, has_cursor: bool, limit: int) -> _Cut:
    """One row more than the page was asked for: whether there are more."""
    more = len(rows) > limit
    if back:
        kept = rows[1:] if more else rows
        return _Cut(kept, more, bool(kept))
    kept = rows[:limit]
    return _Cut(kept, has_cursor and bool(kept), more)


def _within(roots: Sequence[str] | None, root: str | None) -> Sequence[str] | None:
    """The roots of a list that asks for one of those that may be seen."""
    if root is None:
        return roots
    return [root] if roots is None or root in roots else []


def _action(text: str) -> int:
    """An event's. Raises ValidationError."""
    if text not in _ACTIONS:
        raise ValidationError.of("action", "enum", f"must be one of {', '.join(_ACTIONS)}")
    return int(Action[text.upper()])


def check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE_MAX:
        raise ValidationError.of("limit", "range", f"must be 1 to {PAGE_MAX}")


def _cursor(direction: bytes, id_: bytes) -> str:
    return base64.urlsafe_b64encode(direction + id_).rstrip(b"=").decode()


def _read_cursor(text: str, ids: int = 1) -> tuple[bool, bytes]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if raw[:1] not in (_FORWARD, _BACK) or len(raw) != 1 + ids * _ID_BYTES:
        raise _bad_cursor()
    return raw[:1] == _BACK, raw[1:]


def _bad_cursor() -> ValidationError:
    return ValidationError.of("cursor", "unknown", "is of no page of this list")
