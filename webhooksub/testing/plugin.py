"""The fixtures that pytest finds wherever webhooksub is installed (entry point ``pytest11``)."""

from collections.abc import Iterator

import pytest

from .capture import CapturedEvents, capture
from .clock import Clock
from .receiver import Receiver


@pytest.fixture
def published() -> Iterator[CapturedEvents]:
    """What is published in this test, seen inside its transaction; nothing is delivered."""
    with capture() as events:
        yield events


@pytest.fixture
def webhook_receiver() -> Iterator[Receiver]:
    """An HTTPS endpoint on this machine that keeps what it receives and answers by a script.

    A dispatcher with ``dev=True`` delivers to it.
    """
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def webhook_clock() -> Iterator[Clock]:
    """The time of every dispatcher in this test: ``advance(minutes=5)`` makes retries due."""
    with Clock().installed() as clock:
        yield clock
