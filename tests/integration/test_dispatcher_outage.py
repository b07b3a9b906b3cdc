"""A store that does not answer stops starts, loses nothing, and everything resumes."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from acme import PATH, Make
from seen import wait_until

from webhooksub import Dispatcher, OperatorEvent, StoreUnavailable, SubscriptionInfo
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]


def failing_once(hooks: Dispatcher, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The store's method does not answer the next time it is called."""
    real, calls = getattr(hooks._store, name), list[str]()

    def fail_first(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == 1:
            raise StoreUnavailable("no answer")
        return real(*args, **kwargs)

    monkeypatch.setattr(hooks._store, name, fail_first)
    return calls


def test_events_claimed_before_the_store_failed_are_delivered(
    make: Make, receiver: Receiver, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks, publisher = make(), make()
    subscribe(hooks)
    hooks.start()
    hooks.flush(timeout=5)
    changed = failing_once(hooks, "changes", monkeypatch)
    subscribe(publisher, "/late")  # so that the claimed event needs the store once more
    publisher.publish_many([(PATH, "update", {"n": n}) for n in range(10)])
    assert wait_until(lambda: len(receiver.requests) == 20)
    assert len(changed) >= 2


def test_due_deliveries_that_could_not_be_released_are_not_forgotten(
    make: Make, receiver: Receiver, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = make(config={"spill_after_ms": 60_000}).start()
    info = subscribe(hooks)
    receiver.script([500])
    released = failing_once(hooks, "release_due", monkeypatch)
    monkeypatch.setattr(hooks._loop, "_engine", _Refusing(hooks._loop._engine))
    hooks.publish(PATH, "update", {"n": 1})
    assert wait_until(lambda: len(receiver.requests) == 1)
    assert wait_until(lambda: len(released) >= 2)
    assert hooks.deliveries(subscription=info.id)
    monkeypatch.undo()
    assert wait_until(lambda: len(receiver.requests) == 2)


class _Refusing:
    """An engine that takes no due delivery."""

    def __init__(self, engine: Any) -> None:
        self._real = engine

    def push_due(self, due: Any) -> list[bool]:
        return [False] * len(due)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_locked_database_delays_settling_and_then_all_is_settled(
    make: Make,
    receiver: Receiver,
    subscribe: Subscribe,
    kit: Any,
    told: list[OperatorEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webhooksub.store.sqlite.BUSY_TIMEOUT_MS", 100)
    monkeypatch.setattr("webhooksub.store.postgres._LOCK_TIMEOUT_MS", 100)
    hooks = make().start()
    subscribe(hooks)
    receiver.answer(delay=0.2)
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(40)])
    with kit.locked():
        assert wait_until(lambda: any(event.kind == "store_unavailable" for event in told), 20)
        time.sleep(0.5)
    assert hooks.flush(timeout=20).complete
    assert len({r.headers["webhook-id"] for r in receiver.requests}) == 40
    assert hooks.stats()["outbox"] == 0
    outages = [event for event in told if event.kind == "store_unavailable"]
    assert 1 <= len(outages) <= 3
