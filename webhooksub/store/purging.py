"""Deleting all of one root: at most a thousand rows in one transaction.

Its subscriptions end first, so that nothing more is sent. They stay as tombstones, emptied of
what they said, because that is how dispatchers hear of their end; pruning takes them later.
"""

from sqlalchemy import select, update

from .among import among
from .retention import ROWS, Deletion
from .schema import event, idempotency, outbox, subscription
from .secrets import drop_keys
from .subscriptions import bump
from .transaction import Transaction

# Of subscriptions, with their keys, in one transaction.
_ENDED_AT_ONCE = ROWS // 4


class Purging(Deletion):
    """Of what lies under a root, waiting or not."""

    def __init__(self, root: str, now: int) -> None:
        super().__init__()
        self._root, self._now = root, now
        self._steps = [self._subscriptions, self._events, self._idempotency]

    def _subscriptions(self, transaction: Transaction) -> bool:
        """Also those that were tombstones before."""
        connection = transaction.connection
        mine = select(subscription.c.seq, subscription.c.id, subscription.c.deleted_at)
        found = connection.execute(
            mine.where(subscription.c.root == self._root).limit(_ENDED_AT_ONCE)
        ).all()
        if not found:
            return False
        seqs = [row.seq for row in found]
        connection.execute(
            update(subscription)
            .where(subscription.c.seq.in_(seqs))
            .values(_EMPTY | {"updated_at": self._now, "rev": bump(transaction)})
        )
        living = [row.seq for row in found if row.deleted_at is None]
        connection.execute(
            update(subscription).where(subscription.c.seq.in_(living)).values(deleted_at=self._now)
        )
        drop_keys(connection, *seqs)
        ids = [row.id for row in found]
        self._delete("keys", transaction, idempotency, idempotency.c.event_id.in_(ids))
        transaction.after.append(lambda: self._deleted("subscriptions", len(living)))
        return True

    def _events(self, transaction: Transaction) -> bool:
        connection = transaction.connection
        first = select(event.c.seq).where(event.c.root == self._root)
        seqs = list(connection.execute(first.order_by(event.c.seq).limit(ROWS)).scalars())
        if seqs:
            connection.execute(outbox.delete().where(among(outbox.c.event_seq, seqs)))
            self._delete_events(transaction, seqs)
        return bool(seqs)

    def _idempotency(self, transaction: Transaction) -> bool:
        keys = select(idempotency.c.key).where(idempotency.c.root == self._root).limit(ROWS)
        mine = (idempotency.c.root == self._root, idempotency.c.key.in_(keys))
        return self._delete("keys", transaction, idempotency, *mine) > 0


#: What a tombstone says of a subscription that was purged.
_EMPTY = {
    "root": "",
    "owner": "",
    "resource": "",
    "url": None,
    "socket_event": None,
    "expires_text": "",
    "brand_code": None,
    "options": "{}",
    "status_reason": None,
}
