"""What became of events, as actors may see it: deliveries, attempts, replay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from . import _core
from .errors import NotFound, ValidationError
from .events import (
    Action,
    Attempt,
    Delivery,
    DeliveryState,
    Outcome,
    StoredEvent,
    from_ms,
    to_ms,
)
from .notebook import Listing
from .store.base import AttemptRecord, DeliveryRecord, EventRecord, Store
from .subscribing import Subscriptions

# A replay by state goes page by page.
_PAGE = 1_000


class Looking:
    """Reads of one store."""

    def __init__(
        self,
        store: Store,
        subscriptions: Subscriptions,
        catalog: _core.Catalog,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._subscriptions = store, subscriptions
        self._catalog, self._clock = catalog, clock

    def deliveries(
        self,
        actor: Any,
        *,
        subscription: str | None = None,
        event: str | None = None,
        state: str | DeliveryState | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> Listing[Delivery]:
        records = self._records(
            actor, subscription, event, state, since, until, before=before, limit=limit
        )
        return Listing(Delivery, map(self.delivery, records))

    def attempts(self, event: str, subscription: str, actor: Any) -> Listing[Attempt]:
        record = self._subscriptions.record(subscription, actor)
        stored = self.event(event, actor)
        rows = self._store.attempts(stored.seq, record.seq)
        return Listing(Attempt, [_attempt(row, event, subscription) for row in rows])

    def replay(
        self,
        subscription: str | None,
        event: str | None,
        state: str | None,
        since: datetime | None,
        until: datetime | None,
        actor: Any,
    ) -> int:
        if subscription is not None and since is not None:
            return self._replay_range(subscription, since, until, actor)
        if subscription is None and event is None and state is None:
            raise ValueError("name what to replay: subscription, event, state or since")
        count, before = 0, None
        while True:
            page = self._records(
                actor, subscription, event, state, since, until, before=before, limit=_PAGE
            )
            if not page:
                return count
            before = (page[-1].event_seq, page[-1].subscription_seq)
            count += self._store.replay([(d.event_seq, d.subscription_seq) for d in page])

    def prune(self, older_than: datetime, progress: Any) -> dict[str, int]:
        return self._store.prune(older_than_ms=to_ms(older_than), progress=progress)

    def delivery(self, record: DeliveryRecord) -> Delivery:
        """The stored row as callers see it."""
        return Delivery(
            _core.uuid_text(record.event_id),
            _core.uuid_text(record.subscription_id),
            DeliveryState(record.state),
            record.attempts,
            None if record.next_at is None else from_ms(record.next_at),
            record.http_status,
            None if record.outcome is None else Outcome(record.outcome),
            record.duration_ms,
            from_ms(record.updated_at),
            record.batch,
        )

    def stored_event(self, id_: str, actor: Any) -> StoredEvent:
        """Raises NotFound."""
        record = self.event(id_, actor)
        return replace(self.listed(record), in_outbox=self._store.in_outbox(record.seq))

    def listed(self, record: EventRecord) -> StoredEvent:
        """The stored row as callers see it."""
        return StoredEvent(
            _core.uuid_text(record.id),
            record.root,
            Action(record.action).name.lower(),
            record.paths,
            record.open_id,
            from_ms(record.published_at),
            record.data,
        )

    def event(self, id_: str, actor: Any) -> EventRecord:
        """Raises NotFound, also where the actor may not see its root."""
        try:
            record = self._store.event(_core.uuid_bytes(id_))
        except ValueError:
            record = None
        visible = self._subscriptions.visible_roots(actor)
        if record is None or (visible is not None and record.root not in visible):
            raise NotFound("no such event")
        return record

    # --- inside ----------------------------------------------------------------------

    def _records(
        self,
        actor: Any,
        subscription: str | None,
        event: str | None,
        state: str | DeliveryState | None,
        since: datetime | None,
        until: datetime | None,
        *,
        before: tuple[int, int] | None,
        limit: int,
    ) -> list[DeliveryRecord]:
        filters = self.filters(actor, subscription, event, state, since, until)
        return self._store.deliveries(**filters, before=before, limit=limit)

    def filters(
        self,
        actor: Any,
        subscription: str | None = None,
        event: str | None = None,
        state: str | DeliveryState | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> dict[str, Any]:
        """A list's conditions, as the store takes them, within what the actor may see."""
        record = None
        if subscription is not None:
            record = self._subscriptions.record(subscription, actor)
        return {
            "roots": self._subscriptions.visible_roots(actor),
            "subscription": None if record is None else record.seq,
            "event": None if event is None else self.event(event, actor).seq,
            "state": None if state is None else _state(state),
            "since": None if since is None else to_ms(since),
            "until": None if until is None else to_ms(until),
        }

    def _replay_range(
        self, subscription: str, since: datetime, until: datetime | None, actor: Any
    ) -> int:
        record = self._subscriptions.record(subscription, actor)
        word = Action(record.action).name.lower()

        def hears(event: Any) -> bool:
            action = Action(event.action).name.lower()
            return self._catalog.covers(record.resource, word, event.paths, action)

        end = self._clock() if until is None else to_ms(until)
        return self._store.replay_range(record.seq, to_ms(since), end, hears)


def _state(state: str | DeliveryState) -> int:
    if isinstance(state, DeliveryState):
        return int(state)
    try:
        return int(DeliveryState[state.upper()])
    except KeyError:
        words = ", ".join(s.name.lower() for s in DeliveryState)
        raise ValidationError.of("state", "enum", f"must be one of {words}") from None


def _attempt(record: AttemptRecord, event: str, subscription: str) -> Attempt:
    return Attempt(
        event,
        subscription,
        record.n,
        from_ms(record.started_at),
        record.duration_ms,
        record.http_status,
        Outcome(record.outcome),
        record.address,
        record.snippet,
        record.batch,
    )
