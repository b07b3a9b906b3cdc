"""A subscription says how much it wants to be sent per second, and is sent no more."""

import json
from collections.abc import Callable

import pytest
from acme import PATH, Make
from seen import wait_until

from webhooksub import Dispatcher, SubscriptionInfo, ValidationError
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]


def arrivals(receiver: Receiver) -> list[float]:
    """When they came, in seconds after the first."""
    times = sorted(request.received_at for request in receiver.requests)
    return [time - times[0] for time in times]


def publish(hooks: Dispatcher, count: int) -> None:
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(count)])


def test_a_second_s_worth_comes_at_once_and_the_rest_at_the_rate(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(hooks, delivery={"ratePerSecond": 10})
    publish(hooks, 25)
    assert hooks.flush(timeout=15).delivered == 25
    times = arrivals(receiver)
    assert len(times) == 25
    assert times[9] < 0.8
    # The last waits for 15 tokens; the first may have been seen a little late.
    assert 1.4 < times[24] < 5
    assert all(later - earlier > 0.9 for earlier, later in zip(times, times[21:], strict=False))


def test_notifications_count_and_not_requests(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    batch = {"maxNotifications": 10, "lingerMs": 500}
    subscribe(hooks, delivery={"batch": batch, "ratePerSecond": 10})
    publish(hooks, 30)
    assert hooks.flush(timeout=15).delivered == 30
    assert [len(request.json()) for request in receiver.requests] == [10, 10, 10]
    assert 0.9 < arrivals(receiver)[2] < 5


def test_what_waits_for_its_rate_waits_in_the_store_and_holds_nobody_up(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make(config={"spill_after_ms": 200}).start()
    subscribe(hooks, "/slow", delivery={"ratePerSecond": 4})
    publish(hooks, 16)
    assert wait_until(lambda: hooks.stats()["spilled"] > 0)
    subscribe(hooks, "/other")
    hooks.publish(PATH, "update", {"n": "other"})
    assert wait_until(lambda: any(r.path == "/other" for r in receiver.requests), 2)
    receiver.wait_for(18, timeout=20)
    slow = sorted(r.received_at for r in receiver.requests if r.path == "/slow")
    assert len(slow) == 17
    assert slow[16] - slow[0] > 2.9


def test_it_is_kept_and_shown_and_may_be_changed(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make()
    info = subscribe(hooks, delivery={"ratePerSecond": 0.1})
    hooks.close()
    hooks = make().start()
    shown = hooks.subscription(info.id)
    assert shown.subscription.delivery == {"ratePerSecond": 0.1}
    assert json.loads(shown.subscription.to_json())["delivery"] == {"ratePerSecond": 0.1}
    publish(hooks, 4)
    receiver.wait_for(1)
    hooks.update(info.id, delivery={"ratePerSecond": 1000})
    receiver.wait_for(4, timeout=5)


@pytest.mark.parametrize("rate", [0, -1, 0.009, 1001, float("inf"), float("nan"), "5", None, True])
def test_a_rate_that_cannot_be_kept_is_refused(
    hooks: Dispatcher, subscribe: Subscribe, rate: object
) -> None:
    with pytest.raises(ValidationError):
        subscribe(hooks, delivery={"ratePerSecond": rate})
