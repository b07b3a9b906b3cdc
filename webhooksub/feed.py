"""The engine's subscriptions, kept at the store's revision."""

import contextlib
import heapq
import logging
import threading
from collections.abc import Callable, Sequence

from . import _core
from .errors import (
    ConfigurationError,
    Conflict,
    KeyUnreadable,
    NotFound,
    UnknownResource,
    ValidationError,
)
from .events import OperatorEvent, SubscriptionStatus
from .handshake import limit, split_allowed
from .logs import about
from .store.base import Store, SubscriptionRecord

log = logging.getLogger("webhooksub")

#: Why a subscription is invalid whose key cannot be opened. It is active again as soon as it can.
UNREADABLE = "its integrityKey cannot be read; set another one"


class SubscriptionFeed:
    """Keeps the engine's matcher at the store's revision. Any thread."""

    def __init__(
        self,
        store: Store,
        engine: _core.Engine,
        catalog: _core.Catalog,
        clock: Callable[[], int],
        tell: Callable[[OperatorEvent], None],
    ) -> None:
        self._store, self._engine, self._catalog, self._clock = store, engine, catalog, clock
        self._tell = tell
        self._told: set[int] = set()  # of which it was told that their key does not open
        self._revived: set[int] = set()
        self._lock = threading.Lock()
        self._expiries: list[tuple[int, int, int]] = []
        self._revisions: dict[int, int] = {}
        self._owners: dict[int, tuple[str, str]] = {}
        self._key_ends: list[tuple[int, int, int, bytes]] = []  # of keys that were rotated
        self._revision = 0

    def catch_up(self, at_least: int | None = None) -> None:
        """Applies every change up to now; at once when `at_least` is reached already."""
        if at_least is not None and at_least <= self._revision:
            return
        if at_least is None and self._store.revision() == self._revision:
            return
        with self._lock:
            revision, records = self._store.changes(self._revision)
            wrong = [(r, why) for r in records if (why := self._apply(r)) is not None]
            stopped = [r for r in records if _is_stopped_for_its_key(r)]
            self._revision = max(self._revision, revision)
        self._invalidate(wrong)
        for record in stopped:
            self._try_again(record)

    def expire(self) -> None:
        """Takes those out of the matcher whose expirationDateTime has come."""
        now = self._clock()
        with self._lock:
            while self._expiries and self._expiries[0][0] <= now:
                _, seq, rev = heapq.heappop(self._expiries)
                if self._revisions.get(seq) == rev:
                    self._remove(seq, spill=True)

    def end_keys(self) -> None:
        """Takes keys from those to sign with whose time has come."""
        now = self._clock()
        wrong: list[tuple[SubscriptionRecord, Exception]] = []
        with self._lock:
            while self._key_ends and self._key_ends[0][0] <= now:
                _, seq, rev, id_ = self._key_ends[0]
                record = self._store.subscription(id_) if self._revisions.get(seq) == rev else None
                if record is not None and record.rev == rev and (why := self._apply(record)):
                    wrong.append((record, why))
                heapq.heappop(self._key_ends)
        self._invalidate(wrong)

    def owners(self) -> set[tuple[str, str]]:
        """(owner, root) of every live subscription."""
        with self._lock:
            return set(self._owners.values())

    def _apply(self, record: SubscriptionRecord) -> Exception | None:
        """Answers why, when the catalog of today does not know its resource, or its key cannot
        be opened: unsigned nothing is sent that was to be signed."""
        live = record.status == SubscriptionStatus.ACTIVE and record.deleted_at is None
        if not live or record.expires_at <= self._clock():
            self._remove(record.seq, spill=record.deleted_at is None)
            return None
        try:
            subscription = restore(record, self._catalog, limit(record.options))
            keys = tuple(record.keys)
        except (UnknownResource, ValidationError, ConfigurationError, KeyUnreadable) as error:
            self._remove(record.seq, spill=True)
            return error
        self._engine.put_subscription(
            record.seq,
            record.id,
            record.origin_seq or 0,
            record.created_rev,
            subscription,
            keys,
            record.failing_since,
            record.origin,
        )
        self._revisions[record.seq] = record.rev
        self._owners[record.seq] = (record.owner, record.root)
        heapq.heappush(self._expiries, (record.expires_at, record.seq, record.rev))
        if record.keys_until is not None:
            ends = (record.keys_until, record.seq, record.rev, record.id)
            heapq.heappush(self._key_ends, ends)
        return None

    def _invalidate(self, wrong: Sequence[tuple[SubscriptionRecord, Exception]]) -> None:
        """Without the lock: the writer's thread may be waiting for it."""
        for record, why in wrong:
            reason = str(why)
            if isinstance(why, KeyUnreadable):
                self._tell_unreadable(record, why)
                reason = UNREADABLE
            else:
                id_ = _core.uuid_text(record.id)
                facts = about("subscription_invalid", subscription_id=id_, reason=reason)
                log.error("subscription %s is invalid: %s", id_, why, extra=facts)
            self._set_status(record, SubscriptionStatus.INVALID, reason)

    def _try_again(self, record: SubscriptionRecord) -> None:
        """One that was stopped for its key is active again where that opens: the keyring is
        another one, or the key is. Once in the life of a dispatcher: another one, with another
        keyring, may stop it again and again."""
        try:
            tuple(record.keys)
        except KeyUnreadable as error:
            self._tell_unreadable(record, error)
            return
        if record.seq not in self._revived:
            self._revived.add(record.seq)
            id_ = _core.uuid_text(record.id)
            facts = about("key_opens_again", subscription_id=id_)
            log.warning("the key of subscription %s opens again", id_, extra=facts)
            self._set_status(record, SubscriptionStatus.ACTIVE, None)

    def _tell_unreadable(self, record: SubscriptionRecord, why: KeyUnreadable) -> None:
        """Once in the life of a dispatcher."""
        if record.seq not in self._told:
            self._told.add(record.seq)
            facts = {"subscription_id": _core.uuid_text(record.id), "root": record.root}
            self._tell(OperatorEvent("key_unreadable", f"nothing is delivered: {why}", facts))

    def _set_status(
        self, record: SubscriptionRecord, status: SubscriptionStatus, reason: str | None
    ) -> None:
        """Unless it was changed meanwhile: then it is looked at anew."""
        changes = {"status": int(status), "status_reason": reason}
        with contextlib.suppress(Conflict, NotFound):
            self._store.update_subscription(record.id, changes, expected_rev=record.rev)

    def _remove(self, seq: int, *, spill: bool) -> None:
        self._revisions.pop(seq, None)
        self._owners.pop(seq, None)
        self._engine.remove_subscription(seq, spill=spill)


def _is_stopped_for_its_key(record: SubscriptionRecord) -> bool:
    stopped = record.status == SubscriptionStatus.INVALID and record.deleted_at is None
    return stopped and record.status_reason == UNREADABLE


def restore(
    record: SubscriptionRecord, catalog: _core.Catalog, options: str | None = None
) -> _core.Subscription:
    """The value that a stored row holds, as its owner wrote it, or with other options.

    Raises UnknownResource under another catalog, KeyUnreadable.
    """
    return _core.Subscription._restore(
        (
            record.resource,
            record.action,
            record.channel,
            record.url,
            record.socket_event,
            record.expires_text,
            record.brand_code,
            record.max_retries,
            split_allowed(record.options)[0] if options is None else options,
            record.keys[0] if record.keys else None,
        ),
        catalog,
    )
