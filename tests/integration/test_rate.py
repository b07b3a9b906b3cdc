"""A subscription says how much it wants to be sent per second, and is sent no more."""

import json
import time
from collections.abc import Callable

import pytest
from acme import PATH, Make
from seen import wait_until

from webhooksub import Dispatcher, SubscriptionInfo, ValidationError
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]


def arrivals(receiver: Receiver, began: float, path: str = "/hook") -> list[float]:
    """When they came, in seconds. A machine that stands still makes it later, never earlier."""
    return sorted(r.received_at - began for r in receiver.requests if r.path == path)


def publish(hooks: Dispatcher, count: int, path: str = PATH) -> None:
    hooks.publish_many([(path, "update", {"n": n}) for n in range(count)])


def seconds_of_ten(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe, drawer: str
) -> float:
    """From the first to the last, where nothing has been sent yet."""
    records = f"tenant/acme/sidedrawer/{drawer}/record"
    subscribe(hooks, f"/{drawer}", resource=records, delivery={"ratePerSecond": 10})
    publish(hooks, 10, records + "/r1")
    assert hooks.flush(timeout=30).delivered == 10
    times = arrivals(receiver, 0, f"/{drawer}")
    return times[9] - times[0]


def test_a_second_s_worth_comes_at_once_and_the_rest_at_the_rate(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(hooks, delivery={"ratePerSecond": 10})
    began = time.time()
    publish(hooks, 25)
    assert hooks.flush(timeout=30).delivered == 25
    times = arrivals(receiver, began)
    assert len(times) == 25
    assert all(times[k] > (k - 9) * 0.1 - 0.02 for k in range(10, 25))
    # Of three times the best: the machine may stand still.
    drawers = ("s2", "s3", "s4")
    assert any(seconds_of_ten(hooks, receiver, subscribe, drawer) < 0.8 for drawer in drawers)


def test_notifications_count_and_not_requests(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    batch = {"maxNotifications": 10, "lingerMs": 500}
    subscribe(hooks, delivery={"batch": batch, "ratePerSecond": 10})
    began = time.time()
    publish(hooks, 30)
    assert hooks.flush(timeout=30).delivered == 30
    assert [len(request.json()) for request in receiver.requests] == [10, 10, 10]
    assert arrivals(receiver, began)[2] > 0.9


def test_what_waits_for_its_rate_waits_in_the_store_and_holds_nobody_up(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make(config={"spill_after_ms": 200}).start()
    subscribe(hooks, "/slow", delivery={"ratePerSecond": 4})
    began = time.time()
    publish(hooks, 60)
    assert wait_until(lambda: hooks.stats()["spilled"] > 0)
    subscribe(hooks, "/other")
    hooks.publish(PATH, "update", {"n": "other"})
    assert wait_until(lambda: any(r.path == "/other" for r in receiver.requests), 8)
    receiver.wait_for(62, timeout=40)
    slow = arrivals(receiver, began, "/slow")
    assert len(slow) == 61
    assert slow[60] > 14


def test_it_is_kept_and_shown_and_may_be_changed(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make()
    info = subscribe(hooks, delivery={"ratePerSecond": 0.1})
    hooks.close()
    hooks = make(config={"spill_after_ms": 60_000}).start()
    shown = hooks.subscription(info.id)
    assert shown.subscription.delivery == {"ratePerSecond": 0.1}
    assert json.loads(shown.subscription.to_json())["delivery"] == {"ratePerSecond": 0.1}
    publish(hooks, 4)
    receiver.wait_for(1)
    hooks.update(info.id, delivery={"ratePerSecond": 1000})
    receiver.wait_for(4, timeout=20)


@pytest.mark.parametrize("rate", [0, -1, 0.009, 1001, float("inf"), float("nan"), "5", None, True])
def test_a_rate_that_cannot_be_kept_is_refused(
    hooks: Dispatcher, subscribe: Subscribe, rate: object
) -> None:
    with pytest.raises(ValidationError):
        subscribe(hooks, delivery={"ratePerSecond": rate})
