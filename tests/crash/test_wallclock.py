"""A wall clock that is set while a dispatcher delivers: by years, to and fro, after a suspend.

The process' clock is set from outside (``wallclock.c``, preloaded); the clock that nobody
sets runs on, as it does in a real machine.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hand import SETTINGS, Hand
from seen import rows, wait_until

from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver

Lead = Callable[..., Hand]
Wallclock = Callable[[int], None]

TEN_YEARS, HOUR = 3_652 * 86_400, 3_600
BEYOND_THE_LEASE = 2.5 * SETTINGS["lease_ms"] / 1_000


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    return tmp_path / "clock"


@pytest.fixture
def set_by(clock: Path) -> Wallclock:
    """Sets the process' wall clock so many seconds off."""

    def set_clock(seconds: int) -> None:
        new = clock.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(clock)

    set_clock(0)
    return set_clock


@pytest.fixture
def timed(built: Path, clock: Path, set_by: Wallclock) -> dict[str, str]:
    """An environment in which the clock is that one."""
    return {"LD_PRELOAD": str(built / "wallclock.so"), "WHS_CLOCK": str(clock)}


@pytest.fixture
def hand(lead: Lead, timed: dict[str, str]) -> Hand:
    return lead(timed)


def arrived(receiver: Receiver) -> list[int]:
    return [request.json()["data"]["n"] for request in receiver.requests]


def publish_elsewhere(database: Path, n: int) -> None:
    """By another process' store: it is found by looking, nobody is woken."""
    publisher = Dispatcher(f"sqlite:///{database}", authorizer=allow_all)
    publisher.publish("tenant/acme/sidedrawer/s1/record/r1", "update", {"n": n})
    publisher.close()


def test_the_process_sees_the_clock_that_was_set(
    hand: Hand, set_by: Wallclock, database: Path
) -> None:
    """Or else the other tests would show nothing."""
    set_by(TEN_YEARS)
    hand.publish(1)
    [(published,)] = rows(database, "SELECT published_at FROM webhooksub_event")
    assert published / 1_000 > time.time() + TEN_YEARS - 60


@pytest.mark.parametrize("seconds", [TEN_YEARS, -TEN_YEARS, HOUR, -HOUR, 1, -1])
def test_a_clock_that_is_set_stops_nothing(
    hand: Hand, set_by: Wallclock, receiver: Receiver, database: Path, seconds: int
) -> None:
    hand.publish(1)
    receiver.wait_for(1, timeout=30)
    set_by(seconds)
    hand.publish(2)
    receiver.wait_for(2, timeout=30)
    time.sleep(BEYOND_THE_LEASE)
    hand.publish(3)
    receiver.wait_for(3, timeout=30)
    publish_elsewhere(database, 4)
    receiver.wait_for(4, timeout=30)
    assert hand.flush()
    assert arrived(receiver) == [1, 2, 3, 4]


def test_a_clock_that_goes_to_and_fro_stops_nothing(
    hand: Hand, set_by: Wallclock, receiver: Receiver
) -> None:
    for n in range(40):
        set_by(-(n % 2))
        hand.publish(n)
        time.sleep(0.05)
    assert hand.flush()
    assert sorted(arrived(receiver)) == list(range(40))


@pytest.mark.parametrize("seconds", [TEN_YEARS, -TEN_YEARS, HOUR, -HOUR])
def test_a_retry_that_waits_while_the_clock_is_set_is_made(
    lead: Lead,
    timed: dict[str, str],
    set_by: Wallclock,
    receiver: Receiver,
    database: Path,
    seconds: int,
) -> None:
    hand = lead(timed, retry_steps_ms=[5_000])
    receiver.script([503])
    hand.publish(1)
    waiting = "SELECT count(*) FROM webhooksub_delivery WHERE state = 1 AND attempts = 1"
    assert wait_until(lambda: rows(database, waiting) == [(1,)], 30)
    set_by(seconds)
    receiver.wait_for(2, timeout=30)
    assert hand.flush()
    assert arrived(receiver) == [1, 1]


def test_what_waited_through_a_suspend_is_sent_once_each_and_not_all_at_once(
    lead: Lead, timed: dict[str, str], set_by: Wallclock, receiver: Receiver
) -> None:
    """An hour passed, of which the clock that nobody sets knows nothing."""
    hand = lead(timed, retry_steps_ms=[600_000], in_flight_per_origin=4)
    receiver.answer(status=503)
    hand.publish(*range(60))
    receiver.wait_for(60, timeout=30)
    assert hand.flush()
    receiver.answer(status=204)
    set_by(HOUR)
    receiver.wait_for(120, timeout=30)
    assert hand.flush()
    assert sorted(arrived(receiver)[60:]) == list(range(60))
    assert receiver.connections <= 4
