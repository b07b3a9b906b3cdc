"""``make publishers`` in short, and what its verdict sees."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from publishers import Outcome, Published

HERE = Path(__file__).parent
REFUSED = "another dispatcher delivers from this file: host here, pid 7"


@pytest.mark.serial
def test_many_processes_publish_beside_one_dispatcher() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "publishers.py"), "--seconds", "5"],
        env=os.environ | {"PYTHONPATH": str(HERE.parent / "support")},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines()[:6])
    assert figures["errors"] == "0"
    assert int(figures["events acknowledged"].replace(",", "")) > 200
    assert int(figures["events taken back"].replace(",", "")) > 20


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, None),
        ({"received": Counter([1])}, "1 acknowledged events were not received"),
        ({"received": Counter([1, 2, 2])}, "1 events were received twice"),
        ({"received": Counter([1, 2, 3])}, "1 events that were taken back were sent"),
        ({"received": Counter([1, 2, 9])}, "1 events were received that nobody was told"),
        ({"published": Published([1, 2], [3], ["StoreUnavailable()"])}, "StoreUnavailable()"),
        ({"refused": ""}, "a second dispatcher was not refused"),
        ({"damage": ["malformed"]}, "malformed"),
        ({"left": (1, 0)}, "left behind"),
    ],
)
def test_each_defect_is_named(changes: dict[str, Any], sentence: str | None) -> None:
    sound: dict[str, Any] = {
        "published": Published([1, 2], [3], []),
        "received": Counter([1, 2]),
        "refused": REFUSED,
        "damage": [],
        "left": (0, 0),
    }
    told = list(Outcome(**(sound | changes)).complaints())
    assert told == [] if sentence is None else any(sentence in one for one in told)
