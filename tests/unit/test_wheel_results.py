"""The page of platforms keeps what it knew until something better is known."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "wheels"))
results = pytest.importorskip("results")


def row(passed: int, day: str, *, python: str = "3.13.5", whole: bool = True) -> list[str]:
    found = results.Result("Debian trixie", "webhooksub-1-cp311-abi3-linux.whl", passed=passed)
    found.probe, found.whole, found.day = {"python": python}, whole, day
    return list(results.cells(found))


def test_a_newer_run_takes_the_place_of_an_older_one() -> None:
    old, new = row(1, "2026-01-01", python="3.13.4"), row(2, "2026-01-02")
    assert results.join([old], [new]) == [new]


def test_a_part_does_not_take_the_place_of_the_whole_suite() -> None:
    whole, part = row(900, "2026-01-01"), row(20, "2026-01-02", whole=False)
    assert results.join([whole], [part]) == [whole]
    assert results.join([part], [whole]) == [whole]


def test_what_was_not_run_again_stays_with_its_day() -> None:
    old, new = row(1, "2026-01-01", python="3.12.1"), row(2, "2026-01-02")
    assert results.join([old], [new]) == [old, new]


def test_a_table_is_read_as_it_was_written() -> None:
    rows = [row(1_234, "2026-01-01"), row(20, "2026-01-02", whole=False)]
    assert results.read_table(results.draw(rows)) == rows
