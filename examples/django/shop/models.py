"""Shops and their orders, whose changes customers may hear of."""

from django.conf import settings
from django.db import models

from webhooksub.contrib.django import webhook_resource


class Shop(models.Model):
    name = models.CharField(max_length=100)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="shops")

    def __str__(self) -> str:
        return self.name


def order_data(order: "Order") -> dict[str, object]:
    """What is told of an order."""
    return {"total": order.total, "paid": order.paid, "created": order.created}


@webhook_resource("shop/{shop_id}/order/{pk}", data=order_data)
class Order(models.Model):
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="orders")
    total = models.DecimalField(max_digits=9, decimal_places=2)
    paid = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"order {self.pk}"
