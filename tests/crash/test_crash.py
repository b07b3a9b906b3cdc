"""``make crash`` in short: each failpoint once, and what it says where a defect is put in."""

import argparse
import os
import random
import subprocess
import sys
from pathlib import Path

import crash
import databases
import failpoints
import pytest
from lives import AT_RANDOM, STOPPED, Kill, Result
from oracle import Verdict

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
POINTS = databases.points_of("sqlite")


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / "crash.py"), *options],
        env=os.environ | {"PYTHONPATH": str(HERE.parent / "support")},
        capture_output=True,
        text=True,
        timeout=240,
    )


def count(told: str, name: str) -> int:
    [line] = [line for line in told.splitlines() if line.strip().startswith(name)]
    return int(line.split()[-1].replace(",", ""))


# On a server a life takes longer: not each failpoint.
@pytest.mark.serial
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("store", "kills"), [("sqlite", 14), ("postgresql", 6)])
def test_a_kill_at_each_failpoint_loses_nothing(built: None, store: str, kills: int) -> None:
    seed = str(random.randrange(1_000))
    done = run("--kills", str(kills), "--fan-outs", "1,100", "--seed", seed, "--store", store)
    assert done.returncode == 0, done.stdout + done.stderr
    assert count(done.stdout, "kills") == kills
    assert count(done.stdout, "with work under way") >= kills - 4
    assert count(done.stdout, "events acknowledged") > 500
    assert count(done.stdout, "lost") == 0


@pytest.mark.serial
@pytest.mark.timeout(300)
def test_events_that_are_settled_before_they_are_answered_are_seen_to_be_lost(built: None) -> None:
    done = run("--kills", "6", "--fan-outs", "100", "--sabotage", "settle-before-answer")
    assert done.returncode == 1, done.stdout + done.stderr
    assert count(done.stdout, "lost") > 0
    assert "was acknowledged, and never came" in done.stdout


# --- The plan and the verdict of a whole proof ---------------------------------------


def test_few_kills_meet_each_failpoint_once() -> None:
    few = crash.kinds(14, POINTS, random.Random(1))
    assert sorted(few) == sorted([*failpoints.POINTS, AT_RANDOM, STOPPED])


def test_many_kills_meet_each_failpoint_as_often() -> None:
    many = crash.kinds(200, POINTS, random.Random(1))
    assert len(many) == 200
    assert min(many.count(point) for point in failpoints.POINTS) >= 2 * crash.HITS_LEAST
    assert many.count(AT_RANDOM) == 50 and many.count(STOPPED) == 20


def whole(**changes: int) -> Result:
    """A proof that is enough, or nearly."""
    each = changes.get("each", crash.HITS_LEAST)
    kinds = [*failpoints.POINTS, AT_RANDOM, STOPPED] * each
    verdict = Verdict(acknowledged=changes.get("acknowledged", crash.ACKNOWLEDGED_LEAST))
    return Result(verdict, [Kill(kind, True, changes.get("under_way", 1)) for kind in kinds])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, None),
        ({"each": 4}, "mid-send was met 4 times only"),
        ({"acknowledged": 99_999}, "only 99,999 events were acknowledged"),
        ({"under_way": 0}, "only 0 kills met work under way"),
    ],
)
def test_a_whole_proof_must_have_met_what_it_is_for(
    changes: dict[str, int], sentence: str | None
) -> None:
    told = list(crash.complaints(whole(**changes), POINTS, whole=True))
    assert told == [] if sentence is None else sentence in told
    assert list(crash.complaints(whole(**changes), POINTS, whole=False)) == []


def test_a_kill_that_missed_its_failpoint_counts_as_one_at_random() -> None:
    counted = crash.hits([Kill("mid-send", False, 1), Kill("mid-send", True, 1)], POINTS)
    assert (counted["mid-send"], counted[AT_RANDOM]) == (1, 1)


def test_an_unknown_sabotage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["crash.py", "--sabotage", "no-such"])
    with pytest.raises(SystemExit):
        crash.parse()
    monkeypatch.setattr(sys, "argv", ["crash.py"])
    assert crash.parse() == argparse.Namespace(
        kills=200, seed=1, store="sqlite", sabotage="", jobs=2, fan_outs=(1, 100, 1, 10_000)
    )
