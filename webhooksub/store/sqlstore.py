"""The store in a SQL database: every call of the face, given to the module that knows it.

Writes go through one thread (writer.py), reads through a few pooled connections. The same
object serves publishers, who only write, and the one dispatcher that has the role.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from .. import _core
from ..config import StoreConfig
from ..errors import ConfigurationError
from ..events import RotatedKeys
from ..logs import about
from . import (
    counters,
    creations,
    joining,
    migrations,
    outbox,
    replay,
    resealing,
    subscriptions,
)
from .base import (
    CreationKey,
    DispatcherInfo,
    DueTuple,
    EventRecord,
    EventTuple,
    NewEvent,
    Published,
    SubscriptionRecord,
)
from .database import Database
from .failures import translated
from .gauge import Gauge
from .listeners import SqlListeners
from .process import StoreProcess
from .purging import Purging
from .retention import ROWS, Deletion, Pruning
from .role import DispatcherRole
from .sqlreads import SqlReads
from .transaction import Transaction
from .writer import Job

log = logging.getLogger("webhooksub")

# While pruning, a store that nobody dispatches from is checkpointed so often.
_STEPS_PER_CHECKPOINT = 50


class SqlStore(SqlReads):
    """See :class:`webhooksub.store.base.Store`."""

    durable = True

    def __init__(self, database: Database, config: StoreConfig, clock: Callable[[], int]) -> None:
        """Nothing is opened yet."""
        self._config, self._clock = config, database.clock(clock)
        self._process = StoreProcess(database, self._committed)
        self._role = DispatcherRole(self._process, config, self._clock)
        self._gauge = Gauge(config.outbox_rows_max, config.outbox_bytes_max)
        self._watch = joining.CommitWatch(self.wake, self._wake_after_commit)
        self.name, self.shared = database.name, database.shared
        self.listeners = SqlListeners(self._process, self._clock)

    def open(self) -> None:
        self._process.open()

    def close(self, timeout: float = 10) -> None:
        self._process.close(timeout)

    def migrate(self) -> int:
        """Brings the schema of a store that is not open forward; answers its version."""
        return self._process.migrate()

    def facts(self) -> dict[str, Any]:
        facts = self._process.database.facts() | {"dispatcher": self._process.lock.holder()}
        with self._process.reading() as connection:
            facts["schema_version"] = migrations.version(connection)
            facts["keys_unsealed"], facts["keys_sealed"] = resealing.formats(connection)
        return facts

    def _committed(self, transaction: Transaction) -> None:
        self._role.hand_over(transaction)
        if transaction.left:
            self._process.database.tell_others()

    # --- publishing ------------------------------------------------------------------

    def publish(self, events: Sequence[NewEvent]) -> Sequence[Published]:
        now = self._clock()

        def run(transaction: Transaction) -> Sequence[Published]:
            self._gauge.admit(transaction.cursor, transaction.hot, transaction.last_seq, events)
            return outbox.write_events(
                transaction,
                events,
                now=now,
                idempotency_until=now + self._config.idempotency_ms,
                room=self._role.room(transaction),
            )

        published: Sequence[Published] = self._process.write_plain(run, rows=len(events))
        return published

    def publish_on(self, connection: Any, events: Sequence[NewEvent]) -> Sequence[Published]:
        self._process.open()
        database, now = self._process.database, self._clock()
        last_seq = database.last_seq(connection)
        if not self._gauge.has_room(last_seq, events):
            with database.counting(connection) as (cursor, hot):
                self._gauge.admit(cursor, hot, last_seq, events)
        until = now + self._config.idempotency_ms
        with translated():
            published = database.join(connection, list(events), now=now, idempotency_until=until)
        self._watch.watch(connection)
        return published

    def wake(self) -> None:
        self._role.wake()
        self._process.database.tell_others()

    def _wake_after_commit(self) -> None:
        """Called before a commit: our next transaction begins after it."""
        if self._process.dispatcher is not None:
            self._process.writer.post(Job(lambda t: t.after.append(self._role.wake)))
        self._process.database.tell_others()

    # --- the dispatcher's role -------------------------------------------------------

    def begin_dispatching(self, dispatcher: DispatcherInfo) -> int:
        self._check_keyring()
        return self._role.begin(dispatcher)

    def hand_over_to(
        self,
        room: Callable[[], int] | None,
        take: Callable[[_core.Events], None] | None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._role.hand_over_to(room, take, wake)

    def heartbeat(self) -> bool:
        return self._role.heartbeat()

    def end_dispatching(self) -> None:
        self._role.end()

    def claim_events(
        self, limit: int, max_bytes: int
    ) -> tuple[Sequence[EventTuple], Sequence[int]]:
        claimed = self._role.claim_events(limit, max_bytes)
        return [event for event, _ in claimed], [survived for _, survived in claimed]

    def release_events(self, seqs: Sequence[int]) -> None:
        self._role.release_events(seqs)

    def set_aside_events(self, seqs: Sequence[int]) -> None:
        self._role.set_aside_events(seqs)

    def claim_due(self, per_origin: int, limit: int) -> list[DueTuple]:
        return self._role.claim_due(per_origin, limit)

    def release_due(self, rows: Sequence[tuple[int, int]], delay_ms: int) -> None:
        self._role.release_due(rows, delay_ms)

    def free_origin(self, name: str) -> None:
        self._role.free_origin(name)

    def due_in(self, *, looked: bool = False) -> int | None:
        return self._role.due_in(looked=looked)

    def settle(self, reports: _core.Reports | None, done: Sequence[tuple[int]] = ()) -> bool:
        return self._role.settle(reports, done)

    def take_refused(self) -> Mapping[int, int]:
        return self._role.take_refused()

    def _check_keyring(self) -> None:
        """Without any keyring every sealed key would stop its subscription."""
        keys = self._process.database.keyring.load().ids
        with self._process.reading() as connection:
            plain, sealed = resealing.formats(connection)
        if sealed and not keys:
            raise ConfigurationError(
                "integrity keys in this store are sealed: give the keyring that opens them "
                "(keyring, keyring_file)"
            )
        if plain and keys:
            log.warning(
                "%d integrity keys are not sealed: run `webhooksub rotate-keys`",
                plain,
                extra=about("keys_unsealed", keys=plain),
            )
        elif plain:
            log.warning(
                "integrity keys are stored as they are, protected by the mode of %s alone",
                self.name,
                extra=about("keys_plain"),
            )

    # --- subscriptions ---------------------------------------------------------------

    def add_subscription(
        self,
        *,
        keys: Sequence[bytes] = (),
        per_root_max: int = 0,
        creation: CreationKey | None = None,
        **columns: Any,
    ) -> SubscriptionRecord:
        self._have_keyring_for(keys)
        now = self._clock()
        until = now + self._config.idempotency_ms

        def run(transaction: Transaction) -> SubscriptionRecord:
            if creation is not None:
                before = creations.recognise(transaction, creation, now)
                if before is not None:
                    return before
            subscriptions.check_room(transaction, columns["root"], per_root_max)
            added = subscriptions.add(transaction, columns, keys, now)
            if creation is not None:
                creations.remember(transaction.connection, creation, added.id, until)
            return added

        added: SubscriptionRecord = self._process.write(run)
        return added

    def update_subscription(
        self,
        id: bytes,
        changes: Mapping[str, Any],
        *,
        keys: Sequence[bytes] | None = None,
        keys_overlap_ms: int = 0,
        expected_rev: int | None = None,
        per_root_max: int = 0,
    ) -> SubscriptionRecord:
        self._have_keyring_for(keys)
        now = self._clock()
        before = self.subscription(id) if "origin" in changes else None
        changed: SubscriptionRecord = self._process.write(
            lambda t: subscriptions.change(
                t,
                id,
                changes,
                keys=keys,
                keys_overlap_ms=keys_overlap_ms,
                expected_rev=expected_rev,
                per_root_max=per_root_max,
                now=now,
            )
        )
        if before is not None and before.origin_seq != changed.origin_seq:
            left = before.origin_seq or 0
            move = partial(subscriptions.move_waiting, record=changed, left=left, now=now)
            while self._process.write(move):
                self.wake()
        return changed

    def _have_keyring_for(self, keys: Sequence[bytes] | None) -> None:
        """Who fetches it may take his time: not on the writer's thread, which others wait for."""
        if keys:
            self._process.database.keyring.load()

    def set_mark(self, name: str, number: int) -> None:
        def run(transaction: Transaction) -> None:
            transaction.hot.lock(transaction.cursor, [name])
            counters.write_mark(transaction.connection, name, number)

        self._process.write(run)

    def delete_subscription(self, id: bytes, expected_rev: int | None = None) -> SubscriptionRecord:
        now = self._clock()
        deleted: SubscriptionRecord = self._process.write(
            lambda t: subscriptions.delete(t, id, expected_rev, now)
        )
        while self._process.write(lambda t: subscriptions.cancel_waiting(t, deleted, now)):
            pass
        return deleted

    def release_quarantined(self, seqs: Sequence[int]) -> int:
        released: int = self._process.write(lambda t: outbox.release_quarantined(t, seqs))
        self.wake()
        return released

    def rotate_keys(self, progress: Callable[[int, int], None] | None = None) -> RotatedKeys:
        rotation = resealing.Rotation(self._process.database.keyring.load())
        with self._process.reading() as connection:
            total = resealing.count(connection)
        while True:
            with self._process.reading() as connection:
                rows = rotation.next_rows(connection)
            if not rows:
                break
            changed = rotation.seal_anew(rows)
            if changed:
                self._process.write(partial(rotation.write, changed=changed), rows=len(changed))
            if progress is not None:
                progress(rotation.looked_at, max(total, rotation.looked_at))
        self._process.checkpoint_if_nobody_does()
        return rotation.result()

    # --- replay and retention --------------------------------------------------------

    def replay(self, deliveries: Sequence[tuple[int, int]]) -> int:
        now, count = self._clock(), 0
        for start in range(0, len(deliveries), replay.PAGE):
            page = deliveries[start : start + replay.PAGE]
            count += self._process.write(partial(replay.replay, rows=page, now=now))
        self.wake()
        return count

    def replay_range(
        self,
        subscription_seq: int,
        since_ms: int,
        until_ms: int,
        match: Callable[[EventRecord], bool],
    ) -> int:
        now, count = self._clock(), 0
        after: int | None = 0
        while after is not None:
            with self._process.reading() as connection:
                events, after = replay.events_between(
                    connection, subscription_seq, since_ms, until_ms, after, now
                )
            seqs = [event.seq for event in events if match(event)]
            if seqs:
                again = partial(replay.replay_events, seqs=seqs, sub=subscription_seq, now=now)
                count += self._process.write(again)
        self.wake()
        return count

    def prune(
        self, *, older_than_ms: int, progress: Callable[[dict[str, int]], None] | None = None
    ) -> dict[str, int]:
        return self._delete(Pruning(older_than_ms, self._clock()), progress)

    def purge(
        self, root: str, *, progress: Callable[[dict[str, int]], None] | None = None
    ) -> dict[str, int]:
        return self._delete(Purging(root, self._clock()), progress)

    def _delete(
        self, deletion: Deletion, progress: Callable[[dict[str, int]], None] | None
    ) -> dict[str, int]:
        steps = 0
        while self._process.write(deletion.step, rows=ROWS):
            steps += 1
            if progress is not None:
                progress(dict(deletion.deleted))
            if steps % _STEPS_PER_CHECKPOINT == 0:
                self._process.checkpoint_if_nobody_does()
        while self._process.database.may_shrink():
            self._process.writer.between(self._process.database.shrink)
        self._process.checkpoint_if_nobody_does()
        return dict(deletion.deleted)
