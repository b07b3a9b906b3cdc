"""Orders over HTTP. What is published stands beside what is written."""

from decimal import Decimal, InvalidOperation
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request

from .extensions import db, hooks
from .models import Order, Shop
from .webhooks import actor, path_of

orders = Blueprint("orders", __name__)
# The bank refuses more.
_TOTAL_MAX = Decimal(1_000)


class PaymentRefused(Exception):
    """The bank said no: what was written for it is taken back."""


@orders.post("/orders")
def create_orders() -> Response:
    """``{"shop": 1, "totals": ["9.90", …], "partly": true}``.

    All are written or none; with `partly` those that the bank refuses are left out.
    """
    try:
        given = request.get_json()
        totals = [Decimal(total) for total in given["totals"]]
        shop = db.session.get(Shop, given["shop"])
    except (ValueError, TypeError, KeyError, InvalidOperation):
        return _error(400, "a shop and totals are needed")
    if shop is None or shop.owner != actor(request):
        return _error(404, "no shop of yours")
    try:
        made = [_order(shop, total, bool(given.get("partly"))) for total in totals]
    except PaymentRefused:
        db.session.rollback()
        return _error(402, "the bank refused")
    db.session.commit()
    return make_response(jsonify(orders=[order.id for order in made if order]), 201)


def _order(shop: Shop, total: Decimal, partly: bool) -> Order | None:
    try:
        with db.session.begin_nested():  # a SAVEPOINT
            order = Order(shop_id=shop.id, total=total)
            db.session.add(order)
            db.session.flush()
            hooks.publish(path_of(order), "create", _data(order))
            if total > _TOTAL_MAX:
                raise PaymentRefused
            return order
    except PaymentRefused:
        if partly:
            return None
        raise


@orders.post("/orders/<int:id_>/pay")
def pay(id_: int) -> Response:
    """The money is there."""
    order = db.session.get(Order, id_)
    shop = order and db.session.get(Shop, order.shop_id)
    if order is None or shop is None or shop.owner != actor(request):
        return _error(404, "no order of yours")
    order.paid = True
    hooks.publish(path_of(order), "update", _data(order))
    db.session.commit()
    return jsonify(_data(order))


def _data(order: Order) -> dict[str, Any]:
    return {"order": order.id, "total": str(order.total), "paid": bool(order.paid)}


def _error(status: int, text: str) -> Response:
    return make_response(jsonify(error=text), status)
