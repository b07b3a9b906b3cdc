"""A rhythm goes on whatever becomes of the wall clock."""

import pytest

from webhooksub import steady
from webhooksub.steady import SteadyClock


class Clocks:
    """Both, set by hand."""

    def __init__(self) -> None:
        self.wall, self.uptime = 1_800_000_000_000, 5_000

    def pass_by(self, ms: int) -> None:
        self.wall += ms
        self.uptime += ms


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr(steady, "_uptime", lambda: made.uptime)
    return made


def test_it_counts_what_passes(clocks: Clocks) -> None:
    now = SteadyClock(lambda: clocks.wall)
    assert now() == 0
    clocks.pass_by(250)
    assert now() == 250


def test_a_wall_clock_that_is_set_back_does_not_stop_it(clocks: Clocks) -> None:
    now = SteadyClock(lambda: clocks.wall)
    clocks.wall -= 3_600_000
    assert now() == 0
    clocks.pass_by(250)
    assert now() == 250


def test_a_wall_clock_that_is_set_on_takes_it_along(clocks: Clocks) -> None:
    now = SteadyClock(lambda: clocks.wall)
    clocks.wall += 3_600_000
    clocks.pass_by(250)
    assert now() == 3_600_250
    clocks.wall -= 3_600_000
    assert now() == 3_600_250, "and back again it does not go back"


def test_it_is_no_faster_for_being_asked_often(clocks: Clocks) -> None:
    start_wall, start_uptime = clocks.wall, clocks.uptime
    now = SteadyClock(lambda: clocks.wall)
    for microseconds in range(0, 1_000_001, 300):
        clocks.wall = start_wall + (microseconds + 400) // 1_000
        clocks.uptime = start_uptime + microseconds // 1_000
        now()
    assert now() == 999
