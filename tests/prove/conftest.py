"""What the provers share: a dispatcher on a real file, a receiver on a real TLS socket.

With ``SABOTAGE=name`` in the environment one thing is broken on purpose: those in C are
built into the extension that runs (``webhooksub._core.SABOTAGE``), those in Python are put
in place here.
"""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sabotage

from webhooksub import Dispatcher, allow_all, catalogs
from webhooksub.testing import Receiver

SETTINGS = {
    "retry_steps_ms": (100,),
    "retry_jitter": 0,
    "poll_ms": 50,
    "spill_after_ms": 500,
    "connect_timeout_ms": 10_000,
    "total_timeout_ms": 20_000,
    "grace_ms": 200,
}


@pytest.fixture(autouse=True, scope="session")
def sabotaged() -> Iterator[None]:
    with sabotage.in_place(os.environ.get("SABOTAGE", "")):
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as endpoint:
        yield endpoint


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "hooks.db"


Make = Callable[..., Dispatcher]


@pytest.fixture
def make(database: Path) -> Iterator[Make]:
    """Dispatchers on one database file, closed at the end."""
    made: list[Dispatcher] = []

    def make_one(*, dev: bool = True, **settings: Any) -> Dispatcher:
        hooks = Dispatcher(
            f"sqlite:///{database}",
            catalog=catalogs.SIDEDRAWER,
            authorizer=allow_all,
            dev=dev,
            config=SETTINGS | settings,
        )
        made.append(hooks)
        return hooks

    yield make_one
    for hooks in made:
        hooks.close(grace=0)


@pytest.fixture
def subscribe(receiver: Receiver) -> Callable[..., str]:
    def subscribe_one(hooks: Dispatcher, path: str = "/hook", **fields: Any) -> str:
        given = {"expires": timedelta(days=1), "integrity_key": "k" * 32} | fields
        resource = given.pop("resource", "tenant/acme/sidedrawer/s1/record")
        url = given.pop("url", None) or receiver.url(path)
        return hooks.subscribe(resource, "any", url, **given).id

    return subscribe_one
