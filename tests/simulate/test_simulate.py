"""``make simulate`` in short, and what it says where a defect is compiled in."""

import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def simulate(*settings: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "SABOTAGE")}
    return subprocess.run(
        ["make", "--no-print-directory", "-j2", "simulate", *settings],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.serial
@pytest.mark.timeout(300)
def test_two_hundred_lives_keep_every_rule_and_are_the_same_again() -> None:
    first, second = simulate("SEEDS=200"), simulate("SEEDS=200")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "seeds 200: every rule was kept, trace " in first.stdout
    assert second.stdout == first.stdout


@pytest.mark.serial
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("defect", "said"),
    [
        ("no-report-slot", "no report slot"),
        ("no-queue-limit", "an event is answered with 0"),
        ("no-expiry", "which has expired"),
        # Who stays before the others takes their turns, and the places kept for them.
        ("no-fairness", "unfair: subscription|takes a place that is kept"),
        ("no-rev", "matches"),
        ("no-probe", "a second probe starts"),
    ],
)
def test_a_defect_ends_a_life(defect: str, said: str) -> None:
    done = simulate(f"SABOTAGE={defect}")
    assert done.returncode != 0
    assert re.search(said, done.stdout), done.stdout + done.stderr
