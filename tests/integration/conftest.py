"""A dispatcher on a real file or in memory, and a receiver on a real TLS socket."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from acme import KEY, RECORDS, Make

from webhooksub import Dispatcher, OperatorEvent, SubscriptionInfo, allow_all
from webhooksub.testing import Receiver

QUICK = {
    "retry_steps_ms": (100,),
    "retry_jitter": 0,
    "poll_ms": 30,
    "connect_timeout_ms": 10_000,
    "total_timeout_ms": 20_000,
    "grace_ms": 200,
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as endpoint:
        yield endpoint


@pytest.fixture
def told() -> list[OperatorEvent]:
    """What operators were told by the dispatchers of `make`."""
    return []


@pytest.fixture
def make(kit: Any, told: list[OperatorEvent]) -> Iterator[Make]:
    """Dispatchers, by default all on the test's store; `url` names another one."""
    made: list[Dispatcher] = []

    def make_one(url: str = "", **settings: Any) -> Dispatcher:
        given: dict[str, Any] = {"authorizer": allow_all, "dev": True, "config": {}} | settings
        given["config"] = QUICK | given["config"]
        made.append(Dispatcher(url or kit.url, on_operator_event=told.append, **given))
        return made[-1]

    yield make_one
    for hooks in made:
        hooks.close(grace=0)


@pytest.fixture
def url(kit: Any) -> str:
    """Of each kind of store, for `make`."""
    given: str = kit.url
    return given


@pytest.fixture
def hooks(make: Make) -> Dispatcher:
    """A started dispatcher on each kind of store."""
    return make().start()


@pytest.fixture
def subscribe(receiver: Receiver) -> Callable[..., SubscriptionInfo]:
    def subscribe_one(hooks: Dispatcher, path: str = "/hook", **fields: Any) -> SubscriptionInfo:
        given = {"expires": timedelta(days=1), "integrity_key": KEY} | fields
        resource = given.pop("resource", RECORDS)
        url = given.pop("url", None) or receiver.url(path)
        return hooks.subscribe(resource, given.pop("action", "any"), url, **given)

    return subscribe_one
