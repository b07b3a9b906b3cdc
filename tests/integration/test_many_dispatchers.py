"""Several dispatchers deliver from one PostgreSQL."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from acme import PATH, Make
from seen import wait_until

from webhooksub import ConfigurationError, Dispatcher, OperatorEvent, SubscriptionInfo
from webhooksub.testing import Receiver

pytestmark = pytest.mark.stores("postgresql")

Subscribe = Callable[..., SubscriptionInfo]
# Small claims, so that there is something left for the others.
SMALL = {"claim_events": 5, "poll_ms": 20, "breaker_open_ms": 300}


def start(make: Make, many: int, **config: Any) -> list[Dispatcher]:
    return [make(config=SMALL | config).start() for _ in range(many)]


def numbers(receiver: Receiver) -> Counter[int]:
    return Counter(request.json()["data"]["n"] for request in receiver.requests)


def publish(hooks: Dispatcher, many: int, first: int = 0) -> None:
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(first, first + many)])


def test_each_event_is_delivered_once_and_the_work_is_spread(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    publisher, sharing = make(), start(make, 3)
    subscribe(publisher)
    # Who finds an event first is left to the scheduler.
    for published in range(300, 6_300, 300):
        for first in range(published - 300, published, 30):
            publish(publisher, 30, first)
        receiver.wait_for(published, timeout=40)
        assert wait_until(lambda: publisher.stats()["outbox"] == 0, 40)
        assert numbers(receiver) == Counter(range(published))
        shares = [hooks.stats()["delivered"] for hooks in sharing]
        assert sum(shares) == published
        if min(shares) >= 30:
            return
    raise AssertionError(shares)


def test_a_subscription_is_heard_by_all_from_the_next_event_on(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    one, two, _ = start(make, 3)
    for n in range(10):
        info = subscribe(one, f"/{n}")
        two.publish(PATH, "update", {"n": n})
        one.unsubscribe(info.id)
        two.publish(PATH, "update", {"n": -1})
    assert wait_until(lambda: one.stats()["outbox"] == 0, 30)
    # What was published just before its end may be cancelled by it.
    heard = {(request.path, request.json()["data"]["n"]) for request in receiver.requests}
    assert heard <= {(f"/{n}", n) for n in range(10)}
    last = subscribe(one, "/last")
    two.publish(PATH, "update", {"n": 10})
    assert wait_until(lambda: any(r.path == "/last" for r in receiver.requests), 20)
    assert one.subscription(last.id).id == last.id


def test_what_one_held_that_fell_silent_is_delivered_by_another(
    make: Make,
    kit: Any,
    receiver: Receiver,
    subscribe: Subscribe,
    told: list[OperatorEvent],
) -> None:
    quick = {"heartbeat_ms": 100, "in_flight_per_subscription": 1, "spill_after_ms": 60_000}
    [dead] = start(make, 1, **quick)
    subscribe(dead)
    receiver.answer(delay=0.3)
    publish(dead, 20)
    receiver.wait_for(1)
    living = make(config=SMALL | quick).start()
    kit.die(dead._store)
    receiver.answer(delay=0)
    assert wait_until(lambda: living.stats()["outbox"] == 0, 40)
    assert set(numbers(receiver)) == set(range(20))
    assert wait_until(lambda: "fenced" in {event.kind for event in told})


def test_who_ends_hands_over_at_once(make: Make, receiver: Receiver, subscribe: Subscribe) -> None:
    first, second = start(make, 2, in_flight_per_subscription=1, spill_after_ms=60_000)
    subscribe(first)
    receiver.answer(delay=0.2)
    publish(first, 20)
    receiver.wait_for(1)
    receiver.answer(delay=0)
    first.close(grace=5)
    assert wait_until(lambda: set(numbers(receiver)) == set(range(20)), 40)
    assert wait_until(lambda: second.stats()["waiting"] == 0)


def test_a_time_to_take_over_that_is_no_longer_than_the_lease_is_refused(make: Make) -> None:
    with pytest.raises(ConfigurationError, match="takeover_ms"):
        make(config={"takeover_ms": 30_000}).start()
