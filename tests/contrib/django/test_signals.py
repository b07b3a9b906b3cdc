"""What the operator should know, as Django's signals."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.dispatch import Signal
from seen import wait_until
from shop.models import Order, Shop

from webhooksub import OperatorEvent, SubscriptionInfo
from webhooksub.contrib.django import hooks, signals
from webhooksub.contrib.django.models import Event
from webhooksub.testing import Receiver

Hear = Callable[[Signal], list[dict[str, Any]]]


@pytest.fixture
def hear() -> Iterator[Hear]:
    """What a signal was sent with."""
    connected: list[tuple[Signal, Any]] = []

    def listen(signal: Signal) -> list[dict[str, Any]]:
        heard: list[dict[str, Any]] = []

        def receive(signal: Signal, sender: Any, **facts: Any) -> None:
            heard.append(facts)

        signal.connect(receive, weak=False)
        connected.append((signal, receive))
        return heard

    yield listen
    for signal, receive in connected:
        signal.disconnect(receive)


def test_a_disabled_subscription_is_told(
    hear: Hear, subscribed: SubscriptionInfo, receiver: Receiver, shop: Shop
) -> None:
    disabled, everything = hear(signals.disabled), hear(signals.operator_event)
    hooks.start()
    receiver.answer(410)
    Order.objects.create(shop=shop, total=1)
    hooks.flush(timeout=10)
    [facts] = disabled
    assert facts["subscription_id"] == subscribed.id
    assert "gone" in facts["message"]
    assert "disabled" in [heard["event"].kind for heard in everything]


def test_a_dead_letter_and_a_recovery_are_told(
    hear: Hear, settings: Any, subscribed: SubscriptionInfo, receiver: Receiver, shop: Shop
) -> None:
    given = {"authorizer": "shop.webhooks.Authorizer", "catalog": "shop.webhooks.CATALOG"}
    settings(WEBHOOKSUB=given | {"dev": True, "retry_max_retries": 0})
    dead, failing, recovered = (
        hear(signals.dead),
        hear(signals.failing),
        hear(signals.recovered),
    )
    hooks.start()
    receiver.answer(500)
    Order.objects.create(shop=shop, total=1)
    hooks.flush(timeout=10)
    [facts] = dead
    assert facts["subscription_id"] == subscribed.id == failing[0]["subscription_id"]
    assert facts["event_id"] == str(Event.objects.get().id)
    receiver.answer(200)
    Order.objects.create(shop=shop, total=2)
    hooks.flush(timeout=10)
    assert recovered[0]["subscription_id"] == subscribed.id
    assert len(dead) == 1


def test_a_lost_owner_is_told(
    hear: Hear, settings: Any, subscribed: SubscriptionInfo, shop: Shop
) -> None:
    given = {"authorizer": "shop.webhooks.Authorizer", "catalog": "shop.webhooks.CATALOG"}
    settings(WEBHOOKSUB=given | {"dev": True, "recheck_ms": 50})
    disabled = hear(signals.disabled)
    Shop.objects.all().delete()
    hooks.start()
    assert wait_until(lambda: bool(disabled), 30)
    assert disabled[0]["subscription_id"] == subscribed.id
    assert "owner" in disabled[0]["message"]


def test_a_receiver_that_fails_keeps_nobody_from_hearing(
    hear: Hear, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: Any) -> None:
        raise ZeroDivisionError

    signals.operator_event.connect(fail)
    try:
        heard = hear(signals.operator_event)
        signals.tell(OperatorEvent("unresolved", "a path is unknown"))
    finally:
        signals.operator_event.disconnect(fail)
    assert [facts["event"].kind for facts in heard] == ["unresolved"]
    assert "a receiver of a signal failed" in caplog.text
