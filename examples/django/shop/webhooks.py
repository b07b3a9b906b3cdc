"""What can be subscribed to, and by whom."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest

from webhooksub import Catalog

from .models import Shop

CATALOG = Catalog.of("shop/{shop_id}/order/{order_id}")
_TOKEN_SECONDS = 3_600
_signer = TimestampSigner(salt="shop.token")


class Authorizer:
    """Who owns a shop may subscribe to what happens in it."""

    def allows(self, actor: Any, root: tuple[str, str], operation: str) -> bool:
        return self.still_allowed(self.owner_id(actor), root)

    def roots(self, actor: Any) -> Collection[tuple[str, str]]:
        return [("shop", str(pk)) for pk in actor.shops.values_list("pk", flat=True)]

    def owner_id(self, actor: Any) -> str:
        return str(actor.pk)

    def still_allowed(self, owner_id: str, root: tuple[str, str]) -> bool:
        return root[1].isdecimal() and Shop.objects.filter(pk=root[1], owner=owner_id).exists()


def token_for(user: Any) -> str:
    """For `Authorization: Bearer …`; it is good for an hour."""
    return _signer.sign(user.pk)


def actor(request: HttpRequest) -> Any:
    """Who asks: by a token, or by the session of the browser."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind == "Bearer":
        try:
            pk = _signer.unsign(token, max_age=_TOKEN_SECONDS)
        except BadSignature:
            return None
        return get_user_model().objects.filter(pk=pk, is_active=True).first()
    return request.user if request.user.is_authenticated else None
