"""What can be subscribed to, and by whom."""

from collections.abc import Collection
from typing import Any

from flask import Request, current_app
from flask_sqlalchemy import SQLAlchemy
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import select

from webhooksub import Catalog

from .models import Order, Shop

ORDER = "shop/{shop_id}/order/{order_id}"
CATALOG = Catalog.of(ORDER)
_TOKEN_SECONDS = 3_600


def path_of(order: Order) -> str:
    return CATALOG.path(ORDER, shop_id=str(order.shop_id), order_id=str(order.id))


class Authorizer:
    """Who owns a shop may subscribe to what happens in it."""

    def __init__(self, db: SQLAlchemy) -> None:
        self._db = db

    def allows(self, actor: str, root: tuple[str, str], operation: str) -> bool:
        return self.still_allowed(actor, root)

    def roots(self, actor: str) -> Collection[tuple[str, str]]:
        query = select(Shop.id).where(Shop.owner == actor)
        return [("shop", str(id_)) for id_ in self._db.session.scalars(query)]

    def owner_id(self, actor: str) -> str:
        return actor

    def still_allowed(self, owner_id: str, root: tuple[str, str]) -> bool:
        return root in self.roots(owner_id)


def token_for(owner: str) -> str:
    """For ``Authorization: Bearer …``; it is good for an hour."""
    return str(_serializer().dumps(owner))


def actor(request: Request) -> Any:
    """Who asks; None for nobody that we know."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        return _serializer().loads(token, max_age=_TOKEN_SECONDS) if kind == "Bearer" else None
    except BadSignature:
        return None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="shop.token")
