"""Subscriptions in memory, with revisions and tombstones like those of a database."""

import threading
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from .. import _core
from ..config import StoreConfig
from ..errors import Conflict, LimitReached, NotFound
from ..events import DeliveryState, Outcome, SubscriptionStatus
from .base import (
    TOO_MANY_KEYS,
    CreationKey,
    SubscriptionRecord,
    check_changeable,
    root_is_full,
)
from .holds import Key
from .memory_waiting import Row, Waiting

_FOR_EVER = 1 << 62


class MemorySubscriptions:
    """The subscriptions' part of the store's face."""

    def __init__(self, clock: Callable[[], int], config: StoreConfig) -> None:
        self._clock, self._idempotency_ms = clock, config.idempotency_ms
        self._marks: dict[str, int] = {}
        self._creations: dict[tuple[str, str], tuple[bytes, bytes, int]] = {}
        self._lock = threading.RLock()
        self._waiting = Waiting(config.waiting_per_subscription_max)
        self._revision = 0
        self._subscriptions: dict[int, SubscriptionRecord] = {}
        self._living_of: Counter[str] = Counter()  # by root
        self._by_id: dict[bytes, int] = {}
        self._history: list[tuple[int, int]] = []  # (rev, seq) of every change
        self._origins: dict[str, int] = {}
        self._keys_of: dict[int, list[tuple[bytes, int]]] = {}  # (key, not after)

    def _keep(
        self, rows: Sequence[Row], attempts: Sequence[Row] = (), dead: Sequence[Key] = ()
    ) -> None:
        """What became of deliveries, for looking."""
        raise NotImplementedError

    def add_subscription(
        self,
        *,
        keys: Sequence[bytes] = (),
        status_reason: str | None = None,
        per_root_max: int = 0,
        creation: CreationKey | None = None,
        **columns: Any,
    ) -> SubscriptionRecord:
        with self._lock:
            before = None if creation is None else self._recognise_creation(creation)
            if before is not None:
                return before
            self._check_room(columns["root"], per_root_max)
            if columns["id"] in self._by_id:
                raise Conflict("a subscription with this id is there already")
            now, revision = self._clock(), self._bump()
            seq = len(self._subscriptions) + 1
            record = SubscriptionRecord(
                seq=seq,
                status_reason=status_reason,
                failing_since=None,
                created_at=now,
                updated_at=now,
                created_rev=revision,
                rev=revision,
                deleted_at=None,
                origin_seq=self._origin_seq(columns["origin"]),
                keys=(),
                **columns,
            )
            self._by_id[record.id] = seq
            self._turn_keys(seq, keys, 0)
            if creation is not None:
                self._remember_creation(creation, record.id, now)
            return self._put(record)

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
        check_changeable(changes)
        with self._lock:
            record = self._living(id, expected_rev)
            if changes.get("root", record.root) != record.root:
                self._check_room(changes["root"], per_root_max)
            values = dict(changes)
            if "origin" in values:
                values["origin_seq"] = self._origin_seq(values["origin"])
                self._waiting.move(record.seq, values["origin_seq"] or 0, self._clock())
            if keys is not None:
                self._turn_keys(record.seq, keys, keys_overlap_ms)
            record = replace(record, **values, updated_at=self._clock(), rev=self._bump())
            if record.status == SubscriptionStatus.ACTIVE:
                self._waiting.unpark(record.seq)
            return self._put(record)

    def delete_subscription(self, id: bytes, expected_rev: int | None = None) -> SubscriptionRecord:
        with self._lock:
            record, now = self._living(id, expected_rev), self._clock()
            record = replace(record, deleted_at=now, updated_at=now, rev=self._bump())
            self._turn_keys(record.seq, (), 0)
            cancelled = DeliveryState.CANCELLED, Outcome.CANCELLED
            keys = self._waiting.of_subscription(record.seq)
            self._keep([self._waiting.end(key, *cancelled, now) for key in keys])
            return self._put(record)

    def subscription(self, id: bytes) -> SubscriptionRecord | None:
        with self._lock:
            seq = self._by_id.get(id)
            return None if seq is None else self._with_keys(self._subscriptions[seq])

    def subscriptions(
        self,
        *,
        roots: Sequence[str] | None,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
        **wanted: Any,
    ) -> list[SubscriptionRecord]:
        with self._lock:
            found = self._wanted(roots, **wanted)
            if before is None:
                page = list(islice((r for r in found if r.seq > after), limit))
            else:
                page = list(deque((r for r in found if r.seq < before), maxlen=limit))
            return [self._with_keys(record) for record in page]

    def count_subscriptions(self, *, roots: Sequence[str] | None, **wanted: Any) -> int:
        with self._lock:
            return sum(1 for _ in self._wanted(roots, **wanted))

    def _wanted(
        self,
        roots: Sequence[str] | None,
        *,
        resource: str | None = None,
        status: int | None = None,
        owner: str | None = None,
        brand_code: str | None = None,
        expires_after: int | None = None,
        expires_by: int | None = None,
    ) -> Iterator[SubscriptionRecord]:
        given = {"resource": resource, "status": status, "owner": owner, "brand_code": brand_code}
        wanted = [(name, value) for name, value in given.items() if value is not None]
        return (
            record
            for record in self._subscriptions.values()
            if record.deleted_at is None
            and (roots is None or record.root in roots)
            and (expires_after is None or record.expires_at > expires_after)
            and (expires_by is None or record.expires_at <= expires_by)
            and all(getattr(record, name) == value for name, value in wanted)
        )

    def subscription_ids(self, seqs: Sequence[int]) -> dict[int, bytes]:
        known = self._subscriptions
        return {seq: known[seq].id for seq in seqs if seq in known}

    def numbered(self, seqs: Sequence[int]) -> list[SubscriptionRecord]:
        with self._lock:
            known = self._subscriptions
            return [self._with_keys(known[seq]) for seq in seqs if seq in known]

    def mark(self, name: str) -> int:
        return self._marks.get(name, 0)

    def set_mark(self, name: str, number: int) -> None:
        self._marks[name] = number

    def revision(self) -> int:
        return self._revision

    def changes(self, since: int) -> tuple[int, list[SubscriptionRecord]]:
        with self._lock:
            later = self._history[bisect_right(self._history, (since, _FOR_EVER)) :]
            seqs = [s for rev, s in later if self._subscriptions[s].rev == rev]
            return self._revision, [self._with_keys(self._subscriptions[seq]) for seq in seqs]

    # --- inside ----------------------------------------------------------------------

    def _apply_change(self, seq: int, word: str, outcome: int, now: int) -> None:
        """What attempts did to a subscription: "failing", "recovered" or "disabled"."""
        record = self._subscriptions[seq]
        if word == "failing":
            record = replace(record, failing_since=record.failing_since or now)
        elif word == "recovered":
            record = replace(record, failing_since=None)
        elif record.status == SubscriptionStatus.ACTIVE and record.deleted_at is None:
            reason = Outcome(outcome).name.lower()
            disabled = int(SubscriptionStatus.DISABLED)
            record = replace(
                record, status=disabled, status_reason=reason, updated_at=now, rev=self._bump()
            )
            self._history.append((record.rev, seq))
        self._subscriptions[seq] = record

    def _put(self, record: SubscriptionRecord) -> SubscriptionRecord:
        for known, step in ((self._subscriptions.get(record.seq), -1), (record, 1)):
            if known is not None and known.deleted_at is None:
                self._living_of[known.root] += step
        self._subscriptions[record.seq] = record
        self._history.append((record.rev, record.seq))
        return self._with_keys(record)

    def _turn_keys(self, seq: int, keys: Sequence[bytes], overlap_ms: int) -> None:
        """The new keys, and for a while the old ones behind them."""
        until = self._clock() + overlap_ms
        now = self._clock()
        old = self._keys_of.get(seq, ()) if keys and overlap_ms else ()
        kept = [(key, min(until, end)) for key, end in old if end > now]
        if len(keys) + len(kept) > _core.KEYS_MAX:
            raise LimitReached(TOO_MANY_KEYS)
        self._keys_of[seq] = [*((key, _FOR_EVER) for key in keys), *kept]

    def _with_keys(self, record: SubscriptionRecord) -> SubscriptionRecord:
        now = self._clock()
        live = [(key, end) for key, end in self._keys_of[record.seq] if end > now]
        until = min((end for _, end in live if end < _FOR_EVER), default=None)
        return replace(record, keys=tuple(key for key, _ in live), keys_until=until)

    def _living(self, id_: bytes, expected_rev: int | None = None) -> SubscriptionRecord:
        record = self.subscription(id_)
        if record is None or record.deleted_at is not None:
            raise NotFound("no such subscription")
        if expected_rev is not None and expected_rev != record.rev:
            raise Conflict("the subscription was changed since it was read")
        return record

    def _check_room(self, root: str, most: int) -> None:
        if most and self._living_of[root] >= most:
            raise LimitReached(root_is_full(most))

    # --- asked for twice -------------------------------------------------------------

    def _recognise_creation(self, creation: CreationKey) -> SubscriptionRecord | None:
        known = self._creations.get((creation.owner, creation.key))
        if known is None or known[2] <= self._clock():
            return None
        id_, fingerprint, _ = known
        if fingerprint != creation.fingerprint:
            raise Conflict("this idempotency key was used for another subscription")
        try:
            return self._living(id_)
        except NotFound:
            raise Conflict(
                "this idempotency key was used for a subscription that has ended"
            ) from None

    def _remember_creation(self, creation: CreationKey, id_: bytes, now: int) -> None:
        """The oldest first, so that those that ended are forgotten from the front."""
        while self._creations and (first := next(iter(self._creations))):
            if self._creations[first][2] > now:
                break
            del self._creations[first]
        self._creations.pop((creation.owner, creation.key), None)
        until = now + self._idempotency_ms
        self._creations[creation.owner, creation.key] = (id_, creation.fingerprint, until)

    def _bump(self) -> int:
        self._revision += 1
        return self._revision

    def _origin_seq(self, name: str | None) -> int | None:
        return None if name is None else self._origins.setdefault(name, len(self._origins) + 1)
