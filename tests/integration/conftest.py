"""A dispatcher on a real file or in memory, and a receiver on a real TLS socket."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import KEY, RECORDS, Make

from webhooksub import Dispatcher, OperatorEvent, SubscriptionInfo, allow_all
from webhooksub.testing import Receiver

QUICK = {
    "retry_steps_ms": (100,),
    "retry_jitter": 0,
    "poll_ms": 30,
    "connect_timeout_ms": 2_000,
    "total_timeout_ms": 3_000,
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
def make(tmp_path: Path, told: list[OperatorEvent]) -> Iterator[Make]:
    """Dispatchers, by default on one file; `url` names another store."""
    made: list[Dispatcher] = []

    def make_one(url: str = "", **settings: Any) -> Dispatcher:
        given: dict[str, Any] = {"authorizer": allow_all, "dev": True, "config": {}} | settings
        given["config"] = QUICK | given["config"]
        url = url or f"sqlite:///{tmp_path / 'hooks.db'}"
        made.append(Dispatcher(url, on_operator_event=told.append, **given))
        return made[-1]

    yield make_one
    for hooks in made:
        hooks.close(grace=0)


@pytest.fixture(params=["sqlite", "memory"])
def hooks(request: pytest.FixtureRequest, make: Make) -> Dispatcher:
    """A started dispatcher on either kind of store."""
    return make("memory://" if request.param == "memory" else "").start()


@pytest.fixture
def subscribe(receiver: Receiver) -> Callable[..., SubscriptionInfo]:
    def subscribe_one(hooks: Dispatcher, path: str = "/hook", **fields: Any) -> SubscriptionInfo:
        given = {"expires": timedelta(days=1), "integrity_key": KEY} | fields
        resource = given.pop("resource", RECORDS)
        url = given.pop("url", None) or receiver.url(path)
        return hooks.subscribe(resource, given.pop("action", "any"), url, **given)

    return subscribe_one
