"""The lock of a database file's dispatcher."""

import logging
from pathlib import Path

import pytest

from webhooksub.errors import ConfigurationError
from webhooksub.store.lock import DispatcherLock

HERE, THERE = {"host": "here", "pid": 7}, {"host": "there", "pid": 8}


def test_whoever_wants_a_lock_that_is_held_is_told_by_whom(tmp_path: Path) -> None:
    first, second = (DispatcherLock(str(tmp_path / "hooks.db")) for _ in range(2))
    first.acquire(HERE)
    with pytest.raises(ConfigurationError, match="another dispatcher .*: host here, pid 7;"):
        second.acquire(THERE)
    first.release()
    second.acquire(THERE)
    assert first.holder() == "host there, pid 8"
    second.release()


def test_a_lock_is_held_where_the_disk_has_no_room_for_a_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hooks.db.dispatcher").symlink_to("/dev/full")
    lock = DispatcherLock(str(tmp_path / "hooks.db"))
    with caplog.at_level(logging.WARNING):
        lock.acquire(HERE)
    assert lock.held
    assert "does not name its holder" in caplog.text
    lock.release()
