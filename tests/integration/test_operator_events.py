"""What whoever runs the service is told, and by which facts."""

import socket
from collections.abc import Callable
from typing import Any

from acme import PATH, Make
from seen import wait_until

from webhooksub import (
    DeliveryState,
    Dispatcher,
    OperatorEvent,
    Outcome,
    SubscriptionInfo,
    SubscriptionStatus,
)
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]


def publish(hooks: Dispatcher, count: int) -> None:
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(count)])


def kinds(told: list[OperatorEvent]) -> list[str]:
    return [event.kind for event in told]


def of_kind(told: list[OperatorEvent], kind: str) -> list[OperatorEvent]:
    return [event for event in told if event.kind == kind]


def test_a_full_backlog_is_told_once_however_many_deliveries_it_costs(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent], url: str
) -> None:
    hooks = make(
        url,
        config={"waiting_per_subscription_max": 10, "breaker_open_ms": 60_000},
    ).start()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        info = subscribe(hooks, url=f"https://localhost:{taken.getsockname()[1]}/")
        for _ in range(5):
            publish(hooks, 100)
            assert wait_until(lambda: hooks.stats()["outbox"] == 0)
    assert wait_until(lambda: "backlog_full" in kinds(told))
    [event] = of_kind(told, "backlog_full")
    assert event.facts["subscription_id"] == info.id
    refused = hooks.stats()["backlog_full"]
    assert 0 < event.facts["deliveries"] <= refused
    dead = hooks.deliveries(state="dead", limit=1_000)
    assert 480 <= len(dead) == refused <= 490
    assert {delivery.outcome for delivery in dead} == {Outcome.BACKLOG_FULL}
    hooks.update(info.id, notification_url=receiver.url("/hook"))
    receiver.wait_for(10)
    assert hooks.replay(state="dead") == refused
    assert wait_until(lambda: hooks.stats()["delivered"] == 500, 20)


def test_a_backlog_that_stays_full_is_told_again_after_the_interval_with_what_it_cost(
    make: Make, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    config = {"waiting_per_subscription_max": 10, "breaker_open_ms": 60_000, "tell_again_ms": 300}
    hooks = make(config=config).start()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        subscribe(hooks, url=f"https://localhost:{taken.getsockname()[1]}/")
        publish(hooks, 100)
        assert wait_until(lambda: len(of_kind(told, "backlog_full")) >= 1)
        publish(hooks, 50)
        assert wait_until(
            lambda: sum(e.facts["deliveries"] for e in of_kind(told, "backlog_full")) >= 130
        )
        assert wait_until(lambda: hooks.stats()["outbox"] == 0)
    assert 2 <= len(of_kind(told, "backlog_full")) <= 3


def test_an_event_that_is_quarantined_is_told_when_it_is_and_not_again(
    make: Make, kit: Any, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    first = make(config={"quarantine_claims": 1}).start()
    subscribe(first)
    receiver.answer(delay=30)
    event = first.publish(PATH, "update", {"n": 1})
    receiver.wait_for(1)
    kit.die(first._store)
    second = make(config={"quarantine_claims": 1}).start()
    [quarantined] = of_kind(told, "quarantined")
    assert quarantined.facts == {"event_id": event.id, "root": "tenant/acme"}
    assert second.stats()["quarantined"] == 1
    second.close(grace=0)
    make(config={"quarantine_claims": 1}).start()
    assert len(of_kind(told, "quarantined")) == 1


def test_an_event_is_told_as_quarantined_however_many_are_so_already(
    make: Make, kit: Any, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    many = 101
    long = {"spill_after_ms": 60_000, "total_timeout_ms": 60_000}
    first = make(config={"quarantine_claims": 1} | long).start()
    subscribe(first)
    receiver.answer(delay=30)
    publish(first, many)
    receiver.wait_for(1)
    kit.die(first._store)
    second = make(config={"quarantine_claims": 1}).start()
    assert len(of_kind(told, "quarantined")) == many
    event = second.publish(PATH, "update", {"name": "the last"})
    assert wait_until(lambda: any(b"the last" in r.body for r in receiver.requests))
    kit.die(second._store)
    make(config={"quarantine_claims": 1}).start()
    facts = [each.facts["event_id"] for each in of_kind(told, "quarantined")]
    assert len(facts) == many + 1 and facts[-1] == event.id


def test_a_subscription_that_only_fails_is_disabled_after_its_time_and_says_why(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent], url: str
) -> None:
    hooks = make(url, config={"disable_after_ms": 3_000, "retry_steps_ms": (500,)}).start()
    info = subscribe(hooks)
    receiver.answer(500)
    publish(hooks, 3)
    assert wait_until(lambda: hooks.subscription(info.id).status is SubscriptionStatus.DISABLED, 20)
    assert hooks.subscription(info.id).status_reason == "http_error"
    assert wait_until(lambda: "disabled" in kinds(told))
    [failing], [disabled] = of_kind(told, "failing"), of_kind(told, "disabled")
    assert failing.facts == disabled.facts == {"subscription_id": info.id, "outcome": "http_error"}
    assert len(receiver.requests) > 3, "it was tried for as long"
    # Nothing is sent any more; resumed, it is sent to again.
    receiver.answer(200)
    hooks.flush(timeout=10)
    count = len(receiver.requests)
    publish(hooks, 1)
    hooks.flush(timeout=10)
    assert len(receiver.requests) == count
    hooks.resume(info.id)
    publish(hooks, 1)
    receiver.wait_for(count + 1)


def test_a_success_in_between_starts_the_time_anew_and_is_told(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent], url: str
) -> None:
    hooks = make(url, config={"disable_after_ms": 60_000}).start()
    info = subscribe(hooks)
    receiver.script([500, 200, 500])
    publish(hooks, 1)
    assert wait_until(lambda: hooks.stats()["delivered"] == 1)
    publish(hooks, 1)
    assert wait_until(lambda: hooks.stats()["delivered"] == 2)
    changes = {"failing", "recovered"}
    assert wait_until(lambda: len([e for e in told if e.kind in changes]) == 4)
    of_it = [event for event in told if event.kind in changes]
    assert kinds(of_it) == ["failing", "recovered", "failing", "recovered"]
    assert {event.facts["subscription_id"] for event in of_it} == {info.id}


def test_410_disables_at_once_unless_it_is_switched_off(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    hooks = make(config={"disable_on_gone": False}).start()
    info = subscribe(hooks)
    receiver.script([410])
    publish(hooks, 1)
    assert wait_until(lambda: hooks.stats()["delivered"] == 1)
    assert hooks.subscription(info.id).status is SubscriptionStatus.ACTIVE
    hooks.close()
    hooks = make().start()
    receiver.script([410])
    publish(hooks, 1)
    assert wait_until(lambda: hooks.subscription(info.id).status is SubscriptionStatus.DISABLED)
    assert hooks.subscription(info.id).status_reason == "gone"
    [dead] = hooks.deliveries(state="dead")
    assert (dead.state, dead.outcome) == (DeliveryState.DEAD, Outcome.GONE)
    assert wait_until(lambda: "disabled" in kinds(told))
    [disabled] = of_kind(told, "disabled")
    assert disabled.facts == {"subscription_id": info.id, "outcome": "gone"}
