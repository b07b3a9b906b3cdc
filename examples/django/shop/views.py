"""Orders over HTTP. Nothing here knows of webhooks: saving an order is enough."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .models import Order, Shop
from .webhooks import actor

# The bank refuses more.
_TOTAL_MAX = Decimal(1_000)


class PaymentRefused(Exception):
    """The bank said no: what was written for it is taken back."""


def for_owners(view: Callable[..., JsonResponse]) -> Any:
    """A POST with the token of a user, which the view gets in place of the request."""

    @csrf_exempt  # a token is no cookie, which another site could use
    @require_POST
    def answer(request: HttpRequest, **parameters: Any) -> JsonResponse:
        user = actor(request) if "Authorization" in request.headers else None
        if user is None:
            return JsonResponse({"error": "who are you?"}, status=401)
        return view(user, request.body, **parameters)

    return answer


@for_owners
def create_orders(user: Any, body: bytes) -> JsonResponse:
    """``{"shop": 1, "totals": ["9.90", …], "partly": true}``.

    All are written or none; with `partly` those that the bank refuses are left out.
    """
    try:
        given = json.loads(body)
        totals = [Decimal(total) for total in given["totals"]]
        shop = user.shops.get(pk=given["shop"])
    except (ValueError, TypeError, KeyError, InvalidOperation, Shop.DoesNotExist):
        return JsonResponse({"error": "a shop of yours and totals are needed"}, status=400)
    try:
        with transaction.atomic():
            orders = [_order(shop, total, bool(given.get("partly"))) for total in totals]
    except PaymentRefused:
        return JsonResponse({"error": "the bank refused"}, status=402)
    return JsonResponse({"orders": [order.pk for order in orders if order]}, status=201)


def _order(shop: Shop, total: Decimal, partly: bool) -> Order | None:
    try:
        with transaction.atomic():  # a SAVEPOINT
            order = Order.objects.create(shop=shop, total=total)
            if total > _TOTAL_MAX:
                raise PaymentRefused
            return order
    except PaymentRefused:
        if partly:
            return None
        raise


@for_owners
def pay(user: Any, _body: bytes, pk: int) -> JsonResponse:
    """The money is there."""
    with transaction.atomic():
        order = Order.objects.filter(pk=pk, shop__owner=user).first()
        if order is None:
            return JsonResponse({"error": "no such order"}, status=404)
        order.paid = True
        order.save()
    return JsonResponse({"order": order.pk, "paid": True})
