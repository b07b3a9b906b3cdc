"""Events join Django's own transactions."""

import asyncio
import subprocess
import sys
import time
import uuid
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction
from shop.models import Order, Shop

from webhooksub import (
    ConfigurationError,
    Conflict,
    Dispatcher,
    SubscriptionInfo,
    UnknownResource,
    ValidationError,
)
from webhooksub.contrib.django import OPERATOR, hooks
from webhooksub.contrib.django.models import Event
from webhooksub.testing import Receiver

PATH = "shop/7/order/1"
pytestmark = pytest.mark.filterwarnings("ignore:no dispatcher")


class Oops(Exception):
    pass


def published() -> list[str]:
    return [event.paths for event in Event.objects.order_by("seq")]


def test_an_event_exists_when_the_transaction_is_committed() -> None:
    with transaction.atomic():
        hooks.publish(PATH, "update", {"n": 1})
        assert hooks.stats()["outbox"] == 0
    assert hooks.stats()["outbox"] == 1


def test_an_event_never_existed_when_the_transaction_is_rolled_back() -> None:
    with pytest.raises(Oops), transaction.atomic():
        hooks.publish(PATH, "update")
        assert published() == [PATH]
        raise Oops
    assert published() == []
    assert hooks.stats()["outbox"] == 0


def test_a_savepoint_takes_its_events_with_it_and_leaves_the_others() -> None:
    with transaction.atomic():
        hooks.publish("shop/7/order/1", "update")
        with pytest.raises(Oops), transaction.atomic():
            hooks.publish("shop/7/order/2", "update")
            raise Oops
        hooks.publish("shop/7/order/3", "update")
    assert published() == ["shop/7/order/1", "shop/7/order/3"]
    assert hooks.stats()["outbox"] == 2


def test_outside_of_a_transaction_an_event_is_durable_at_once() -> None:
    event = hooks.publish(PATH, "create")
    connections.close_all()
    assert [str(row.id) for row in Event.objects.all()] == [event.id]


def test_a_commit_wakes_the_dispatcher_of_the_same_process(
    settings: Any, subscribed: SubscriptionInfo, receiver: Receiver, shop: Shop
) -> None:
    given = {"authorizer": "shop.webhooks.Authorizer", "catalog": "shop.webhooks.CATALOG"}
    settings(WEBHOOKSUB=given | {"dev": True, "poll_ms": 3_600_000})
    hooks.start()
    time.sleep(0.3)  # its first looks are over; the next is in an hour
    with transaction.atomic():
        Order.objects.create(shop=shop, total=Decimal("9.90"))
    [request] = receiver.wait_for(1, timeout=10)
    assert request.json()["data"]["total"] == "9.90"


def test_data_is_encoded_as_django_does() -> None:
    moment, id_ = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC), uuid.UUID(int=7)
    hooks.publish(PATH, "update", {"t": moment, "d": Decimal("1.50"), "u": id_, "s": "ü"})
    [event] = Event.objects.all()
    assert bytes(event.data).decode() == (
        '{"t":"2026-01-02T03:04:05.678Z","d":"1.50",'
        '"u":"00000000-0000-0000-0000-000000000007","s":"ü"}'
    )


def test_many_are_published_in_one_transaction() -> None:
    events = hooks.publish_many([(f"shop/7/order/{n}", "create", {"n": n}) for n in range(3)])
    assert [event.paths[0] for event in events] == published()
    with pytest.raises(ValidationError):
        hooks.publish_many([(PATH, "create"), (PATH, "created")])
    assert len(published()) == 3


def test_a_connection_may_be_named_by_its_alias_or_given() -> None:
    hooks.publish(PATH, "update", connection="default")
    with transaction.atomic():
        hooks.publish(PATH, "update", connection=connection.connection)
    assert len(published()) == 2
    with pytest.raises(ConfigurationError, match="'default'.*'other'"):
        hooks.publish(PATH, "update", connection="other")


def test_a_refused_event_leaves_the_transaction_around_it_usable(shop: Shop) -> None:
    with transaction.atomic():
        hooks.publish(PATH, "update", {"n": 1}, idempotency_key="k")
        with pytest.raises(Conflict):
            hooks.publish(PATH, "update", {"n": 2}, idempotency_key="k")
        with pytest.raises(UnknownResource):
            hooks.publish("shops/7", "update")
        Order.objects.create(shop=shop, total=1)
    assert (len(published()), Order.objects.count()) == (2, 1)


def test_a_subscription_inside_of_a_transaction_is_refused_at_once(
    subscribed: SubscriptionInfo,
) -> None:
    begun = time.monotonic()
    with transaction.atomic():
        for change in (
            lambda: hooks.subscribe("shop/7/order", "any", "https://example.com/h", expires="x"),
            lambda: hooks.update(subscribed.id, brand_code="b", actor=OPERATOR),
            lambda: hooks.pause(subscribed.id, actor=OPERATOR),
            lambda: hooks.unsubscribe(subscribed.id, actor=OPERATOR),
            lambda: hooks.replay(state="dead", actor=OPERATOR),
            lambda: hooks.rotate_secret(subscribed.id, actor=OPERATOR),
            lambda: hooks.prune(datetime.now(UTC)),
            lambda: hooks.purge(("shop", "7")),
        ):
            with pytest.raises(ConfigurationError, match="on_commit"):
                change()
    assert time.monotonic() - begun < 9, "it waited for the lock: that ends after 10 s"
    with transaction.atomic():
        transaction.on_commit(lambda: hooks.pause(subscribed.id, actor=OPERATOR))
    assert hooks.subscription(subscribed.id, actor=OPERATOR).status.name == "PAUSED"


def test_without_immediate_transactions_nothing_is_published(database: Path) -> None:
    connection.close()
    connection.settings_dict["OPTIONS"].pop("transaction_mode")
    try:
        with pytest.raises(ConfigurationError, match="transaction_mode.*IMMEDIATE"):
            hooks.publish(PATH, "update")
    finally:
        connection.close()
        connection.settings_dict["OPTIONS"]["transaction_mode"] = "IMMEDIATE"


def test_without_an_authorizer_there_is_no_dispatcher(settings: Any) -> None:
    settings(WEBHOOKSUB={})
    with pytest.raises(ConfigurationError, match="authorizer"):
        hooks.publish(PATH, "update")


def test_before_the_migrations_ran_it_says_which_command_is_missing(tmp_path: Path) -> None:
    connection.close()
    connection.settings_dict["NAME"] = str(tmp_path / "empty.sqlite3")
    with pytest.raises(ConfigurationError, match=r"manage\.py migrate"):
        hooks.publish(PATH, "update")


def test_a_test_run_does_not_publish_to_the_database_of_the_service(
    database: Path, migrated: Path, tmp_path: Path
) -> None:
    hooks.publish(PATH, "update")
    other = tmp_path / "test.sqlite3"
    other.write_bytes(migrated.read_bytes())
    connections.close_all()
    connection.settings_dict["NAME"] = str(other)
    hooks.publish("shop/7/order/2", "update")
    assert published() == ["shop/7/order/2"]


def test_an_async_view_publishes_too_also_as_the_first() -> None:
    async def view() -> Any:
        # The thread is that of every test: what it has is open on another's file.
        await sync_to_async(connections.close_all)()
        try:
            return await hooks.apublish(PATH, "update", {"n": 1})
        finally:
            await sync_to_async(connections.close_all)()

    event = asyncio.run(view())
    assert [str(row.id) for row in Event.objects.all()] == [event.id]


def test_hooks_is_a_dispatcher_that_says_so() -> None:
    assert isinstance(hooks, Dispatcher)
    assert repr(hooks) == "<hooks: not used yet>"
    assert "publisher" in (hooks.stats() and repr(hooks))


def test_nobody_delivering_is_told_once() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        hooks.publish(PATH, "update")
        hooks.publish(PATH, "update")
    assert [w.category for w in told] == [RuntimeWarning]
    assert told[0].filename == __file__


def test_neither_importing_nor_starting_touches_the_database(tmp_path: Path) -> None:
    code = (
        "import django; django.setup()\n"
        "import config.urls, config.asgi, shop.tests\n"
        "from django.core.management import call_command\n"
        "call_command('check')\n"
    )
    path = tmp_path / "none.sqlite3"
    environ = {"SHOP_DATABASE": str(path), "PYTHONPATH": ":".join(sys.path)}
    environ |= {"DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not path.exists()
