"""Who may change which subscriptions, and what such a change writes.

Every operation asks the authorizer first. What an actor may not see answers
:class:`NotFound`, in the same words as an id that does not exist.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from . import _core
from .authorizer import All, Authorizer, Operation, format_root, parse_root
from .errors import (
    ConfigurationError,
    Conflict,
    KeyUnreadable,
    NotFound,
    UnknownResource,
    ValidationError,
)
from .events import (
    Action,
    SubscriptionInfo,
    SubscriptionStatus,
    format_moment,
    from_ms,
    public_reason,
)
from .feed import restore
from .handshake import WAITING, Handshake, keep_allowed, split_allowed
from .notebook import Listing
from .store.base import CreationKey, Store, SubscriptionRecord
from .trying import Recipient

Expires = datetime | timedelta | str
_CHANNELS = {"HTTP": 1, "SOCKET": 2}
#: Before the owner's name: where a socket's events go.
SOCKET_ORIGIN = "socket:"


class Subscriptions:
    """The subscriptions of one store, as actors may see and change them."""

    def __init__(
        self,
        store: Store,
        catalog: _core.Catalog,
        authorizer: Authorizer,
        clock: Callable[[], int],
        rules: Mapping[str, Any],
        handshake: Handshake,
        per_root_max: int = 0,
    ) -> None:
        self._store, self._catalog, self._authorizer = store, catalog, authorizer
        self._clock, self._rules = clock, dict(rules)
        self._handshake, self._per_root_max = handshake, per_root_max

    def build(self, **fields: Any) -> _core.Subscription:
        """A checked value. Raises ValidationError with every mistake at once."""
        if "expires" in fields:
            fields["expires"] = self._moment(fields["expires"])
        return _core.Subscription(
            **fields, catalog=self._catalog, now=from_ms(self._clock()), **self._rules
        )

    def parse(
        self, text: str | bytes, current: SubscriptionInfo | None = None
    ) -> _core.Subscription:
        """A checked value from its JSON document; `current` is what it replaces."""
        return _core.Subscription.from_json(
            text,
            catalog=self._catalog,
            now=from_ms(self._clock()),
            current=None if current is None else server_made(current),
            **self._rules,
        )

    def create(
        self, subscription: _core.Subscription, actor: Any, idempotency_key: str | None = None
    ) -> SubscriptionInfo:
        """Writes a new one; with a key that was used before, answers what that wrote.

        Raises NotFound where the actor may not subscribe, Conflict, LimitReached.
        """
        self._permit(actor, subscription.root, "create")
        key, owner = subscription._key(), self._authorizer.owner_id(actor)
        creation = None
        if idempotency_key is not None:
            # Without the integrity key: no digest of a secret is kept.
            said = hashlib.sha256(subscription.to_json().encode()).digest()
            creation = CreationKey(owner, idempotency_key, said)
        record = self._store.add_subscription(
            id=_core.uuid7(self._clock()),
            owner=owner,
            **self._first_status(asked_url(subscription)),
            keys=() if key is None else (key,),
            per_root_max=self._per_root_max,
            creation=creation,
            **columns(subscription, owner),
        )
        if record.keys[:1] != (() if key is None else (key,)):
            raise Conflict("this idempotency key was used with another integrityKey")
        return self.info(record, subscription.warnings)

    def get(self, id_: str, actor: Any, operation: Operation = "read") -> SubscriptionInfo:
        """One of them. Raises NotFound."""
        return self.info(self._record(id_, actor, operation))

    def list(
        self,
        actor: Any,
        *,
        resource: str | None = None,
        status: str | None = None,
        owner: str | None = None,
        brand_code: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> Listing[SubscriptionInfo]:
        """Those under roots that the actor may see, oldest first, after a `seq`."""
        filters = self.filters(
            actor, resource=resource, status=status, owner=owner, brand_code=brand_code
        )
        records = self._store.subscriptions(**filters, after=after, limit=limit)
        return Listing(SubscriptionInfo, map(self.info, records))

    def filters(self, actor: Any, *, status: str | None = None, **equal: Any) -> dict[str, Any]:
        """A list's conditions, as the store takes them, within what the actor may see.

        Whether one is expired is a matter of its date, and not of what is stored.
        """
        found: dict[str, Any] = {"roots": self.visible_roots(actor), **equal}
        if status is None:
            return found
        wanted = parse_status(status)
        if wanted is SubscriptionStatus.EXPIRED:
            found |= {"status": int(SubscriptionStatus.ACTIVE), "expires_by": self._clock()}
        else:
            found["status"] = int(wanted)
            if wanted is SubscriptionStatus.ACTIVE:
                found["expires_after"] = self._clock()
        return found

    def replace(
        self, id_: str, subscription: _core.Subscription, actor: Any, revision: int | None = None
    ) -> SubscriptionInfo:
        """Writes another value in its place; an absent key keeps the old one."""
        record = self._record(id_, actor, "update")
        if subscription.root != record.root:
            self._permit(actor, subscription.root, "create")
        keys = None
        if subscription.key_change != "absent":
            key = subscription._key()
            keys = () if key is None else (key,)
        changes = self._changes(record, subscription)
        changed = self._store.update_subscription(
            record.id,
            changes,
            keys=keys,
            expected_rev=revision,
            per_root_max=self._per_root_max,
        )
        return self.info(changed, subscription.warnings)

    def change(
        self, id_: str, actor: Any, *, revision: int | None = None, **changes: Any
    ) -> SubscriptionInfo:
        """Some fields changed, by the names of :class:`Subscription`'s constructor."""
        record = self._record(id_, actor, "update")
        if "expires" in changes:
            changes["expires"] = self._moment(changes["expires"])
        rules = {"catalog": self._catalog, "now": from_ms(self._clock()), **self._rules}
        value = self._restored(record).replace(**changes, **rules)
        keys = None
        if "integrity_key" in changes:
            key = value._key()
            keys = () if key is None else (key,)
        changed = self._store.update_subscription(
            record.id, self._changes(record, value), keys=keys, expected_rev=revision
        )
        return self.info(changed, value.warnings)

    def set_status(
        self,
        id_: str,
        actor: Any,
        status: SubscriptionStatus,
        reason: str | None = None,
        revision: int | None = None,
    ) -> SubscriptionInfo:
        """Pauses, resumes or disables. What is not active is not matched."""
        record = self._record(id_, actor, "update")
        changes: dict[str, Any] = {"status": int(status), "status_reason": reason}
        if status is SubscriptionStatus.ACTIVE:
            changes["failing_since"] = None
            changes |= self._first_status(asked_url(self._restored(record)))
        changed = self._store.update_subscription(record.id, changes, expected_rev=revision)
        return self.info(changed)

    def agree(self, info: SubscriptionInfo, engine: _core.Engine) -> SubscriptionInfo:
        """Asks the URL of one that is pending, and makes it active when that agrees.

        One that was changed meanwhile stays as it is: its own change asks.
        """
        value = info.subscription
        url = None if value is None else asked_url(value)
        if value is None or url is None:
            return info
        said = self._handshake.ask(engine, url)
        status = SubscriptionStatus.PENDING if said.refusal else SubscriptionStatus.ACTIVE
        changes = {
            "status": int(status),
            "status_reason": said.refusal,
            "options": keep_allowed(columns(value, info.owner)["options"], said.per_minute),
        }
        id_ = _core.uuid_bytes(info.id)
        try:
            record = self._store.update_subscription(id_, changes, expected_rev=info.revision)
        except (Conflict, NotFound):
            return info
        return self.info(record, info.warnings)

    def _first_status(self, url: str | None) -> dict[str, Any]:
        """Of one that is to be active as soon as its URL agrees."""
        if self._handshake.wanted and url is not None:
            return {"status": int(SubscriptionStatus.PENDING), "status_reason": WAITING}
        return {"status": int(SubscriptionStatus.ACTIVE), "status_reason": None}

    def _changes(self, record: SubscriptionRecord, value: _core.Subscription) -> dict[str, Any]:
        """Columns of another value. What its URL allows holds as long as that is the same."""
        changes = columns(value, record.owner) | self._changed_status(record, value)
        if record.url == value.notification_url:
            per_minute = split_allowed(record.options)[1]
            changes["options"] = keep_allowed(changes["options"], per_minute)
        return changes

    def _changed_status(
        self, record: SubscriptionRecord, value: _core.Subscription
    ) -> dict[str, Any]:
        """Another URL has to agree anew. One that is paused or disabled is asked at resume."""
        url, status = asked_url(value), record.status
        if status == SubscriptionStatus.PENDING and url is None:
            return self._first_status(None)
        same = record.url == value.notification_url and record.channel == channel_of(value)
        if same or status != SubscriptionStatus.ACTIVE:
            return {}
        return self._first_status(url)

    def delete(self, id_: str, actor: Any, revision: int | None = None) -> SubscriptionRecord:
        """Ends it: nothing starts for it any more. Answers what it was. Raises NotFound,
        Conflict."""
        record = self._record(id_, actor, "delete")
        self._store.delete_subscription(record.id, revision)
        return record

    def record(self, id_: str, actor: Any, operation: Operation = "read") -> SubscriptionRecord:
        """The stored row of one with which the actor may do that. Raises NotFound."""
        return self._record(id_, actor, operation)

    def recipient(self, id_: str, actor: Any) -> Recipient:
        """For a test notification. Raises NotFound, KeyUnreadable, ValidationError when it has
        no URL."""
        record = self._record(id_, actor, "update")
        value = restore(record, self._catalog)
        url = asked_url(value)
        if url is None:
            raise ValidationError.of("notificationUrl", "required", "it has none to send to")
        return Recipient(url, value, _core.uuid_text(record.id), tuple(record.keys))

    def visible_roots(self, actor: Any) -> Sequence[str] | None:
        """Roots that the actor may list, as text; None is all."""
        roots = self._authorizer.roots(actor)
        if isinstance(roots, All):
            return None
        return [format_root(root) for root in roots]

    def info(self, record: SubscriptionRecord, warnings: tuple[str, ...] = ()) -> SubscriptionInfo:
        """The stored row as callers see it: never its key."""
        status = SubscriptionStatus(record.status)
        if status is SubscriptionStatus.ACTIVE and record.expires_at <= self._clock():
            status = SubscriptionStatus.EXPIRED
        try:
            subscription = self._value(record)
        except (UnknownResource, ValidationError, ConfigurationError):
            subscription, status = None, SubscriptionStatus.INVALID
        return SubscriptionInfo(
            _core.uuid_text(record.id),
            record.owner,
            status,
            record.status_reason,
            from_ms(record.created_at),
            from_ms(record.updated_at),
            subscription,
            record.resource,
            record.rev,
            bool(record.keys),
            warnings,
            split_allowed(record.options)[1],
        )

    def _record(self, id_: str, actor: Any, operation: Operation) -> SubscriptionRecord:
        try:
            record = self._store.subscription(_core.uuid_bytes(id_))
        except ValueError:
            record = None
        if record is None or record.deleted_at is not None:
            raise _not_found()
        self._permit(actor, record.root, operation)
        return record

    def _restored(self, record: SubscriptionRecord) -> _core.Subscription:
        """Raises ValidationError where the catalog of today does not know its resource."""
        try:
            return self._value(record)
        except (UnknownResource, ConfigurationError) as error:
            raise ValidationError.of("resource", "unknown", str(error)) from None

    def _value(self, record: SubscriptionRecord) -> _core.Subscription:
        """Without a key that cannot be opened: who looks, or changes the rest, needs none."""
        try:
            return restore(record, self._catalog)
        except KeyUnreadable:
            return restore(replace(record, keys=()), self._catalog)

    def _permit(self, actor: Any, root: str, operation: Operation) -> None:
        if not self._authorizer.allows(actor, parse_root(root), operation):
            raise _not_found()

    def _moment(self, expires: Expires) -> datetime | str:
        if isinstance(expires, timedelta):
            return from_ms(self._clock()) + expires
        return expires


def server_made(info: SubscriptionInfo) -> dict[str, Any]:
    """The read-only fields of a document, by their JSON names."""
    reason = {}
    if info.status_reason is not None:
        reason = {"statusReason": public_reason(info.status_reason)}
    return {
        "id": info.id,
        "owner": info.owner,
        "status": info.status.name.lower(),
        **reason,
        "createdAt": format_moment(info.created_at),
        "updatedAt": format_moment(info.updated_at),
        "hasIntegrityKey": info.has_integrity_key,
    }


def channel_of(subscription: _core.Subscription) -> int:
    """Its connectionType, as it is stored."""
    return _CHANNELS[subscription.connection_type]


def asked_url(subscription: _core.Subscription) -> str | None:
    """The URL that it is POSTed to; None for a socket's, which may name one all the same."""
    is_socket = subscription.connection_type == "SOCKET"
    return None if is_socket else subscription.notification_url


def columns(subscription: _core.Subscription, owner: str) -> dict[str, Any]:
    """The stored columns of a value, without its key."""
    is_socket = subscription.connection_type == "SOCKET"
    return {
        "root": subscription.root,
        "resource": subscription.resource,
        "action": int(Action[subscription.modification_type.upper()]),
        "channel": channel_of(subscription),
        "url": subscription.notification_url,
        "socket_event": subscription.notification_messages,
        "expires_at": subscription.expires_at_ms,
        "expires_text": subscription.expires_text,
        "brand_code": subscription.brand_code,
        "max_retries": subscription.max_retries,
        "options": json.dumps(subscription.delivery, separators=(",", ":")),
        "origin": SOCKET_ORIGIN + owner if is_socket else subscription.origin,
    }


def parse_status(text: str) -> SubscriptionStatus:
    """Raises ValidationError."""
    try:
        return SubscriptionStatus[text.upper()]
    except KeyError:
        words = ", ".join(s.name.lower() for s in SubscriptionStatus)
        raise ValidationError.of("status", "enum", f"must be one of {words}") from None


def _not_found() -> NotFound:
    return NotFound("no such subscription")
