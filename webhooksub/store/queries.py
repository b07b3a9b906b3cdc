"""Looking: events, deliveries, attempts and counts. Nothing here writes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, null, select, tuple_

from . import dispatchers
from .base import AttemptRecord, DeliveryRecord, EventRecord
from .outbox import QUARANTINE
from .schema import CLAIMED, DEAD, WAITING, attempt, delivery, event, outbox, subscription

#: Seqs grow with the time of publishing, but for what the clocks of publishers differ and
#: transactions take.
CLOCKS_DIFFER_MS = 60_000
#: What a transaction locks that deletes or replays what ended.
ENDED = "ended"

_JOINED = delivery.join(event, event.c.seq == delivery.c.event_seq).join(
    subscription, subscription.c.seq == delivery.c.subscription_seq
)


def find_event(connection: Connection, id_: bytes) -> EventRecord | None:
    row = connection.execute(select(event).where(event.c.id == id_)).first()
    return None if row is None else event_record(row)


def in_outbox(connection: Connection, event_seq: int) -> bool:
    query = select(outbox.c.event_seq).where(outbox.c.event_seq == event_seq)
    return connection.execute(query).first() is not None


def read_events(connection: Connection, seqs: Sequence[int]) -> list[EventRecord]:
    query = select(event).where(event.c.seq.in_(seqs)).order_by(event.c.seq)
    return [event_record(row) for row in connection.execute(query)]


def wanted_events(
    connection: Connection,
    roots: Sequence[str] | None,
    action: int | None,
    since: int | None,
    until: int | None,
) -> list[ColumnElement[bool]]:
    """The conditions of :meth:`Store.events`."""
    where: list[ColumnElement[bool]] = []
    if roots is not None:
        where.append(event.c.root.in_(roots))
    if action is not None:
        where.append(event.c.action == action)
    if since is not None:
        where.append(event.c.published_at >= since)
        where.append(event.c.seq > seq_before(connection, since))
    if until is not None:
        where.append(event.c.published_at < until)
    return where


def events(
    connection: Connection,
    where: Sequence[ColumnElement[bool]],
    *,
    before: int | None,
    after: int | None,
    limit: int,
) -> list[EventRecord]:
    """See :meth:`Store.events`."""
    columns = [column for column in event.c if column.name != "data"]
    seq = event.c.seq
    query = (
        select(*columns, null().label("data"))
        .where(*where)
        .order_by(seq.desc() if after is None else seq)
        .limit(limit)
    )
    if before is not None:
        query = query.where(seq < before)
    if after is not None:
        query = query.where(seq > after)
    found = [event_record(row) for row in connection.execute(query)]
    return found if after is None else found[::-1]


def event_ids(connection: Connection, seqs: Sequence[int]) -> dict[int, bytes]:
    found = connection.execute(select(event.c.seq, event.c.id).where(event.c.seq.in_(seqs)))
    return {row.seq: row.id for row in found}


def event_record(row: Any) -> EventRecord:
    return EventRecord(
        seq=row.seq,
        id=row.id,
        root=row.root,
        action=row.action,
        paths=tuple(row.paths.split("\n")),
        open_id=row.open_id,
        data=row.data,
        published_at=row.published_at,
        revision=row.subscription_rev,
    )


def is_past(published_at: int, ms: int, now: int) -> bool:
    """No later seq is of an event published before `ms`. A date to come says nothing: it is by
    a clock that ran ahead, and was set back since."""
    return ms + CLOCKS_DIFFER_MS <= published_at <= now + CLOCKS_DIFFER_MS


def seq_before(connection: Connection, ms: int) -> int:
    """A seq before that of every event published at `ms` or later, and not long before."""
    first, last = connection.execute(select(func.min(event.c.seq), func.max(event.c.seq))).one()
    if first is None:
        return 0
    low, high = first - 1, last + 1  # low: published before, high: not (or not known to be)
    while high - low > 1:
        middle = (low + high) // 2
        at = connection.execute(
            select(event.c.published_at).where(event.c.seq >= middle).order_by(event.c.seq).limit(1)
        ).scalar_one()
        if at < ms - CLOCKS_DIFFER_MS:
            low = middle
        else:
            high = middle
    return int(low)


def wanted(
    connection: Connection,
    roots: Sequence[str] | None,
    subscription_seq: int | None,
    event_seq: int | None,
    state: int | None,
    since: int | None,
    until: int | None,
) -> list[ColumnElement[bool]]:
    """The conditions of :meth:`Store.deliveries`, on delivery, event and subscription."""
    where: list[ColumnElement[bool]] = []
    if roots is not None:
        where.append(subscription.c.root.in_(roots))
    if subscription_seq is not None:
        where.append(delivery.c.subscription_seq == subscription_seq)
    if event_seq is not None:
        where.append(delivery.c.event_seq == event_seq)
    if state is not None:
        where.append(_in_state(state))
    if since is not None:
        where.append(event.c.published_at >= since)
        where.append(delivery.c.event_seq > seq_before(connection, since))
    if until is not None:
        where.append(event.c.published_at < until)
    return where


def deliveries(
    connection: Connection,
    where: Sequence[ColumnElement[bool]],
    *,
    before: tuple[int, int] | None,
    after: tuple[int, int] | None,
    limit: int,
) -> list[DeliveryRecord]:
    """See :meth:`Store.deliveries`."""
    key = (delivery.c.event_seq, delivery.c.subscription_seq)
    order = [column.desc() for column in key] if after is None else list(key)
    query = (
        select(delivery, event.c.id.label("event_id"), subscription.c.id.label("subscription_id"))
        .select_from(_JOINED)
        .where(*where)
        .order_by(*order)
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(*key) < before, delivery.c.event_seq <= before[0])
    if after is not None:
        query = query.where(tuple_(*key) > after, delivery.c.event_seq >= after[0])
    found = [_delivery(row) for row in connection.execute(query)]
    return found if after is None else found[::-1]


def count_deliveries(connection: Connection, where: Sequence[ColumnElement[bool]]) -> int:
    query = select(func.count()).select_from(_JOINED).where(*where)
    return connection.execute(query).scalar_one()


def _in_state(state: int) -> Any:
    """With the condition of a partial index where there is one."""
    partial = {1: WAITING, 2: CLAIMED, 4: DEAD}
    return partial.get(state, delivery.c.state == state)


def _delivery(row: Any) -> DeliveryRecord:
    return DeliveryRecord(
        event_seq=row.event_seq,
        subscription_seq=row.subscription_seq,
        event_id=row.event_id,
        subscription_id=row.subscription_id,
        state=row.state,
        attempts=row.attempts,
        next_at=row.next_at,
        batch=row.batch,
        http_status=row.http_status,
        outcome=row.outcome,
        duration_ms=row.duration_ms,
        updated_at=row.updated_at,
    )


def attempts(connection: Connection, event_seq: int, subscription_seq: int) -> list[AttemptRecord]:
    columns = [column for column in attempt.c if column.name != "seq"]
    query = (
        select(*columns)
        .where(attempt.c.event_seq == event_seq)
        .where(attempt.c.subscription_seq == subscription_seq)
        .order_by(attempt.c.seq)
    )
    return [AttemptRecord(*row) for row in connection.execute(query)]


def stats(connection: Connection, now: int, alive_since: int) -> dict[str, int]:
    """Counts, none of which walks over what was delivered."""

    def count(table: Any, *where: Any) -> int:
        query = select(func.count()).select_from(table).where(*where)
        return connection.execute(query).scalar_one()

    quarantined = count(outbox, outbox.c.dispatcher == QUARANTINE)
    oldest = connection.execute(
        select(event.c.published_at)
        .join(outbox, outbox.c.event_seq == event.c.seq)
        .where(outbox.c.dispatcher.is_distinct_from(QUARANTINE))
        .order_by(outbox.c.event_seq)
        .limit(1)
    ).scalar()
    return {
        "outbox": count(outbox) - quarantined,
        "outbox_age_ms": 0 if oldest is None else max(0, now - oldest),
        "quarantined": quarantined,
        "waiting": count(delivery, WAITING),
        "claimed": count(delivery, CLAIMED),
        "dead": count(delivery, DEAD),
        "subscriptions": count(subscription, subscription.c.deleted_at.is_(None)),
        "dispatchers_alive": dispatchers.count_alive(connection, alive_since),
    }
