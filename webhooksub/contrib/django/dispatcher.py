"""The service's Dispatcher, as ``settings.WEBHOOKSUB`` describes it.

Events are written with the connection that Django has in this thread: inside
``transaction.atomic()`` they become real, or never were, with everything else in it, also
where a SAVEPOINT is rolled back. Subscriptions are written by a connection of their own.
"""

import threading
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, cast

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.db import close_old_connections, transaction

from ... import (
    ALL,
    Authorizer,
    ConfigurationError,
    Dispatcher,
    Event,
    FlushResult,
    RotatedSecret,
    SubscriptionInfo,
)
from ...authorizer import All, Operation, Root
from ...store import joining
from ...store.base import NewEvent, Published
from ...store.failures import translated
from . import database, schema, settings, signals


class Operator:
    """The actor of the admin and of commands: who runs the service, above its authorizer."""

    def __repr__(self) -> str:
        return "OPERATOR"


OPERATOR: Final = Operator()


class OperatorsAuthorizer:
    """The host's, which is not asked what its own operator may."""

    def __init__(self, host: Authorizer) -> None:
        self._host = host

    def allows(self, actor: Any, root: Root, operation: Operation) -> bool:
        return actor is OPERATOR or self._host.allows(actor, root, operation)

    def roots(self, actor: Any) -> Collection[Root] | All:
        return ALL if actor is OPERATOR else self._host.roots(actor)

    def owner_id(self, actor: Any) -> str:
        return self._host.owner_id(actor)

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        """On the delivering thread, whose connections no request closes."""
        close_old_connections()
        try:
            return self._host.still_allowed(owner_id, root)
        finally:
            close_old_connections()

    def __repr__(self) -> str:
        return repr(self._host)


class DjangoDispatcher(Dispatcher):
    """A :class:`webhooksub.Dispatcher` on a database of ``settings.DATABASES``.

    `connection` of :meth:`publish` and :meth:`publish_many` may be left out, or name the
    alias. In the in-memory database of a test run events are written and never delivered,
    and subscriptions are this process' own.
    """

    def __init__(self, given: settings.Settings) -> None:
        """Raises ConfigurationError, also where the migrations did not run yet."""
        if given.authorizer is None:
            raise ConfigurationError(
                f"{settings.NAME} names no authorizer: who may subscribe to what is yours to say"
            )
        wrapper = database.connection()
        url = database.store_url(wrapper)
        database.check_mode(wrapper)
        schema.check_tables(wrapper)
        self.alias = wrapper.alias
        self.actor = given.actor
        self._hosts_authorizer = given.authorizer
        self.database_name = str(wrapper.settings_dict["NAME"])
        super().__init__(
            url,
            authorizer=OperatorsAuthorizer(given.authorizer),
            catalog=given.catalog,
            config=given.config,
            dev=given.dev,
            json=given.encoder,
            on_operator_event=signals.tell,
        )
        # Nobody delivers from the database of a test run, and nobody needs to be told.
        self._warned = not self._store.durable

    @property
    def authorizer(self) -> Authorizer:
        """The host's own."""
        return self._hosts_authorizer

    @property
    def durable(self) -> bool:
        """False in the in-memory database of a test run."""
        return self._store.durable

    # --- publishing ------------------------------------------------------------------

    def _publish(self, rows: Sequence[NewEvent], connection: Any) -> Sequence[Event]:
        if connection is not None and not isinstance(connection, str):
            return super()._publish(rows, connection)
        if connection not in (None, self.alias):
            raise ConfigurationError(
                f"the tables are in the database {self.alias!r}: an event cannot join a "
                f"transaction of {connection!r}"
            )
        if not self._warned and self._loop is None:
            self._warn_without_dispatcher()
        with transaction.atomic(using=self.alias):
            published = self._write(rows)
            if self._loop is not None or self._store.shared:
                transaction.on_commit(self.wake, using=self.alias, robust=True)
        return self._published(rows, published, database.connection().connection)

    def _write(self, rows: Sequence[NewEvent]) -> Sequence[Published]:
        raw = database.connection().connection
        if self._store.durable:
            return self._store.publish_on(raw, rows)
        now = self._clock()
        until = now + self.config.store.idempotency_ms
        with translated():
            return joining.write_events(raw.cursor(), rows, now=now, idempotency_until=until)

    async def apublish(
        self, path: str | Sequence[str], action: str, data: Any = None, **options: Any
    ) -> Event:
        """:meth:`publish`, on the thread on which Django's async views use the database."""
        return await sync_to_async(self.publish)(path, action, data, **options)

    # --- what a connection of its own writes -----------------------------------------

    def subscribe(self, *args: Any, **fields: Any) -> SubscriptionInfo:
        self._refuse_in_transaction()
        return super().subscribe(*args, **fields)

    def update(self, *args: Any, **changes: Any) -> SubscriptionInfo:
        self._refuse_in_transaction()
        return super().update(*args, **changes)

    def unsubscribe(self, id_: str, **options: Any) -> None:
        self._refuse_in_transaction()
        super().unsubscribe(id_, **options)

    def _set_status(self, *args: Any) -> SubscriptionInfo:
        self._refuse_in_transaction()
        return super()._set_status(*args)

    def rotate_secret(self, id_: str, **options: Any) -> RotatedSecret:
        self._refuse_in_transaction()
        return super().rotate_secret(id_, **options)

    def replay(self, **which: Any) -> int:
        self._refuse_in_transaction()
        return super().replay(**which)

    def prune(self, older_than: datetime, progress: Any = None) -> dict[str, int]:
        self._refuse_in_transaction()
        return super().prune(older_than, progress)

    def purge(self, root: Root | str, progress: Any = None) -> dict[str, int]:
        self._refuse_in_transaction()
        return super().purge(root, progress)

    def _refuse_in_transaction(self) -> None:
        """It would wait for a lock that this very thread holds."""
        if self._store.durable and database.connection().in_atomic_block:
            raise ConfigurationError(
                "inside transaction.atomic() events can be published, but a subscription is "
                "written by a connection of its own, which would wait for this transaction: "
                "call it outside, or in transaction.on_commit"
            )


class LazyDispatcher:
    """Makes the dispatcher when it is first used, and another when the database or the
    settings became others: a test run must not publish to the service's own."""

    def __init__(self) -> None:
        self._made: DjangoDispatcher | None = None
        self._lock = threading.Lock()
        setting_changed.connect(self._forget, weak=False)

    # isinstance says what it stands for.
    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:
        return DjangoDispatcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self(), name)

    def __call__(self) -> DjangoDispatcher:
        """The dispatcher itself. Raises ConfigurationError."""
        made = self._made
        if made is not None and made.database_name == database_name():
            return made
        with self._lock:
            if self._made is not None and self._made.database_name != database_name():
                self._made.close()
                self._made = None
            if self._made is None:
                self._made = DjangoDispatcher(settings.read())
            return self._made

    # Made in the thread that may use the database, and not in the event loop's.

    async def apublish(self, *args: Any, **options: Any) -> Event:
        return await sync_to_async(lambda: self().publish(*args, **options))()

    async def asubscribe(self, *args: Any, **fields: Any) -> SubscriptionInfo:
        return await sync_to_async(lambda: self().subscribe(*args, **fields))()

    async def aflush(self, timeout: float | None = None) -> FlushResult:
        return await sync_to_async(lambda: self().flush(timeout))()

    def close(self, grace: float | None = None) -> None:
        """Ends the one that was made. The next use makes another."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close(grace)

    def __repr__(self) -> str:
        return f"<hooks: {self._made or 'not used yet'}>"

    def _forget(self, *, setting: str, **_: Any) -> None:
        if setting in (settings.NAME, "DATABASES"):
            self.close(grace=0)


def database_name() -> str:
    return str(database.connection().settings_dict["NAME"])


_lazy: Final = LazyDispatcher()
#: The service's dispatcher. Made at its first use: importing it touches nothing.
hooks: Final = cast(DjangoDispatcher, _lazy)


def current() -> DjangoDispatcher:
    """The dispatcher behind `hooks`. Raises ConfigurationError."""
    return _lazy()
