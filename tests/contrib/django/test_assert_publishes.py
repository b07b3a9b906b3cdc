"""``assertPublishes`` in a host's tests: what it passes, what it fails, and how it says so."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase
from shop.models import Order, Shop

from webhooksub.contrib.django import hooks
from webhooksub.contrib.django.test import AssertPublishes

pytestmark = pytest.mark.filterwarnings("ignore:no dispatcher")


class Host(AssertPublishes, TestCase):
    """A test class as a host writes it; its methods are called by the tests below."""

    def runTest(self) -> None:
        """Needed to be made."""


PATH = "shop/7/order/1"


@pytest.fixture
def host(shop: Shop) -> Iterator[Host]:
    """In a transaction that is never committed, as within Django's TestCase."""
    with transaction.atomic():
        yield Host()
        transaction.set_rollback(True)


def order(total: int = 5) -> Order:
    return Order.objects.create(shop_id=7, total=total)


def test_what_was_published_is_given(host: Host) -> None:
    with host.assertPublishes(PATH, "create", count=1) as events:
        order()
    assert [(event.path, event.action, event.data["total"]) for event in events] == [
        (PATH, "create", 5)
    ]


def test_data_is_compared_as_subscribers_read_it(host: Host) -> None:
    with host.assertPublishes(PATH, "update", {"n": 1}):
        hooks.publish(PATH, "update", {"n": 1})
    wrong = pytest.raises(AssertionError, match=r'with \{"n": 2\}')
    with wrong, host.assertPublishes(PATH, "update", {"n": 2}):
        hooks.publish(PATH, "update", {"n": 1})


@pytest.mark.parametrize(
    "wanted", [{"path": "shop/7/order/2"}, {"action": "delete"}, {"count": 2}, {"count": 0}]
)
def test_something_else_fails_and_shows_what_was_published(
    host: Host, wanted: dict[str, Any]
) -> None:
    wrong = pytest.raises(AssertionError, match=f"published:\n  create {PATH} .*total")
    with wrong, host.assertPublishes(**wanted):
        order()


def test_nothing_published_fails(host: Host) -> None:
    wrong = pytest.raises(AssertionError, match="0 events are any change of anything.*nothing")
    with wrong, host.assertPublishes():
        pass


def test_what_was_rolled_back_was_not_published(host: Host) -> None:
    with host.assertPublishesNothing(), pytest.raises(ZeroDivisionError), transaction.atomic():
        order()
        raise ZeroDivisionError
    wrong = pytest.raises(AssertionError, match=f"published:\n  create {PATH}")
    with wrong, host.assertPublishesNothing():
        order()


def test_what_was_published_before_does_not_count(host: Host) -> None:
    first = order()
    with host.assertPublishes(PATH, "update", count=1) as events:
        first.save()
    assert len(events) == 1


def test_an_error_in_the_block_is_the_one_that_is_told(host: Host) -> None:
    with pytest.raises(ZeroDivisionError), host.assertPublishes():
        raise ZeroDivisionError
