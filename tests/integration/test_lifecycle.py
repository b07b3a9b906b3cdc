"""News about subscriptions: to the operator always, to endpoints where that is switched on."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from acme import KEY, PATH, RECORDS, Make
from evil import Evil, Peer
from seen import wait_until

from webhooksub import Dispatcher, OperatorEvent, SubscriptionInfo, Verifier, allow_all
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]
ALL = ("expiring", "removed", "missed", "disabled")
DAY = 86_400_000


class Owners:
    """Who owns what may lose it."""

    lost = False

    def allows(self, actor: Any, root: Any, operation: str) -> bool:
        return True

    roots = allow_all.roots

    def owner_id(self, actor: Any) -> str:
        return "ann"

    def still_allowed(self, owner_id: str, root: Any) -> bool:
        return not self.lost


class Moved:
    """The real time, and what it is moved by."""

    def __init__(self) -> None:
        self._now = Dispatcher.in_memory(authorizer=allow_all).clock
        self.by = 0

    def __call__(self) -> int:
        return self._now() + self.by


def news(receiver: Receiver, moved_ms: int = 3_600_000) -> list[dict[str, Any]]:
    """Of the requests that are no events, each verified, at the time of a moved clock."""
    found = []
    verifier = Verifier(KEY, tolerance=moved_ms // 1_000 + 300)
    for request in receiver.requests:
        [notification] = verifier.verify(request.body, request.headers.items())
        if notification.modification_type == "lifecycle":
            assert notification.resource_path == RECORDS
            assert notification.id == request.headers["webhook-id"]
            found.append(notification.data)
    return found


def kinds(told: list[OperatorEvent], *kinds: str) -> list[OperatorEvent]:
    return [event for event in told if event.kind in kinds]


@pytest.mark.parametrize("url", ["", "memory://"])
def test_an_end_that_comes_near_is_told_once_and_in_time(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent], url: str
) -> None:
    clock = Moved()
    hooks = make(url, clock=clock, config={"lifecycle": ALL}).start()
    soon = subscribe(hooks, expires=timedelta(days=5), brand_code="mybrand")
    subscribe(hooks, expires=timedelta(days=30))
    paused = subscribe(hooks, expires=timedelta(days=5))
    hooks.pause(paused.id)
    clock.by = int(2.5 * DAY)
    receiver.wait_for(1)
    [event] = kinds(told, "expiring")
    assert event.facts["subscription_id"] == soon.id
    [request] = receiver.requests
    body = request.json()
    assert body["brandCode"] == "mybrand"
    assert soon.subscription is not None
    assert body["data"] == {
        "lifecycle": "expiring",
        "expirationDateTime": soon.subscription.expires_text,
    }
    clock.by += 120_000
    assert wait_until(lambda: hooks._loop._news._look_at > clock() + 30_000)  # type: ignore[union-attr]
    assert len(kinds(told, "expiring")) == 1
    assert hooks.deliveries() == []


def test_an_end_that_was_told_is_not_told_again_after_a_restart(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    first = make()
    subscribe(first, expires=timedelta(days=1))
    first.start()
    assert wait_until(lambda: bool(kinds(told, "expiring")))
    first.close()
    second = make().start()
    assert wait_until(lambda: second._loop._news._look_at > 0)  # type: ignore[union-attr]
    assert len(kinds(told, "expiring")) == 1


def test_endpoints_hear_nothing_unless_that_is_switched_on(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    hooks = make()
    info = subscribe(hooks, expires=timedelta(days=1))
    hooks.start()
    assert wait_until(lambda: bool(kinds(told, "expiring")))
    hooks.unsubscribe(info.id)
    assert hooks._lifecycle.wait(5)
    assert receiver.requests == []


@pytest.mark.parametrize("started", [True, False])
def test_a_removed_one_is_told_also_by_a_publisher(
    make: Make, receiver: Receiver, subscribe: Subscribe, started: bool
) -> None:
    hooks = make(config={"lifecycle": ("removed",)})
    if started:
        hooks.start()
    info = subscribe(hooks, delivery={"batch": {"maxNotifications": 2}})
    hooks.unsubscribe(info.id)
    receiver.wait_for(1)
    assert isinstance(receiver.requests[0].json(), list)
    assert news(receiver) == [{"lifecycle": "removed"}]


def test_nothing_is_said_of_a_removed_one_when_it_would_be_late(
    make: Make, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    """The endpoint's only sender is busy for longer than a second."""
    clock = Moved()
    hooks = make("memory://", clock=clock, config={"lifecycle": ("removed",)}).start()
    released = threading.Event()

    def answer_when_released(peer: Peer) -> None:
        while peer.read_request() and released.wait(20):
            peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with Evil(answer_when_released) as endpoint:
        ids = [subscribe(hooks, url=endpoint.url()).id for _ in range(2)]
        hooks.unsubscribe(ids[0])
        endpoint.wait_for(1)
        hooks.unsubscribe(ids[1])
        clock.by = 1_001
        released.set()
        assert hooks._lifecycle.wait(10)
        assert len(endpoint.requests) == 1
    [event] = kinds(told, "lifecycle_unsent")
    assert event.facts == {"subscription_id": ids[1], "lifecycle": "removed"}


def test_a_disabled_one_is_told_with_its_reason(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    config = {"lifecycle": ("disabled",), "disable_after_ms": 1, "retry_steps_ms": (50,)}
    hooks = make(config=config).start()
    info = subscribe(hooks)
    receiver.script([500] * 2)
    hooks.publish(PATH, "update")
    assert wait_until(lambda: bool(kinds(told, "disabled")))
    [event] = kinds(told, "disabled")
    assert event.facts["subscription_id"] == info.id
    assert wait_until(lambda: bool(news(receiver)))
    reason = "the endpoint answered nothing but errors"
    assert news(receiver) == [{"lifecycle": "disabled", "reason": reason}]


def test_an_endpoint_that_is_gone_is_left_alone(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    hooks = make(config={"lifecycle": ALL}).start()
    subscribe(hooks, expires=timedelta(days=30))
    receiver.answer(410)
    hooks.publish(PATH, "update")
    assert wait_until(lambda: bool(kinds(told, "disabled")))
    assert hooks._lifecycle.wait(5)
    assert [data for data in news(receiver) if data["lifecycle"] == "disabled"] == []


def test_who_lost_access_is_told(make: Make, receiver: Receiver, subscribe: Subscribe) -> None:
    owners = Owners()
    hooks = make(authorizer=owners, config={"lifecycle": ("disabled",), "recheck_ms": 50}).start()
    subscribe(hooks)
    owners.lost = True
    receiver.wait_for(1)
    reason = "its owner may no longer receive what happens here"
    assert news(receiver) == [{"lifecycle": "disabled", "reason": reason}]


def test_what_was_missed_is_counted_and_told_once_an_hour(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    clock = Moved()
    config = {"lifecycle": ("missed",), "retry_max_retries": 0}
    hooks = make("memory://", clock=clock, config=config).start()
    subscribe(hooks, expires=timedelta(days=30))
    receiver.script([400, 200, 400, 400, 200, 200])
    hooks.publish(PATH, "update")
    assert wait_until(lambda: len(news(receiver)) == 1)
    for _ in range(2):
        hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    assert len(news(receiver)) == 1
    clock.by = 3_600_000
    assert wait_until(lambda: len(news(receiver)) == 2)
    assert news(receiver) == [
        {"lifecycle": "missed", "deliveries": 1},
        {"lifecycle": "missed", "deliveries": 2},
    ]


def test_news_that_nobody_takes_are_told_to_the_operator_and_not_tried_again(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    hooks = make(config={"lifecycle": ("removed",)}).start()
    info = subscribe(hooks)
    receiver.answer(500)
    hooks.unsubscribe(info.id)
    assert wait_until(lambda: bool(kinds(told, "lifecycle_unsent")))
    [event] = kinds(told, "lifecycle_unsent")
    assert event.facts["outcome"] == "http_error"
    assert hooks._lifecycle.wait(5)
    assert len(receiver.requests) == 1


def test_news_have_a_queue_that_is_bounded(
    make: Make, receiver: Receiver, subscribe: Subscribe, told: list[OperatorEvent]
) -> None:
    config = {"lifecycle": ("removed",), "lifecycle_queue_max": 2, "total_timeout_ms": 30_000}
    hooks = make(config=config).start()
    receiver.answer(200, delay=8)
    ids = [subscribe(hooks).id for _ in range(6)]
    for id_ in ids:
        hooks.unsubscribe(id_)
        receiver.wait_for(1)
    [event] = kinds(told, "lifecycle_full")
    assert "lifecycle_queue_max: 2" in event.message
    assert hooks._lifecycle.wait(30)
    assert len(receiver.requests) <= 3


def test_closing_waits_for_what_is_being_sent_and_starts_nothing_more(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make(config={"lifecycle": ("removed",)}).start()
    receiver.answer(200, delay=8)
    ids = [subscribe(hooks).id for _ in range(3)]
    for id_ in ids:
        hooks.unsubscribe(id_)
        receiver.wait_for(1)
    hooks.close(grace=15)
    assert len(receiver.requests) <= 1
    assert not [t for t in threading.enumerate() if t.name == "webhooksub-lifecycle"]
