"""Subscriptions: written, changed, ended, and told to dispatchers by revision.

`subscription_rev` in the meta table grows by one with every change, in the change's own
transaction. A subscription remembers the revision of its creation, an event the one that
its transaction saw: it is heard by subscriptions created at or before that. What was
deleted stays as a tombstone, so that dispatchers hear of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from ..errors import Conflict, LimitReached, NotFound
from ..events import DeliveryState, Outcome, SubscriptionStatus
from . import counters, secrets
from .base import SubscriptionRecord, check_changeable, root_is_full
from .schema import WAITING, delivery, origin, subscription
from .transaction import Transaction

# Rows cancelled, or moved, in one transaction.
_AT_ONCE = 1_000
# Subscriptions asked for in one statement.
_ASKED_AT_ONCE = 500
_OWN = [c for c in subscription.c if c.name != "origin"]


def bump(transaction: Transaction) -> int:
    """The next revision, which is this transaction's from now on."""
    transaction.revision = counters.add_one(transaction.connection, counters.SUBSCRIPTION_REV)
    return transaction.revision


def add(
    transaction: Transaction, columns: Mapping[str, Any], keys: Sequence[bytes], now: int
) -> SubscriptionRecord:
    """Raises Conflict when the id is there."""
    connection, revision = transaction.connection, bump(transaction)
    values = dict(columns)
    values["origin"] = _origin_seq(connection, columns["origin"])
    values |= {"created_at": now, "updated_at": now, "created_rev": revision, "rev": revision}
    try:
        key = connection.execute(insert(subscription).values(values)).inserted_primary_key
    except IntegrityError as error:
        raise Conflict("a subscription with this id is there already") from error
    assert key is not None
    secrets.put_keys(connection, key[0], columns["id"], keys, old_until=None)
    return _one(connection, subscription.c.seq == key[0], now)


def change(
    transaction: Transaction,
    id_: bytes,
    changes: Mapping[str, Any],
    *,
    keys: Sequence[bytes] | None,
    keys_overlap_ms: int,
    expected_rev: int | None,
    per_root_max: int,
    now: int,
) -> SubscriptionRecord:
    """See :meth:`Store.update_subscription`."""
    check_changeable(changes)
    connection = transaction.connection
    counters.hold(connection, counters.SUBSCRIPTION_REV)
    seq, root = _living(connection, id_, expected_rev)
    if changes.get("root", root) != root:
        check_room(transaction, changes["root"], per_root_max)
    values = {**changes, "updated_at": now, "rev": bump(transaction)}
    if "origin" in changes:
        values["origin"] = _origin_seq(connection, changes["origin"])
    connection.execute(update(subscription).where(subscription.c.seq == seq).values(values))
    if keys is not None:
        old_until = now + keys_overlap_ms if keys and keys_overlap_ms else None
        secrets.drop_ended(connection, now, seq)
        secrets.put_keys(connection, seq, id_, keys, old_until=old_until)
    return _one(connection, subscription.c.seq == seq, now)


def delete(
    transaction: Transaction, id_: bytes, expected_rev: int | None, now: int
) -> SubscriptionRecord:
    """Leaves a tombstone without keys. Raises NotFound, Conflict."""
    connection = transaction.connection
    counters.hold(connection, counters.SUBSCRIPTION_REV)
    seq, _ = _living(connection, id_, expected_rev)
    connection.execute(
        update(subscription)
        .where(subscription.c.seq == seq)
        .values(deleted_at=now, updated_at=now, rev=bump(transaction))
    )
    secrets.drop_keys(connection, seq)
    return _one(connection, subscription.c.seq == seq, now)


def cancel_waiting(transaction: Transaction, record: SubscriptionRecord, now: int) -> int:
    """Some of the rows that wait for a deleted one become cancelled: 0 when none are left."""
    cancel = _some_waiting(record.seq, (record.origin_seq or 0, -record.seq)).values(
        state=int(DeliveryState.CANCELLED),
        outcome=int(Outcome.CANCELLED),
        next_at=None,
        updated_at=now,
    )
    return transaction.connection.execute(cancel).rowcount


def move_waiting(transaction: Transaction, record: SubscriptionRecord, left: int, now: int) -> int:
    """Some of the rows that wait for the origin that it `left` wait for its new one: 0 when
    none are left. What could not start there is due at once."""
    spilled = delivery.c.outcome == int(Outcome.SPILLED)
    move = _some_waiting(record.seq, (left,)).values(
        origin=record.origin_seq or 0, next_at=case((spilled, now), else_=delivery.c.next_at)
    )
    count = transaction.connection.execute(move).rowcount
    if count:
        counters.add_one(transaction.connection, counters.REPLAY_REV)
    return count


def _some_waiting(seq: int, groups: Sequence[int]) -> Update:
    mine = (
        select(delivery.c.event_seq)
        .where(WAITING, delivery.c.origin.in_(groups), delivery.c.subscription_seq == seq)
        .limit(_AT_ONCE)
    )
    return update(delivery).where(
        delivery.c.subscription_seq == seq, delivery.c.event_seq.in_(mine), WAITING
    )


def apply_change(transaction: Transaction, seq: int, word: str, outcome: int, now: int) -> None:
    """What attempts did to a subscription: "failing", "recovered" or "disabled"."""
    own = [subscription.c.seq == seq, subscription.c.deleted_at.is_(None)]
    values: dict[str, Any]
    if word == "failing":
        own.append(subscription.c.failing_since.is_(None))
        values = {"failing_since": now}
    elif word == "recovered":
        values = {"failing_since": None}
    else:
        own.append(subscription.c.status == int(SubscriptionStatus.ACTIVE))
        values = {
            "status": int(SubscriptionStatus.DISABLED),
            "status_reason": Outcome(outcome).name.lower(),
            "updated_at": now,
            "rev": bump(transaction),
        }
    transaction.connection.execute(update(subscription).where(*own).values(values))


# --- reading -------------------------------------------------------------------------


def origins_of(connection: Connection, seqs: Iterable[int]) -> dict[int, int]:
    """Where those of them that are there deliver to now."""
    origin_seq = func.coalesce(subscription.c.origin, 0)
    return dict(_ask(connection, select(subscription.c.seq, origin_seq), seqs))


def ids_of(connection: Connection, seqs: Iterable[int]) -> dict[int, bytes]:
    """The ids of those of them that are there."""
    return dict(_ask(connection, select(subscription.c.seq, subscription.c.id), seqs))


def _ask(
    connection: Connection, query: Select[Any], seqs: Iterable[int]
) -> Iterator[tuple[int, Any]]:
    wanted = list(seqs)
    for start in range(0, len(wanted), _ASKED_AT_ONCE):
        some = subscription.c.seq.in_(wanted[start : start + _ASKED_AT_ONCE])
        yield from connection.execute(query.where(some))


def find(connection: Connection, id_: bytes, now: int) -> SubscriptionRecord | None:
    found = read(connection, [subscription.c.id == id_], now)
    return found[0] if found else None


def read(
    connection: Connection,
    where: Iterable[ColumnElement[bool]],
    now: int,
    *,
    by_revision: bool = False,
    from_the_end: bool = False,
    limit: int | None = None,
) -> list[SubscriptionRecord]:
    """Those of which all is true, with their keys, by seq or by revision.

    `from_the_end`: the last ones where there are more than `limit`.
    """
    order = subscription.c.rev if by_revision else subscription.c.seq
    chosen = select(subscription.c.seq).where(*where)
    chosen = chosen.order_by(order.desc() if from_the_end else order)
    if limit is not None:
        chosen = chosen.limit(limit)
    keys = secrets.read_keys(connection, chosen, now)
    rows = connection.execute(_rows(chosen).order_by(order))
    return [_record(row, keys.get(row.seq, secrets.NONE)) for row in rows]


def wanted(
    roots: Sequence[str] | None,
    values: Mapping[str, Any],
    expires_after: int | None,
    expires_by: int | None,
) -> list[ColumnElement[bool]]:
    """The conditions of a list; `values` by column, None for any."""
    table = subscription.c
    where: list[ColumnElement[bool]] = [table.deleted_at.is_(None)]
    if roots is not None:
        where.append(table.root.in_(roots))
    where += [table[name] == value for name, value in values.items() if value is not None]
    if expires_after is not None:
        where.append(table.expires_at > expires_after)
    if expires_by is not None:
        where.append(table.expires_at <= expires_by)
    return where


def count(connection: Connection, where: Iterable[ColumnElement[bool]]) -> int:
    query = select(func.count()).select_from(subscription).where(*where)
    return connection.execute(query).scalar_one()


def _rows(chosen: Select[tuple[int]]) -> Select[Any]:
    columns = (*_OWN, origin.c.name, origin.c.seq.label("origin_seq"))
    joined = subscription.outerjoin(origin, origin.c.seq == subscription.c.origin)
    return select(*columns).select_from(joined).where(subscription.c.seq.in_(chosen))


def _record(row: Any, live: secrets.LiveKeys) -> SubscriptionRecord:
    own = {column.name: getattr(row, column.name) for column in _OWN}
    return SubscriptionRecord(
        **own,
        origin=row.name,
        origin_seq=row.origin_seq,
        keys=live.keys,
        keys_until=live.until,
    )


def _one(connection: Connection, where: ColumnElement[bool], now: int) -> SubscriptionRecord:
    [record] = read(connection, [where], now)
    return record


def check_room(transaction: Transaction, root: str, most: int) -> None:
    """Raises LimitReached when the root has `most` subscriptions; 0 is no limit. Nobody else
    counts them until this transaction ends."""
    if most == 0:
        return
    counters.hold(transaction.connection, counters.SUBSCRIPTION_REV)
    mine = (subscription.c.root == root, subscription.c.deleted_at.is_(None))
    last = select(subscription.c.seq).where(*mine).offset(most - 1).limit(1)
    if transaction.connection.execute(last).first() is not None:
        raise LimitReached(root_is_full(most))


def _living(connection: Connection, id_: bytes, expected_rev: int | None = None) -> tuple[int, str]:
    """Seq and root. Raises NotFound, and Conflict when its revision is another."""
    query = select(subscription.c.seq, subscription.c.rev, subscription.c.root)
    row = connection.execute(
        query.where(subscription.c.id == id_, subscription.c.deleted_at.is_(None))
    ).first()
    if row is None:
        raise NotFound("no such subscription")
    if expected_rev is not None and expected_rev != row.rev:
        raise Conflict("the subscription was changed since it was read")
    return row.seq, row.root


def _origin_seq(connection: Connection, name: str | None) -> int | None:
    if name is None:
        return None
    known: int | None = connection.execute(
        select(origin.c.seq).where(origin.c.name == name)
    ).scalar()
    if known is not None:
        return known
    key = connection.execute(insert(origin).values(name=name)).inserted_primary_key
    assert key is not None
    return int(key[0])
