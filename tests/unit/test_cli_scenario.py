"""How `listen` answers: a scenario's steps, then chance."""

import random
from pathlib import Path

import click
import pytest

from webhooksub.cli.scenario import Answering, Scenario, read_scenario
from webhooksub.testing import Answer

STEPS = """
[[answer]]
status = 503
times = 2
headers = { Retry-After = "2" }

[[answer]]
delay = 0.25
body = "taken"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "scenario.toml"


def answering(scenario: Scenario, fail_rate: float = 0.0, delay: float = 0.0) -> Answering:
    return Answering(scenario, fail_rate, delay, random.Random(1))


def test_steps_come_in_order_then_what_the_options_say(file: Path) -> None:
    file.write_text(STEPS)
    given = answering(read_scenario(file), fail_rate=1.0, delay=0.5)
    assert [given.next() for _ in range(5)] == [
        *[Answer(503, 0, {"Retry-After": "2"})] * 2,
        Answer(200, 0.25, {}, b"taken"),
        *[Answer(500, 0.5)] * 2,
    ]


def test_a_scenario_that_repeats_never_ends(file: Path) -> None:
    file.write_text("repeat = true\n" + STEPS)
    given = answering(read_scenario(file))
    assert [given.next().status for _ in range(9)] == [503, 503, 200] * 3


def test_the_share_that_fails_is_about_what_was_asked_for() -> None:
    given = answering(Scenario(), fail_rate=0.3)
    failed = sum(given.next().status == 500 for _ in range(10_000))
    assert 2_800 < failed < 3_200
    assert {answering(Scenario()).next().status for _ in range(100)} == {200}


def test_every_mistake_is_told_at_once_with_its_place(file: Path) -> None:
    file.write_text(
        """
        repeat = 1
        again = true
        [[answer]]
        status = 99
        delay = -1
        [[answer]]
        times = 0
        statu = 200
        headers = { a = "b\\r\\nc: d" }
        body = 7
        """
    )
    with pytest.raises(click.BadParameter) as caught:
        read_scenario(file)
    for text in (
        "repeat: must be true or false",
        "again: is not known",
        "answer 1: status must be 200 to 599",
        "answer 1: delay must be seconds",
        "answer 2: times must be",
        "answer 2: statu is not known",
        "answer 2: headers must be",
        "answer 2: body must be",
    ):
        assert text in caught.value.message
    assert caught.value.param_hint == "--scenario"


@pytest.mark.parametrize("text", ["", "answer = 1", "answer = [1]", "x = [", "\x00"])
def test_what_is_no_scenario_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(click.BadParameter, match=r"scenario\.toml"):
        read_scenario(file)


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(click.BadParameter):
        read_scenario(file)
