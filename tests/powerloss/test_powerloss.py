"""A short run of ``make powerloss``, and that it can fail."""

from pathlib import Path

from powerloss import prove

EVENTS, STEP = 40, 13


def test_synchronous_full_loses_nothing_acknowledged_at_any_cut(tmp_path: Path) -> None:
    verdict = prove(tmp_path, "FULL", EVENTS, STEP)
    assert verdict.good, verdict
    assert not verdict.lost
    assert verdict.acknowledged >= EVENTS
    assert verdict.restarts >= 6


def test_synchronous_normal_loses_only_the_last_of_what_was_acknowledged(tmp_path: Path) -> None:
    verdict = prove(tmp_path, "NORMAL", EVENTS, STEP)
    assert verdict.good, verdict


def test_a_disk_that_never_syncs_is_found_out(tmp_path: Path) -> None:
    verdict = prove(tmp_path, "FULL", EVENTS, STEP, sabotage="synchronous-off")
    assert verdict.lost
