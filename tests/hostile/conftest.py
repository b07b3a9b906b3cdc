"""A dispatcher in memory that tries once, and endpoints that misbehave."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import PATH, RECORDS, Make
from evil import Behaviour, Evil

from webhooksub import Delivery, Dispatcher, allow_all

# A retry stays where it can be seen; an attempt is given up soon.
PATIENT = {
    "retry_steps_ms": (60_000,),
    "retry_jitter": 0,
    "poll_ms": 30,
    "connect_timeout_ms": 4_000,
    "total_timeout_ms": 5_000,
    "spill_after_ms": 60_000,
}

Serve = Callable[..., Evil]
Deliver = Callable[..., Delivery]


@pytest.fixture
def make() -> Iterator[Make]:
    """Started dispatchers in memory, open to loopback."""
    made: list[Dispatcher] = []

    def make_one(**settings: Any) -> Dispatcher:
        given: dict[str, Any] = {"authorizer": allow_all, "dev": True, "config": {}} | settings
        given["config"] = PATIENT | given["config"]
        made.append(Dispatcher.in_memory(**given))
        return made[-1].start()

    yield make_one
    for hooks in made:
        hooks.close(grace=0)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Endpoints that behave as a function says."""
    made: list[Evil] = []

    def serve_one(behave: Behaviour, **settings: Any) -> Evil:
        made.append(Evil(behave, **settings))
        return made[-1]

    yield serve_one
    for endpoint in made:
        endpoint.close()


@pytest.fixture
def deliver() -> Deliver:
    """Subscribes to an update of one record, publishes it, and answers what became of it."""

    def deliver_one(hooks: Dispatcher, url: str, data: Any = None, **fields: Any) -> Delivery:
        given = {"expires": timedelta(days=1), "max_retries": 0} | fields
        info = hooks.subscribe(RECORDS, "update", url, **given)
        event = hooks.publish(PATH, "update", data)
        assert hooks.flush(timeout=20).complete
        [delivery] = hooks.deliveries(event=event.id, subscription=info.id)
        return delivery

    return deliver_one


@pytest.fixture(scope="session")
def preload(tmp_path_factory: pytest.TempPathFactory) -> str:
    """For LD_PRELOAD: resolver.c, compiled, behind what is there already, a sanitizer. Where
    there is no compiler it comes ready."""
    before = os.environ.get("LD_PRELOAD", "")
    if ready := os.environ.get("HOSTILE_RESOLVER"):
        return f"{before} {ready}"
    library = tmp_path_factory.mktemp("preload") / "resolver.so"
    source = Path(__file__).with_name("resolver.c")
    flags = ["-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", library, source, "-ldl"], check=True)
    return f"{before} {library}"
