"""What is asked of a store in a SQL database without changing it."""

from collections.abc import Callable, Sequence

from . import counters, outbox, queries, subscriptions
from .base import AttemptRecord, DeliveryRecord, EventRecord, SubscriptionRecord
from .process import StoreProcess
from .role import DispatcherRole
from .schema import subscription as subscription_table


class SqlReads:
    """The reading half of the store's face; each call sees one moment of it."""

    _process: StoreProcess
    _role: DispatcherRole
    _clock: Callable[[], int]

    def subscription(self, id: bytes) -> SubscriptionRecord | None:
        with self._process.reading() as connection:
            return subscriptions.find(connection, id, self._clock())

    def subscriptions(
        self,
        *,
        roots: Sequence[str] | None,
        resource: str | None = None,
        status: int | None = None,
        owner: str | None = None,
        brand_code: str | None = None,
        expires_after: int | None = None,
        expires_by: int | None = None,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
    ) -> list[SubscriptionRecord]:
        where = subscriptions.wanted(
            roots,
            {"resource": resource, "status": status, "owner": owner, "brand_code": brand_code},
            expires_after,
            expires_by,
        )
        seq = subscription_table.c.seq
        where.append(seq > after if before is None else seq < before)
        with self._process.reading() as connection:
            now = self._clock()
            return subscriptions.read(
                connection, where, now, limit=limit, from_the_end=before is not None
            )

    def count_subscriptions(
        self,
        *,
        roots: Sequence[str] | None,
        resource: str | None = None,
        status: int | None = None,
        owner: str | None = None,
        brand_code: str | None = None,
        expires_after: int | None = None,
        expires_by: int | None = None,
    ) -> int:
        where = subscriptions.wanted(
            roots,
            {"resource": resource, "status": status, "owner": owner, "brand_code": brand_code},
            expires_after,
            expires_by,
        )
        with self._process.reading() as connection:
            return subscriptions.count(connection, where)

    def numbered(self, seqs: Sequence[int]) -> list[SubscriptionRecord]:
        with self._process.reading() as connection:
            mine = [subscription_table.c.seq.in_(seqs)]
            return subscriptions.read(connection, mine, self._clock())

    def mark(self, name: str) -> int:
        with self._process.reading() as connection:
            return counters.read_mark(connection, name)

    def revision(self) -> int:
        return self._process.peek().subscription_rev

    def changes(self, since: int) -> tuple[int, list[SubscriptionRecord]]:
        with self._process.reading() as connection:
            revision = counters.read(connection, counters.SUBSCRIPTION_REV)
            changed = [subscription_table.c.rev > since]
            now = self._clock()
            return revision, subscriptions.read(connection, changed, now, by_revision=True)

    # --- looking ---------------------------------------------------------------------

    def event(self, id: bytes) -> EventRecord | None:
        with self._process.reading() as connection:
            return queries.find_event(connection, id)

    def events(
        self,
        *,
        roots: Sequence[str] | None = None,
        action: int | None = None,
        since: int | None = None,
        until: int | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> list[EventRecord]:
        with self._process.reading() as connection:
            where = queries.wanted_events(connection, roots, action, since, until)
            return queries.events(connection, where, before=before, after=after, limit=limit)

    def event_ids(self, seqs: Sequence[int]) -> dict[int, bytes]:
        with self._process.reading() as connection:
            return queries.event_ids(connection, seqs)

    def in_outbox(self, event_seq: int) -> bool:
        with self._process.reading() as connection:
            return queries.in_outbox(connection, event_seq)

    def deliveries(
        self,
        *,
        roots: Sequence[str] | None = None,
        subscription: int | None = None,
        event: int | None = None,
        state: int | None = None,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[DeliveryRecord]:
        with self._process.reading() as connection:
            where = queries.wanted(connection, roots, subscription, event, state, since, until)
            return queries.deliveries(connection, where, before=before, after=after, limit=limit)

    def count_deliveries(
        self,
        *,
        roots: Sequence[str] | None = None,
        subscription: int | None = None,
        event: int | None = None,
        state: int | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> int:
        with self._process.reading() as connection:
            where = queries.wanted(connection, roots, subscription, event, state, since, until)
            return queries.count_deliveries(connection, where)

    def attempts(self, event_seq: int, subscription_seq: int) -> list[AttemptRecord]:
        with self._process.reading() as connection:
            return queries.attempts(connection, event_seq, subscription_seq)

    def subscription_ids(self, seqs: Sequence[int]) -> dict[int, bytes]:
        with self._process.reading() as connection:
            return subscriptions.ids_of(connection, seqs)

    def stats(self) -> dict[str, int]:
        now = self._clock()
        alive_since = self._process.database.alive_since(now)
        with self._process.reading() as connection:
            stats = queries.stats(connection, now, alive_since)
        return stats | {"backlog_full": self._role.refused}

    def quarantined_seqs(self) -> set[int]:
        with self._process.reading() as connection:
            return set(outbox.quarantined(connection))

    def quarantined(self, limit: int = 100) -> list[EventRecord]:
        with self._process.reading() as connection:
            return queries.read_events(connection, outbox.quarantined(connection, limit))
