"""``@webhook_resource`` and ``publish_many``: whose changes are published, and how."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models.signals import post_delete, post_save
from shop.models import Order, Shop

from webhooksub import ConfigurationError, ValidationError
from webhooksub.contrib.django import DjangoDispatcher, publish_many, resources, webhook_resource
from webhooksub.contrib.django.models import Event

pytestmark = pytest.mark.filterwarnings("ignore:no dispatcher")


def published() -> list[tuple[str, str, Any]]:
    return [
        (e.get_action_display(), e.paths, None if e.data is None else json.loads(bytes(e.data)))
        for e in Event.objects.order_by("seq")
    ]


def kinds() -> list[tuple[str, str]]:
    return [(action, path) for action, path, _ in published()]


@pytest.fixture
def declared() -> Iterator[Any]:
    """Declares a resource anew until the test ends."""
    known = dict(resources._resources)

    def declare(*templates: str, **options: Any) -> None:
        webhook_resource(*templates, **options)(Order)

    yield declare
    resources._resources.clear()
    resources._resources.update(known)


def test_a_save_is_a_create_and_then_an_update_and_a_delete_is_a_delete(shop: Shop) -> None:
    order = Order.objects.create(shop=shop, total=1)
    order.save()
    pk = order.pk
    order.delete()
    path = f"shop/7/order/{pk}"
    assert kinds() == [("create", path), ("update", path), ("delete", path)]
    assert published()[2][2]["total"] == 1


def test_rows_deleted_by_a_cascade_and_by_a_queryset_are_told(shop: Shop) -> None:
    for _ in range(2):
        Order.objects.create(shop=shop, total=1)
    Order.objects.filter(pk=1).delete()
    shop.delete()
    assert kinds()[2:] == [("delete", "shop/7/order/1"), ("delete", "shop/7/order/2")]


def test_update_and_bulk_create_tell_nothing_until_publish_many_does(shop: Shop) -> None:
    orders = Order.objects.bulk_create(Order(shop=shop, total=n) for n in range(3))
    Order.objects.update(paid=True)
    assert published() == []
    assert publish_many(orders, "create", data=("total",)) == 3
    assert publish_many(Order.objects.order_by("pk"), "update") == 3
    assert [action for action, _ in kinds()] == ["create"] * 3 + ["update"] * 3
    assert published()[1] == ("create", "shop/7/order/2", {"total": 1})
    assert published()[5][2]["paid"] is True


def test_publish_many_is_one_transaction_however_many_they_are(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_CHUNK", 2)
    Order.objects.bulk_create(Order(shop=shop, total=n) for n in range(5))
    assert publish_many(Order.objects.all(), "update") == 5
    bad = [*Order.objects.all(), Shop(pk=1, name="no resource")]
    with pytest.raises(ConfigurationError, match="Shop is no webhook resource"):
        publish_many(bad, "update")
    assert len(published()) == 5
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish_many(Order.objects.all(), "update")
        raise ZeroDivisionError
    assert len(published()) == 5


def test_fixtures_tell_nothing(shop: Shop, tmp_path: Any) -> None:
    order = Order.objects.create(shop=shop, total=1)
    text = serializers.serialize("json", [order])
    (tmp_path / "orders.json").write_text(text)
    call_command("loaddata", str(tmp_path / "orders.json"), verbosity=0)
    assert len(published()) == 1


def test_data_may_be_names_and_actions_may_be_fewer(shop: Shop, declared: Any) -> None:
    declared("shop/{shop_id}/order/{pk}", data=["total", "paid"], actions=["update"])
    order = Order.objects.create(shop=shop, total=Decimal("2.50"))
    order.save()
    assert published() == [("update", "shop/7/order/1", {"total": "2.50", "paid": False})]


def test_without_data_only_the_path_is_told_and_who_did_it(shop: Shop, declared: Any) -> None:
    declared("shop/{shop_id}/order/{pk}", open_id=lambda order: f"auth0|{order.shop_id}")
    Order.objects.create(shop=shop, total=1)
    [event] = Event.objects.all()
    assert (event.data, event.open_id) == (None, "auth0|7")


def test_several_paths_of_one_entity_are_one_event(
    shop: Shop, declared: Any, settings: Any
) -> None:
    from webhooksub import Catalog  # noqa: PLC0415

    given = {"authorizer": "shop.webhooks.Authorizer"}
    catalog = Catalog.of("shop/{shop_id}/order/{order_id}", "shop/{shop_id}/sum/{total}")
    settings(WEBHOOKSUB=given | {"catalog": catalog})
    declared("shop/{shop_id}/order/{pk}", "shop/{shop_id}/sum/{total}")
    Order.objects.create(shop=shop, total=3)
    assert kinds() == [("create", "shop/7/order/1\nshop/7/sum/3")]


def test_an_id_with_a_slash_is_refused_with_the_save(
    shop: Shop, declared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Order, "name", "7/order/1", raising=False)
    declared("shop/{name}/order/{pk}")
    with pytest.raises(ValidationError, match="name"):
        Order.objects.create(shop=shop, total=1)
    assert (Order.objects.count(), published()) == (0, [])


def test_a_save_that_stands_alone_is_one_transaction_with_its_event(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(DjangoDispatcher, "_write", fail)
    with pytest.raises(OSError, match="full"):
        Order.objects.create(shop=shop, total=1)
    assert Order.objects.count() == 0


def test_an_empty_id_is_refused_by_its_name(declared: Any) -> None:
    declared("shop/{shop_id}/order/{pk}")
    with pytest.raises(ConfigurationError, match=r"Order\.shop_id is empty"):
        publish_many([Order(pk=1, total=1)], "update")


def test_a_model_in_another_database_is_refused(shop: Shop) -> None:
    order = Order(shop=shop, total=1)
    order._state.db = "legacy"
    with pytest.raises(ConfigurationError, match="'legacy'.*on_commit"):
        publish_many([order], "update")


def test_a_declaration_is_checked_when_it_is_read() -> None:
    with pytest.raises(ConfigurationError, match="needs a path"):
        webhook_resource()
    with pytest.raises(ConfigurationError, match="no such actions: created"):
        webhook_resource("shop/{pk}", actions=["created"])


def test_a_declaration_twice_publishes_once(shop: Shop, declared: Any) -> None:
    declared("shop/{shop_id}/order/{pk}")
    Order.objects.create(shop=shop, total=1)
    assert len(published()) == 1


def test_other_models_are_left_alone() -> None:
    for signal in (post_save, post_delete):
        heard = signal._live_receivers(Shop)
        assert resources._saved not in heard and resources._deleted not in heard


def test_rows_of_the_store_cannot_be_changed_by_their_models(shop: Shop) -> None:
    Order.objects.create(shop=shop, total=1)
    event = Event.objects.get()
    with pytest.raises(TypeError, match="hooks"):
        event.save()
    with pytest.raises(TypeError, match="hooks"):
        event.delete()
    assert issubclass(Event, models.Model) and connection.vendor == "sqlite"
