"""What a dispatcher does with subscriptions, for whoever may."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from . import _core, trying
from .config import Config
from .errors import ValidationError
from .events import RotatedSecret, SubscriptionInfo, SubscriptionStatus, TestResult
from .feed import SubscriptionFeed
from .handshake import Handshake
from .lifecycle import REMOVED_WITHIN_MS, Lifecycle
from .looking import Looking
from .notebook import Listing
from .paging import Page, Paging
from .requesting import DeliveryRequest, request_of
from .rotation import rotate
from .secret import concealed, hidden
from .store.base import EventRecord, Store
from .subscribing import Expires, Subscriptions


class DispatcherSubscriptions:
    """The subscriptions' part of the dispatcher's face."""

    catalog: _core.Catalog
    config: Config
    dev: bool
    _store: Store
    _subscriptions: Subscriptions
    _looking: Looking
    _paging: Paging
    _handshake: Handshake
    _lifecycle: Lifecycle
    _feed: SubscriptionFeed | None
    _clock: Callable[[], int]

    def subscribe(
        self,
        resource: str | _core.Subscription,
        modification_type: str | None = None,
        notification_url: str | None = None,
        *,
        expires: Expires | None = None,
        actor: Any = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> SubscriptionInfo:
        """Writes a subscription: a value, or its fields by their names.

        `expires` is an aware datetime, a timedelta from now, or RFC 3339 text. Asked again
        with the same `idempotency_key` and content it answers the same subscription. Raises
        ValidationError with every mistake, NotFound where `actor` may not subscribe, Conflict
        (idempotency key), LimitReached.
        """
        fields = concealed(fields)
        self._check_usable()
        if isinstance(resource, _core.Subscription):
            subscription = resource
        else:
            subscription = self._subscriptions.build(
                resource=resource,
                modification_type=modification_type,
                notification_url=notification_url,
                expires=expires,
                **fields,
            )
        return self._applied(self._subscriptions.create(subscription, actor, idempotency_key))

    def parse(
        self, text: str | bytes, *, replaces: str | None = None, actor: Any = None
    ) -> _core.Subscription:
        """A checked value from a JSON document, by this dispatcher's catalog and rules.

        `replaces`: id of the subscription whose read-only fields the document may repeat.
        """
        text = hidden(text)
        current = None if replaces is None else self._subscriptions.get(replaces, actor)
        return self._subscriptions.parse(text, current)

    def update(
        self,
        id_: str,
        subscription: _core.Subscription | None = None,
        *,
        actor: Any = None,
        revision: int | None = None,
        **changes: Any,
    ) -> SubscriptionInfo:
        """Another value in its place, or some of its fields changed.

        `revision`: of the info it was read with; raises Conflict when it has changed since.
        """
        changes = concealed(changes)
        self._check_usable()
        if subscription is not None:
            info = self._subscriptions.replace(id_, subscription, actor, revision)
        else:
            info = self._subscriptions.change(id_, actor, revision=revision, **changes)
        return self._applied(info)

    def pause(
        self, id_: str, *, actor: Any = None, revision: int | None = None
    ) -> SubscriptionInfo:
        """Events from now on are not matched, waiting deliveries wait. Raises NotFound."""
        return self._set_status(id_, actor, SubscriptionStatus.PAUSED, revision)

    def resume(
        self, id_: str, *, actor: Any = None, revision: int | None = None
    ) -> SubscriptionInfo:
        """Makes it active again, also after it was disabled. Raises NotFound."""
        return self._set_status(id_, actor, SubscriptionStatus.ACTIVE, revision)

    def renew(self, id_: str, expires: Expires, *, actor: Any = None) -> SubscriptionInfo:
        """Another expiration date. Raises ValidationError, NotFound."""
        return self.update(id_, actor=actor, expires=expires)

    def rotate_secret(
        self,
        id_: str,
        *,
        actor: Any = None,
        integrity_key: str | None = None,
        overlap: timedelta | None = None,
        revision: int | None = None,
    ) -> RotatedSecret:
        """Another key; None: one is made. The old one signs beside it for `overlap`.

        Raises ValidationError, NotFound, Conflict, LimitReached (too many in force).
        """
        integrity_key = hidden(integrity_key)
        self._check_usable()
        if overlap is None:
            overlap = timedelta(milliseconds=self.config.subscriptions.secret_overlap_ms)
        rotated = rotate(
            self._store,
            self._subscriptions,
            id_,
            actor,
            integrity_key=integrity_key,
            overlap=overlap,
            revision=revision,
        )
        self._applied(rotated.subscription)
        return rotated

    def unsubscribe(self, id_: str, *, actor: Any = None, revision: int | None = None) -> None:
        """Ends it: nothing starts for it more than a second later. Raises NotFound."""
        self._check_usable()
        ended = self._subscriptions.delete(id_, actor, revision)
        self._lifecycle.put("removed", ended, {}, within_ms=REMOVED_WITHIN_MS)
        if self._feed is not None:
            self._feed.catch_up()

    def subscription(self, id_: str, *, actor: Any = None) -> SubscriptionInfo:
        """One subscription. Raises NotFound."""
        return self._subscriptions.get(id_, actor)

    def subscriptions(self, *, actor: Any = None, **filters: Any) -> Listing[SubscriptionInfo]:
        """Those that `actor` may see; by resource, status, owner, brand_code, after, limit."""
        return self._subscriptions.list(actor, **filters)

    def subscription_page(self, *, actor: Any = None, **filters: Any) -> Page[SubscriptionInfo]:
        """Those that `actor` may see; by root, resource, status, owner, brand_code, cursor,
        limit."""
        return self._paging.subscriptions(actor, **filters)

    def send_test(
        self,
        url_or_subscription_id: str,
        *,
        actor: Any = None,
        integrity_key: str | None = None,
        message_id: str | None = None,
    ) -> TestResult:
        """POSTs a test notification (``data: {"test": true}``), which is no event, and waits.

        A subscription's is signed with its key, a URL's with `integrity_key` where one is given;
        `actor` must be one that may change the subscription. A URL has no owner to ask for: let
        only those send to one who may subscribe anywhere. `message_id`: of a result, to send the
        same again. Works without :meth:`start`. Raises ValidationError, NotFound,
        ConfigurationError, Closed.
        """
        self._check_usable()
        target = url_or_subscription_id
        if "://" in target:
            keys = () if integrity_key is None else (_core.decode_key(integrity_key),)
            url = _core.check_url(target, dev=self.dev, ports=self.config.http.ports)
            recipient = trying.Recipient(url, keys=keys)
        elif integrity_key is not None:
            raise ValidationError.of("integrityKey", "conflict", "a subscription has its own")
        else:
            recipient = self._subscriptions.recipient(target, actor)
        with self._asking_engine() as engine:
            headers = self._handshake.headers
            signing, now = self.config.signing, self._clock()
            return trying.send(engine, recipient, signing, now, headers, message_id)

    def request(self, event: str, subscription: str, *, actor: Any = None) -> DeliveryRequest:
        """The POST that repeats one delivery alone, signed now; it is not sent.

        `actor` must be one that may change the subscription. Raises NotFound, also where it
        does not cover the event, ValidationError where it has no URL.
        """
        recipient = self._subscriptions.recipient(subscription, actor)
        stored = self._looking.event(event, actor)
        return request_of(
            self.catalog,
            stored,
            recipient,
            self.config.signing,
            self._clock(),
            (*self._handshake.headers, *self._trace(stored, recipient)),
        )

    def _trace(self, event: EventRecord, recipient: trying.Recipient) -> list[tuple[str, str]]:
        """As the engine sends it: not of a batch."""
        value = recipient.subscription
        if not self.config.http.traceparent or (value is not None and "batch" in value.delivery):
            return []
        return [("traceparent", _core.traceparent(event.id))]

    def _set_status(
        self, id_: str, actor: Any, status: SubscriptionStatus, revision: int | None
    ) -> SubscriptionInfo:
        self._check_usable()
        changed = self._subscriptions.set_status(id_, actor, status, revision=revision)
        return self._applied(changed)

    def _applied(self, info: SubscriptionInfo) -> SubscriptionInfo:
        """Makes a change count at once in this process; what is pending is asked first."""
        if info.status is SubscriptionStatus.PENDING and self._handshake.wanted:
            with self._asking_engine() as engine:
                info = self._subscriptions.agree(info, engine)
        if self._feed is not None:
            self._feed.catch_up()
        return info

    def _check_usable(self) -> None:
        raise NotImplementedError

    def _asking_engine(self) -> AbstractContextManager[_core.Engine]:
        raise NotImplementedError
