"""What these tests share: the test build, a receiver, dispatchers led by hand."""

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hand import RESOURCE, Hand

from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver

REPOSITORY = Path(__file__).parents[2]
# Beyond what a clock that is wrong by ten years says.
LATE = datetime(2200, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def built() -> Path:
    """build/crash: the extension with failpoints, and what is preloaded."""
    environ = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "SABOTAGE")}
    command = ["make", "--no-print-directory", "-j2", "crash-build"]
    folder = REPOSITORY / "build" / "crash"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        subprocess.run(command, cwd=REPOSITORY, check=True, env=environ, timeout=110)
    return folder


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as endpoint:
        yield endpoint


@pytest.fixture
def database(tmp_path: Path, receiver: Receiver) -> Path:
    """A file with one subscription, to the receiver."""
    path = tmp_path / "hooks.db"
    hooks = Dispatcher(f"sqlite:///{path}", authorizer=allow_all, dev=True)
    hooks.subscribe(RESOURCE, "any", receiver.url("/hook"), expires=LATE)
    hooks.close()
    return path


Lead = Callable[..., Hand]


@pytest.fixture
def lead(database: Path, receiver: Receiver) -> Iterator[Lead]:
    """Dispatchers on that file, in processes of their own."""
    made: list[Hand] = []

    def lead_one(environ: dict[str, str] | None = None, **config: Any) -> Hand:
        made.append(Hand(database, receiver.ca_pem, environ, **config))
        return made[-1]

    yield lead_one
    for hand in made:
        hand.close()
