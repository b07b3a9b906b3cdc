"""What the shop publishes, by `manage.py test`: nothing is delivered there."""

import json
from decimal import Decimal

from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import TestCase

from webhooksub.contrib.django import publish_many
from webhooksub.contrib.django.test import AssertPublishes

from .models import Order, Shop
from .webhooks import token_for


class OrderTests(AssertPublishes, TestCase):
    def setUp(self) -> None:
        self.user = get_user_model().objects.create_user("ann")
        self.shop = Shop.objects.create(pk=7, name="Books", owner=self.user)

    def post(self, path: str, document: object) -> int:
        return self.client.post(
            path,
            json.dumps(document),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token_for(self.user)}"},
        ).status_code

    def test_a_new_order_is_told(self) -> None:
        with self.assertPublishes(action="create", count=1) as events:
            self.assertEqual(self.post("/orders", {"shop": 7, "totals": ["9.90"]}), 201)
        self.assertEqual(events[0].path, f"shop/7/order/{Order.objects.get().pk}")
        self.assertEqual(events[0].data["total"], "9.90")

    def test_a_payment_is_told(self) -> None:
        order = Order.objects.create(shop=self.shop, total=5)
        with self.assertPublishes(f"shop/7/order/{order.pk}", "update", count=1):
            self.assertEqual(self.post(f"/orders/{order.pk}/pay", {}), 200)

    def test_a_deleted_order_is_told(self) -> None:
        order = Order.objects.create(shop=self.shop, total=5)
        with self.assertPublishes(f"shop/7/order/{order.pk}", "delete", count=1):
            order.delete()

    def test_what_the_bank_refuses_is_not_told(self) -> None:
        with self.assertPublishesNothing():
            self.assertEqual(self.post("/orders", {"shop": 7, "totals": ["1", "2000"]}), 402)

    def test_of_orders_that_are_partly_refused_the_others_are_told(self) -> None:
        given = {"shop": 7, "totals": ["1", "2000", "3"], "partly": True}
        with self.assertPublishes(action="create", count=2) as events:
            self.assertEqual(self.post("/orders", given), 201)
        self.assertEqual([event.data["total"] for event in events], ["1", "3"])

    def test_an_update_of_many_is_told_by_publish_many(self) -> None:
        orders = [Order(shop=self.shop, total=Decimal(n)) for n in range(3)]
        with self.assertPublishesNothing():
            orders = Order.objects.bulk_create(orders)
            self.shop.orders.update(paid=True)
        with self.assertPublishes(action="update", count=3), transaction.atomic():
            self.assertEqual(publish_many(self.shop.orders.all(), "update"), 3)
