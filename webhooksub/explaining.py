"""Why does a subscription hear a change, or not? Why did it not get that event?

What is said may be shown to the subscription's owner: of an endpoint that gave no answer no
more than that it gave none.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from . import _core
from .errors import NotFound, ValidationError
from .events import (
    Action,
    DeliveryState,
    Explanation,
    Outcome,
    SubscriptionStatus,
    format_moment,
    from_ms,
    public_outcome,
    public_reason,
)
from .handshake import limit
from .looking import Looking
from .notebook import Listing
from .publishing import _ACTIONS
from .store.base import DeliveryRecord, EventRecord, Store, SubscriptionRecord
from .subscribing import Subscriptions

# Subscriptions under one root that are told about at once.
_SUBSCRIPTIONS_MAX = 1_000


class Explaining:
    """Explanations of one store."""

    def __init__(
        self,
        store: Store,
        subscriptions: Subscriptions,
        looking: Looking,
        catalog: _core.Catalog,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._subscriptions, self._looking = store, subscriptions, looking
        self._catalog, self._clock = catalog, clock

    def explain(
        self,
        path: str | Sequence[str] | None,
        action: str | None,
        subscription: str | None,
        event: str | None,
        actor: Any,
    ) -> Listing[Explanation]:
        """Of one subscription, or of all under the root. `path` and `action` may be None where
        an event says them. Raises NotFound, ValidationError, UnknownResource."""
        record = None
        if subscription is not None:
            record = self._subscriptions.record(subscription, actor)
        stored = None if event is None else self._looking.event(event, actor)
        if stored is not None:
            path = stored.paths if path is None else path
            action = Action(stored.action).name.lower() if action is None else action
        paths = (path,) if isinstance(path, str) else tuple(path or ())
        if action not in _ACTIONS:
            raise ValidationError.of("action", "enum", "must be create, update or delete")
        root = self._catalog.check(paths)
        records = self._under(root, actor) if record is None else [record]
        return Listing(Explanation, [self._explain(r, paths, action, stored) for r in records])

    def _under(self, root: str, actor: Any) -> list[SubscriptionRecord]:
        visible = self._subscriptions.visible_roots(actor)
        if visible is not None and root not in visible:
            raise NotFound("no such root")
        return self._store.subscriptions(roots=[root], limit=_SUBSCRIPTIONS_MAX)

    def _explain(
        self,
        record: SubscriptionRecord,
        paths: Sequence[str],
        action: str,
        event: EventRecord | None,
    ) -> Explanation:
        """What became of the event goes before what would become of it now."""
        row = self._row(record, event)
        if event is not None and row is not None:
            return self._of_delivery(record, row)
        return (
            self._not_covered(record, paths, action)
            or self._too_early(record, event)
            or self._not_active(record, event)
            or (self._of_late(record, row) if event is None else self._not_settled(record, event))
        )

    def _row(self, record: SubscriptionRecord, event: EventRecord | None) -> DeliveryRecord | None:
        """The event's delivery; without an event the newest one."""
        seq = None if event is None else event.seq
        found = self._store.deliveries(subscription=record.seq, event=seq, limit=1)
        return found[0] if found else None

    def _not_covered(
        self, record: SubscriptionRecord, paths: Sequence[str], action: str
    ) -> Explanation | None:
        word = Action(record.action).name.lower()
        if self._catalog.covers(record.resource, word, paths, action):
            return None
        text = f"{word!r} on this resource does not cover this {action}"
        return _answer(record, False, "not_covered", text)

    def _too_early(
        self, record: SubscriptionRecord, event: EventRecord | None
    ) -> Explanation | None:
        if event is None or event.revision >= record.created_rev:
            return None
        text = "the subscription was created after the event was published"
        return _answer(record, False, "created_later", text)

    def _not_active(
        self, record: SubscriptionRecord, event: EventRecord | None
    ) -> Explanation | None:
        at = self._clock() if event is None else event.published_at
        if record.expires_at <= at:
            end = from_ms(record.expires_at)
            text = f"the subscription expired at {format_moment(end)}"
            return _answer(record, False, "expired", text, until=end)
        status = self._subscriptions.info(record).status
        if status in (SubscriptionStatus.ACTIVE, SubscriptionStatus.EXPIRED):
            return None
        word = status.name.lower()
        text = f"the subscription is {word}"
        if record.status_reason is not None:
            text += f": {public_reason(record.status_reason)}"
        return _answer(record, False, word, text)

    def _not_settled(self, record: SubscriptionRecord, event: EventRecord) -> Explanation:
        if self._store.in_outbox(event.seq):
            return _answer(record, True, "queued", "covered; not attempted or settled yet")
        text = "it was not active when the event was fanned out; a replay brings it"
        return _answer(record, False, "missed", text)

    def _of_late(self, record: SubscriptionRecord, row: DeliveryRecord | None) -> Explanation:
        """Covered and active: how it goes is what the newest delivery says."""
        if row is None or row.state == DeliveryState.DELIVERED:
            return _answer(record, True, "hears", "covered and active")
        late = self._of_delivery(record, row)
        code = late.code if late.code == "breaker_open" else "hears"
        text = f"covered and active; the newest delivery: {late.reason}"
        return _answer(record, True, code, text, row, late.until)

    def _of_delivery(self, record: SubscriptionRecord, row: DeliveryRecord) -> Explanation:
        state = DeliveryState(row.state)
        delivered, word = state is DeliveryState.DELIVERED, state.name.lower()
        if state is not DeliveryState.WAITING or row.next_at is None:
            text = f"{_ENDED.get(state, word)}: {_tried(row)}"
            return _answer(record, delivered, word, text, row)
        due = from_ms(row.next_at)
        if self._is_absent(record, row):
            text = "nobody is connected: it is sent to who connects"
            return _answer(record, True, "not_connected", text, row)
        if self._is_held_by_breaker(record, row):
            text = f"its host does not answer: nothing is sent there before {format_moment(due)}"
            return _answer(record, True, "breaker_open", text, row, due)
        text = f"{_tried(row)}; the next one is due at {format_moment(due)}"
        return _answer(record, True, word, text, row, due)

    def _is_absent(self, record: SubscriptionRecord, row: DeliveryRecord) -> bool:
        """Of a socket nothing but its listener's absence holds up what was not tried."""
        if record.channel != _SOCKET:
            return False
        return row.outcome == Outcome.NOT_CONNECTED or self._is_held_by_breaker(record, row)

    def _is_held_by_breaker(self, record: SubscriptionRecord, row: DeliveryRecord) -> bool:
        """What was spilled without having to wait is due at once, what has to wait for its own
        rate is no matter of the host."""
        has_rate = "ratePerSecond" in limit(record.options)
        later = row.next_at is not None and row.next_at > self._clock()
        return row.outcome == Outcome.SPILLED and later and not has_rate


_SOCKET = 2  # a channel's code
_ENDED = {
    DeliveryState.CLAIMED: "being attempted",
    DeliveryState.DEAD: "given up",
    DeliveryState.EXPIRED: "the subscription expired first",
    DeliveryState.CANCELLED: "unsubscribed first",
    DeliveryState.QUARANTINED: "set aside by the service",
}
_OWN = {
    Outcome.BACKLOG_FULL: "too much waited for this subscription",
    Outcome.DISABLED: "the subscription was disabled",
    Outcome.LOCAL_ERROR: "the service itself failed",
    Outcome.NOT_CONNECTED: "nobody was connected",
}


def _tried(row: DeliveryRecord) -> str:
    """``3 attempts, the last one answered 401``."""
    attempts = "1 attempt" if row.attempts == 1 else f"{row.attempts} attempts"
    outcome = None if row.outcome is None else Outcome(row.outcome)
    if outcome in _OWN:
        return f"{attempts}, {_OWN[outcome]}"
    if row.attempts == 0 or outcome is None:
        return "not attempted yet" if row.attempts == 0 else attempts
    if row.http_status is not None:
        return f"{attempts}, the last one answered {row.http_status}"
    silent = public_outcome(outcome, None) == "unreachable"
    return f"{attempts}, the last one had no answer" if silent else attempts


def _answer(
    record: SubscriptionRecord,
    hears: bool,
    code: str,
    reason: str,
    row: DeliveryRecord | None = None,
    until: datetime | None = None,
) -> Explanation:
    return Explanation(
        _core.uuid_text(record.id),
        hears,
        code,
        reason,
        attempts=None if row is None else row.attempts,
        http_status=None if row is None else row.http_status,
        until=until,
    )
