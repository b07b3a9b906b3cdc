"""Deliveries that wait for their next attempt: which are due, and who may have them.

Waiting rows are claimed so many of each *group*, never the oldest of all: a million rows
of one dead origin must not stand before another's. A group is an origin's seq. Rows of a
subscription that may not deliver now (paused, disabled), or that has its share of what is
claimed (see shares.py), are moved out of their origin's way into a group of their own, minus
the subscription's seq, and are claimed from there when it may again. Of a held origin (see
holds.py) one row is claimed and no more.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update

from ..events import DeliveryState, Outcome, SubscriptionStatus
from .base import DueTuple, EventTuple
from .groups import DueGroups
from .holds import NEVER, NOT_BEGUN
from .schema import ALIVE, CLAIMED, WAITING, delivery, dispatcher, event, origin, subscription
from .transaction import Transaction

# Rows of one group looked at in one transaction, when many must be moved out of the way.
_LOOKED_AT = 5_000
# Rows of one group looked at at least, though fewer are wanted.
_LOOK_LEAST = 64
# A group that waits for its origin's probe is looked at so often.
_LOOK_AGAIN_MS = 1_000
# Rows of an origin made due in one transaction.
_HASTENED = 1_000
# Data of claimed events, at least one: what they are pushed into does not ask how much it is.
_BYTES = 16 * 1024 * 1024

_key = (delivery.c.event_seq == bindparam("e"), delivery.c.subscription_seq == bindparam("s"))
_due = (
    select(
        delivery.c.event_seq,
        delivery.c.subscription_seq,
        delivery.c.attempts,
        subscription.c.status,
        subscription.c.expires_at,
        subscription.c.deleted_at,
        subscription.c.origin,
        event.c.seq.label("event"),
        func.coalesce(func.length(event.c.data), 0).label("bytes"),
    )
    .outerjoin(subscription, subscription.c.seq == delivery.c.subscription_seq)
    .outerjoin(event, event.c.seq == delivery.c.event_seq)
    .where(WAITING, delivery.c.origin == bindparam("group"))
    .where(delivery.c.next_at <= bindparam("now"))
    .order_by(delivery.c.next_at)
    .limit(bindparam("most"))
    .with_for_update(of=delivery, skip_locked=True)
)
_earliest = select(func.min(delivery.c.next_at)).where(
    WAITING, delivery.c.origin == bindparam("group")
)
_claim = (
    update(delivery)
    .where(*_key, WAITING)
    .values(
        state=int(DeliveryState.CLAIMED),
        dispatcher=bindparam("dispatcher"),
        origin=bindparam("group"),
        updated_at=bindparam("now"),
    )
)
_park = update(delivery).where(*_key, WAITING).values(origin=bindparam("group"))
_end = (
    update(delivery)
    .where(*_key, WAITING)
    .values(
        state=bindparam("code"),
        outcome=bindparam("why"),
        next_at=None,
        updated_at=bindparam("now"),
    )
)
_origin_named = select(origin.c.seq).where(origin.c.name == bindparam("name"))
_late = (
    select(delivery.c.event_seq, delivery.c.subscription_seq)
    .where(WAITING, delivery.c.origin == bindparam("group"))
    .where(delivery.c.next_at > bindparam("now"), delivery.c.outcome.in_(NOT_BEGUN))
    .limit(_HASTENED)
)
_hasten = update(delivery).where(*_key, WAITING).values(next_at=bindparam("now"))
_events = select(
    event.c.seq,
    event.c.id,
    event.c.action,
    event.c.paths,
    event.c.open_id,
    event.c.data,
    event.c.published_at,
    event.c.subscription_rev,
).where(event.c.seq.in_(bindparam("seqs", expanding=True)))


@dataclass(slots=True)
class _Claim:
    """One call of claim_due."""

    transaction: Transaction
    groups: DueGroups
    now: int
    bytes_left: int = _BYTES
    rows: list[Any] = field(default_factory=list)
    taken: Counter[int] = field(default_factory=Counter)  # by subscription
    probed: set[int] = field(default_factory=set)  # held origins of which one is claimed

    def take_from(self, group: int, most: int) -> None:
        """Claims up to `most` rows of the group and clears away those that cannot be."""
        connection, first, cleared = self.transaction.connection, len(self.rows), False
        origin = self._origin_of(group)
        most = self.groups.most(origin, most, self.now)
        if group < 0:
            most = min(most, self._left(-group))
        if most == 0 or origin in self.probed:
            until = self.groups.held_until(origin)
            if until == NEVER or until <= self.now:
                until = self.now + _LOOK_AGAIN_MS
            self.transaction.after.append(lambda: self.groups.correct(group, until))
            return
        look = max(most, _LOOK_LEAST)
        for _ in range(max(1, _LOOKED_AT // look)):
            want = most - (len(self.rows) - first)
            given = {"group": group, "now": self.now, "most": look}
            found = connection.execute(_due, given).all()
            cleared = self._sort(group, found, want)
            if not cleared or len(found) < look:
                break
        self._remember_probe(origin, self.rows[first:])
        if group < 0 and found and not cleared and found[0].status != SubscriptionStatus.ACTIVE:
            at = found[0].expires_at  # still paused: then there is something to do
        else:
            at = connection.execute(_earliest, {"group": group}).scalar()
        self.transaction.after.append(lambda: self.groups.correct(group, at))

    def _origin_of(self, group: int) -> int:
        """Where the group's rows go: a subscription's go to one place."""
        if group >= 0:
            return group
        query = select(subscription.c.origin).where(subscription.c.seq == -group)
        return self.transaction.connection.execute(query).scalar() or 0

    def _remember_probe(self, origin: int, claimed: Sequence[Any]) -> None:
        if claimed and self.groups.held([origin]):
            self.probed.add(origin)
            key = (claimed[0].event_seq, claimed[0].subscription_seq)
            self.transaction.after.append(lambda: self.groups.probe(origin, key))

    def _sort(self, group: int, found: Sequence[Any], want: int) -> bool:
        """Puts each row where it belongs, claims up to `want`. True: some were only cleared
        away."""
        claimed: list[Any] = []
        parked: list[Any] = []
        ended: list[tuple[Any, DeliveryState, Outcome]] = []
        for row in found:
            if row.event is None or row.status is None or row.deleted_at is not None:
                ended.append((row, DeliveryState.CANCELLED, Outcome.CANCELLED))
            elif row.expires_at <= self.now:
                ended.append((row, DeliveryState.EXPIRED, Outcome.EXPIRED))
            elif row.status != SubscriptionStatus.ACTIVE or (
                group > 0 and self._left(row.subscription_seq) == 0
            ):
                parked.append(row)
            elif len(claimed) < want and (
                row.bytes <= self.bytes_left or not (self.rows or claimed)
            ):
                self.bytes_left -= row.bytes
                self.taken[row.subscription_seq] += 1
                claimed.append(row)
        self._claim(claimed)
        self._end(ended)
        if group > 0:
            self._park(parked)
        return bool(ended or (parked and group > 0))

    def _left(self, subscription_seq: int) -> int:
        return self.groups.left(subscription_seq) - self.taken[subscription_seq]

    def _claim(self, rows: Sequence[Any]) -> None:
        self.rows += rows
        took = Counter([row.subscription_seq for row in rows])
        self.transaction.after.append(lambda: self.groups.took(took))
        dispatcher = self.transaction.dispatcher
        self._run(
            _claim,
            [
                {
                    "e": r.event_seq,
                    "s": r.subscription_seq,
                    "group": r.origin or 0,
                    "dispatcher": dispatcher,
                    "now": self.now,
                }
                for r in rows
            ],
        )

    def _park(self, rows: Sequence[Any]) -> None:
        self._run(
            _park,
            [
                {"e": r.event_seq, "s": r.subscription_seq, "group": -r.subscription_seq}
                for r in rows
            ],
        )
        for row in rows:
            active = row.status == SubscriptionStatus.ACTIVE
            self._note(-row.subscription_seq, self.now if active else row.expires_at)

    def _note(self, group: int, at: int) -> None:
        """In turn: that the group was empty when it was looked at before is not the last word."""
        self.transaction.after.append(lambda: self.groups.note(group, at))

    def _end(self, ended: Sequence[tuple[Any, DeliveryState, Outcome]]) -> None:
        self._run(
            _end,
            [
                {
                    "e": r.event_seq,
                    "s": r.subscription_seq,
                    "code": int(code),
                    "why": int(why),
                    "now": self.now,
                }
                for r, code, why in ended
            ],
        )

    def _run(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self.transaction.connection.execute(statement, rows)

    def answer(self) -> list[DueTuple]:
        """The claimed rows with their events, each event's value once."""
        seqs = list({row.event_seq for row in self.rows})
        found = self.transaction.connection.execute(_events, {"seqs": seqs})
        events: dict[int, EventTuple] = {
            row[0]: (*row[:3], row[3].split("\n"), *row[4:], None) for row in found
        }
        return [(events[r.event_seq], r.subscription_seq, r.attempts) for r in self.rows]


def claim_due(
    transaction: Transaction, groups: DueGroups, *, per_origin: int, limit: int, now: int
) -> list[DueTuple]:
    """See :meth:`Store.claim_due`. The groups have caught up."""
    claim = _Claim(transaction, groups, now)
    for group in groups.due(now, limit):
        most = min(per_origin, limit - len(claim.rows))
        if most <= 0 or claim.bytes_left <= 0:
            break
        claim.take_from(group, most)
    return claim.answer() if claim.rows else []


def release_due(
    transaction: Transaction, groups: DueGroups, rows: Sequence[tuple[int, int]], at: int
) -> None:
    """Claimed rows wait again, due `at`."""
    release = (
        update(delivery)
        .where(*_key, CLAIMED, delivery.c.dispatcher == transaction.dispatcher)
        .values(state=int(DeliveryState.WAITING), dispatcher=None, next_at=at)
        .returning(delivery.c.origin)
    )
    for event_seq, subscription_seq in rows:
        given = {"e": event_seq, "s": subscription_seq}
        for group in transaction.connection.execute(release, given).scalars():
            transaction.after.append(partial(groups.note, group, at))
    transaction.after.append(lambda: groups.released(rows, at))


def is_left_alone(connection: Connection, groups: DueGroups, name: str, now: int) -> bool:
    """The origin is held, or something waits for it untried and is not due yet."""
    seq = connection.execute(_origin_named, {"name": name}).scalar()
    if seq is None:
        return False
    if groups.held([seq]):
        return True
    return connection.execute(_late, {"group": seq, "now": now}).first() is not None


def free_origin(transaction: Transaction, groups: DueGroups, name: str, now: int) -> int:
    """The origin is held no more, and some of what waits for it untried is due at once: how
    many, 0 when none are left."""
    seq = transaction.connection.execute(_origin_named, {"name": name}).scalar()
    if seq is None:
        return 0
    rows = transaction.connection.execute(_late, {"group": seq, "now": now}).all()
    if rows:
        given = [{"e": r.event_seq, "s": r.subscription_seq, "now": now} for r in rows]
        transaction.connection.execute(_hasten, given)
        transaction.after.append(lambda: groups.note(seq, now))
    transaction.after.append(lambda: groups.free(seq, now))
    return len(rows)


def take_over(transaction: Transaction) -> None:
    """Rows that dispatchers which are gone had claimed wait again, due when they were."""
    transaction.connection.execute(
        update(delivery)
        .where(
            CLAIMED,
            or_(
                delivery.c.dispatcher.is_(None),
                delivery.c.dispatcher.not_in(select(dispatcher.c.seq).where(ALIVE)),
            ),
        )
        .values(state=int(DeliveryState.WAITING), dispatcher=None)
    )


def give_back(transaction: Transaction) -> None:
    """At the end of the role: what is claimed and not begun waits again."""
    transaction.connection.execute(
        update(delivery)
        .where(CLAIMED, delivery.c.dispatcher == transaction.dispatcher)
        .values(state=int(DeliveryState.WAITING), dispatcher=None)
    )


def keep_delays(transaction: Transaction, now: int) -> None:
    """Rows written by a clock that was ahead of `now` are due as long after it as they were
    after they were written. A walk over all that wait: for a clock that was set back."""
    late = delivery.c.updated_at - now
    transaction.connection.execute(
        update(delivery)
        .where(WAITING, late > 0)
        .values(next_at=delivery.c.next_at - late, updated_at=now)
    )
