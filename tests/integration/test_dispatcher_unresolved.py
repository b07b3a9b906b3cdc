"""Events whose path the dispatcher's catalog does not know: they wait, and delay nobody."""

from collections.abc import Callable

import pytest
from acme import PATH, Make
from seen import wait_until

from webhooksub import Catalog, Dispatcher, OperatorEvent, SubscriptionInfo
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]

ORDERS = Catalog.of("tenant/{tenantId}/order/{orderId}")


@pytest.fixture
def stranger(make: Make) -> Dispatcher:
    """A publisher of another version of the service, which has published one event."""
    hooks = make(catalog=ORDERS)
    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        hooks.publish("tenant/acme/order/o1", "create")
    return hooks


def start_and_find_it(make: Make) -> Dispatcher:
    hooks = make().start()
    assert wait_until(lambda: hooks.stats()["unresolved"] == 1)
    return hooks


def test_it_is_told_once_and_kept(
    make: Make, stranger: Dispatcher, told: list[OperatorEvent]
) -> None:
    hooks = start_and_find_it(make)
    assert hooks.flush(timeout=5).complete
    assert [event.kind for event in told] == ["unresolved"]
    assert hooks.stats()["outbox"] == 1


def test_however_often_dispatchers_start_it_delays_nobody_and_is_not_quarantined(
    make: Make, stranger: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    for _ in range(6):
        start_and_find_it(make).close()
    hooks, publisher = start_and_find_it(make), make()
    subscribe(hooks)
    publisher.publish_many([(PATH, "update", {"n": n}) for n in range(3)])
    receiver.wait_for(3)
    assert hooks.stats()["quarantined"] == 0


def test_a_dispatcher_that_knows_its_path_takes_it(make: Make, stranger: Dispatcher) -> None:
    start_and_find_it(make).close()
    stranger.start()
    assert wait_until(lambda: stranger.stats()["outbox"] == 0)
    assert stranger.stats()["unresolved"] == 0
