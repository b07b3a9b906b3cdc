"""Customers of one service: who belongs to which tenant is what their token says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from members import Members

from webhooksub import Dispatcher
from webhooksub.testing import Receiver

RECORDS = "tenant/acme/sidedrawer/s1/record"
KEY = "a-key-that-no-answer-shows"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as endpoint:
        yield endpoint


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Dispatcher]:
    """Not started; of a service whose members see their own tenants alone."""
    config = {"poll_ms": 30, "grace_ms": 200, "retry_steps_ms": (100,)}
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    made = Dispatcher(url, authorizer=Members(), dev=True, config=config)
    yield made
    made.close(grace=0)


@pytest.fixture
def document(receiver: Receiver) -> dict[str, Any]:
    """A subscription that a member of acme may make."""
    return {
        "modificationType": "any",
        "notificationUrl": receiver.url("/hook"),
        "resource": RECORDS,
        "expirationDateTime": "2126-07-07T14:40:40-03:00",
        "integrityKey": KEY,
    }
