"""The fixture `published` sees what Django's dispatcher publishes, in Django's transactions."""

import pytest
from django.db import transaction
from shop.models import Order, Shop

from webhooksub.contrib.django import hooks
from webhooksub.testing import CapturedEvents

PATH = "shop/7/order/1"


class Oops(Exception):
    pass


def test_what_a_transaction_publishes_is_captured_before_it_commits(
    published: CapturedEvents,
) -> None:
    with transaction.atomic():
        made = hooks.publish(PATH, "update", {"n": 1})
        [event] = published
        assert (event.id, event.path, event.data) == (made.id, PATH, {"n": 1})
    assert len(published) == 1


def test_what_was_rolled_back_is_not_captured(published: CapturedEvents) -> None:
    with transaction.atomic():
        hooks.publish("shop/7/order/1", "update")
        with pytest.raises(Oops), transaction.atomic():
            hooks.publish("shop/7/order/2", "update")
            assert len(published) == 2
            raise Oops
        assert [e.path for e in published] == ["shop/7/order/1"]
    assert [e.path for e in published] == ["shop/7/order/1"]


def test_saving_is_captured_and_nobody_is_missed(published: CapturedEvents, shop: Shop) -> None:
    order = Order.objects.create(shop=shop, total=9)
    assert [e.path for e in published.matching(action="create")] == [f"shop/7/order/{order.pk}"]
