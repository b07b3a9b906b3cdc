"""Deleting what ended: at most a thousand rows in one transaction, oldest events first.

An event is kept while anything of it waits: its outbox row, a delivery that is waiting or
claimed. Of a fan-out larger than that the deliveries go first, in parts, the event last.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, Connection, Table, delete, func, or_, select

from ..events import DeliveryState
from .among import among
from .queries import ENDED, is_past
from .schema import attempt, delivery, event, idempotency, outbox, subscription
from .secrets import drop_ended
from .transaction import Transaction

#: Rows deleted in one transaction, and events looked at.
ROWS = 1_000

_UNDER_WAY = (int(DeliveryState.WAITING), int(DeliveryState.CLAIMED))


class Deletion:
    """One run. Each call of :meth:`step` belongs into a transaction of its own."""

    def __init__(self) -> None:
        self.deleted = {"events": 0, "deliveries": 0, "attempts": 0, "keys": 0, "subscriptions": 0}
        self._steps: list[Callable[[Transaction], bool]] = []

    def step(self, transaction: Transaction) -> bool:
        """Deletes some rows. False: nothing is left to delete."""
        transaction.hot.lock(transaction.cursor, [ENDED])
        while self._steps:
            if self._steps[0](transaction):
                return True
            self._steps.pop(0)
        return False

    def _delete_events(self, transaction: Transaction, seqs: Sequence[int]) -> bool:
        """The first of them, or a part of the very first. True: that was all."""
        whole = _that_fit(transaction.connection, seqs)
        if seqs and not whole:
            self._delete_part(transaction, seqs[0])
            return False
        for name, table, key in (
            ("attempts", attempt, attempt.c.event_seq),
            ("deliveries", delivery, delivery.c.event_seq),
            ("events", event, event.c.seq),
        ):
            self._delete(name, transaction, table, among(key, whole))
        return len(whole) == len(seqs)

    def _delete_part(self, transaction: Transaction, seq: int) -> None:
        """Of one event with more rows than a transaction may delete."""
        left = ROWS
        for name, table, key in (
            ("attempts", attempt, attempt.c.seq),
            ("deliveries", delivery, delivery.c.subscription_seq),
        ):
            mine = table.c.event_seq == seq
            some = select(key).where(mine).limit(left)
            left -= self._delete(name, transaction, table, mine, key.in_(some))

    def _delete(
        self, name: str, transaction: Transaction, table: Table, *where: ColumnElement[bool]
    ) -> int:
        deleted = transaction.connection.execute(delete(table).where(*where)).rowcount
        transaction.after.append(lambda: self._deleted(name, deleted))
        return deleted

    def _deleted(self, name: str, count: int) -> None:
        self.deleted[name] += count


class Pruning(Deletion):
    """Of what ended before a time."""

    def __init__(self, older_than: int, now: int) -> None:
        super().__init__()
        self._older_than, self._now = older_than, now
        self._after = 0
        self._steps = [
            self._events,
            self._idempotency,
            self._ended_keys,
            self._orphans,
            self._tombstones,
        ]

    def _events(self, transaction: Transaction) -> bool:
        connection = transaction.connection
        page = connection.execute(
            select(event.c.seq, event.c.published_at)
            .where(event.c.seq > self._after)
            .order_by(event.c.seq)
            .limit(ROWS)
        ).all()
        if not page or is_past(page[0].published_at, self._older_than, self._now):
            return False
        old = [row.seq for row in page if row.published_at < self._older_than]
        kept = _kept(connection, old)
        free = [seq for seq in old if seq not in kept]
        if self._delete_events(transaction, free):
            last = page[-1].seq
            transaction.after.append(lambda: self._passed(last))
        return True

    def _passed(self, seq: int) -> None:
        self._after = seq

    def _idempotency(self, transaction: Transaction) -> bool:
        old = idempotency.c.expires_at <= self._now
        keys = select(idempotency.c.root, idempotency.c.key).where(old).limit(ROWS)
        found = transaction.connection.execute(keys).all()
        for root, key in found:
            mine = (idempotency.c.root == root, idempotency.c.key == key)
            self._delete("keys", transaction, idempotency, *mine)
        return bool(found)

    def _ended_keys(self, transaction: Transaction) -> bool:
        """Integrity keys that were rotated away; few, and no rows of this count."""
        drop_ended(transaction.connection, self._now)
        return False

    def _orphans(self, transaction: Transaction) -> bool:
        """What was settled for a tombstone after its events were purged."""
        gone = ~select(event.c.seq).where(event.c.seq == delivery.c.event_seq).exists()
        query = (
            select(delivery.c.event_seq, delivery.c.subscription_seq)
            .join(subscription, subscription.c.seq == delivery.c.subscription_seq)
            .where(subscription.c.deleted_at < self._older_than, gone)
            .limit(ROWS)
        )
        found = transaction.connection.execute(query).all()
        for event_seq, sub in found:
            for name, table in (("attempts", attempt), ("deliveries", delivery)):
                mine = (table.c.event_seq == event_seq, table.c.subscription_seq == sub)
                self._delete(name, transaction, table, *mine)
        return bool(found)

    def _tombstones(self, transaction: Transaction) -> bool:
        """Subscriptions that ended so long ago, once none of their deliveries is left, nor an
        event that a dispatcher may still hold for them."""
        rest = delivery.c.subscription_seq == subscription.c.seq
        queued = outbox.join(event, event.c.seq == outbox.c.event_seq)
        oldest = select(func.min(event.c.subscription_rev)).select_from(queued).scalar_subquery()
        query = (
            select(subscription.c.seq)
            .where(subscription.c.deleted_at < self._older_than)
            .where(~select(delivery.c.event_seq).where(rest).exists())
            .where(or_(oldest.is_(None), oldest >= subscription.c.rev))
            .limit(ROWS)
        )
        seqs = list(transaction.connection.execute(query).scalars())
        self._delete("subscriptions", transaction, subscription, among(subscription.c.seq, seqs))
        return bool(seqs)


def _kept(connection: Connection, seqs: Sequence[int]) -> set[int]:
    """Events of which something waits."""
    queued = select(outbox.c.event_seq).where(among(outbox.c.event_seq, seqs))
    waiting = select(delivery.c.event_seq).where(
        among(delivery.c.event_seq, seqs), delivery.c.state.in_(_UNDER_WAY)
    )
    return set(connection.execute(queued.union(waiting)).scalars())


def _that_fit(connection: Connection, seqs: Sequence[int]) -> list[int]:
    """The first events that together have no more rows than one transaction deletes."""
    rows: Counter[int] = Counter(seqs)
    for table in (attempt, delivery):
        of = table.c.event_seq
        query = select(of, func.count()).where(among(of, seqs)).group_by(of)
        rows.update({seq: count for seq, count in connection.execute(query)})
    left = ROWS
    fit: list[int] = []
    for seq in seqs:
        left -= rows[seq]
        if left < 0:
            break
        fit.append(seq)
    return fit
