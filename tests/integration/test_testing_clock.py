"""Moving the clock makes a real dispatcher do at once what is due later."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from acme import KEY, PATH, RECORDS

from webhooksub import DeliveryState, Dispatcher, SubscriptionStatus, allow_all
from webhooksub.dispatcher import system_clock
from webhooksub.testing import Answer, Clock, Receiver


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as endpoint:
        yield endpoint


@pytest.fixture
def hooks(url: str, clock: Clock) -> Iterator[Dispatcher]:
    with Dispatcher(url, authorizer=allow_all, dev=True, clock=clock) as started:
        yield started


def subscribe(hooks: Dispatcher, receiver: Receiver, **fields: object) -> str:
    given = {"expires": timedelta(days=30), "integrity_key": KEY} | fields
    return hooks.subscribe(RECORDS, "any", receiver.url("/hook"), **given).id


def test_advancing_makes_the_retry_happen(
    hooks: Dispatcher, clock: Clock, receiver: Receiver
) -> None:
    subscribe(hooks, receiver)
    receiver.script([500])
    hooks.publish(PATH, "update", {"name": "Taxes"})
    assert hooks.flush(10).waiting == 1
    clock.advance(minutes=5)
    result = hooks.flush(10)
    assert (result.delivered, result.waiting) == (1, 0)
    assert [r.status for r in receiver.requests] == [500, 200]
    first, second = receiver.notifications(KEY)
    assert first.id == second.id


def test_advancing_is_seen_without_being_asked_for(
    hooks: Dispatcher, clock: Clock, receiver: Receiver
) -> None:
    subscribe(hooks, receiver)
    receiver.script([500])
    hooks.publish(PATH, "update")
    hooks.flush(10)
    clock.advance(minutes=5)
    assert [r.status for r in receiver.wait_for(2)] == [500, 200]


def test_time_that_is_not_moved_brings_no_retry(hooks: Dispatcher, receiver: Receiver) -> None:
    subscribe(hooks, receiver)
    receiver.script([500])
    hooks.publish(PATH, "update")
    assert [hooks.flush(10).waiting for _ in range(3)] == [1, 1, 1]
    assert len(receiver.requests) == 1


def test_retry_after_is_waited_for_by_the_clock(
    hooks: Dispatcher, clock: Clock, receiver: Receiver
) -> None:
    subscribe(hooks, receiver)
    receiver.script([Answer(429, headers={"Retry-After": "3600"}), 503])
    hooks.publish(PATH, "update")
    hooks.flush(10)
    clock.advance(minutes=59)
    hooks.flush(10)
    assert len(receiver.requests) == 1
    clock.advance(minutes=20)
    assert hooks.flush(10).retried == 1
    assert [r.status for r in receiver.requests] == [429, 503]


def test_the_whole_schedule_passes_in_no_time(
    hooks: Dispatcher, clock: Clock, receiver: Receiver
) -> None:
    subscribe(hooks, receiver)
    receiver.answer(500)
    hooks.publish(PATH, "update")
    for _ in range(10):
        hooks.flush(10)
        clock.advance(days=1, hours=5)
    assert len(receiver.requests) == 10
    assert [d.state for d in hooks.deliveries()] == [DeliveryState.DEAD]


def test_a_subscription_expires_by_the_clock(
    hooks: Dispatcher, clock: Clock, receiver: Receiver
) -> None:
    id_ = subscribe(hooks, receiver, expires=timedelta(hours=1))
    clock.advance(hours=1)
    hooks.flush(10)
    hooks.publish(PATH, "update")
    assert hooks.flush(10).delivered == 0
    assert hooks.subscription(id_).status is SubscriptionStatus.EXPIRED
    assert receiver.requests == []


def test_the_lease_is_kept_however_far_the_clock_is_moved(
    hooks: Dispatcher, clock: Clock, receiver: Receiver
) -> None:
    subscribe(hooks, receiver, expires=timedelta(days=4_000))
    for _ in range(5):
        clock.advance(days=400)
        hooks.publish(PATH, "update")
        assert hooks.flush(10).delivered == 1
    assert not hooks.stats()["fenced"]


def test_an_installed_clock_moves_dispatchers_that_were_given_none(
    clock: Clock, receiver: Receiver, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    with Dispatcher(url, authorizer=allow_all, dev=True) as hooks:
        subscribe(hooks, receiver)
        receiver.script([500, 500, 200])
        with clock.installed():
            hooks.publish(PATH, "update")
            assert hooks.flush(10).waiting == 1
            clock.advance(minutes=1)
            assert hooks.flush(10).retried == 1
            clock.advance(hours=1)
            assert hooks.flush(10).delivered == 1
        assert len(receiver.requests) == 3


def test_a_dispatcher_outlives_a_clock_that_was_installed(
    clock: Clock, receiver: Receiver, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    config = {"heartbeat_ms": 50, "lease_ms": 500, "retry_steps_ms": (100,)}
    with Dispatcher(url, authorizer=allow_all, dev=True, config=config) as hooks:
        subscribe(hooks, receiver)
        with clock.installed():
            clock.advance(days=2)
            hooks.publish(PATH, "update")
            assert hooks.flush(10).delivered == 1
        assert abs(system_clock() - time.time() * 1_000) < 10_000
        receiver.script([500])
        deadline = time.monotonic() + 1  # twice the lease
        while time.monotonic() < deadline:
            hooks.publish(PATH, "update")
            assert hooks.flush(10).complete
        receiver.wait_for(3)
        assert hooks.flush(10).complete
        assert not hooks.stats()["fenced"]
        assert {r.status for r in receiver.requests[2:]} == {200}


def test_time_does_not_go_back(clock: Clock) -> None:
    before = clock()
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(seconds=-1)
    clock.advance(minutes=1)
    assert clock() >= before + 60_000
    assert abs(clock.now.timestamp() * 1000 - clock()) < 1_000
    assert "0:01:00 ahead" in repr(clock)
