"""An id is new, then busy, then done; and new again when that is what keeps it safe."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.cache.backends.locmem import LocMemCache

from webhooksub.receiving import CacheSeen, MemorySeen, Seen, SqliteSeen, State

NEW, BUSY, DONE = State.NEW, State.BUSY, State.DONE


class Clock:
    """Seconds that move only when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "cache"])
def seen(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Seen:
    makers: dict[str, Callable[[], Seen]] = {
        "memory": lambda: MemorySeen(clock=clock),
        "sqlite": lambda: SqliteSeen(tmp_path / "seen.db", clock=clock),
        "cache": lambda: CacheSeen(LocMemCache(str(tmp_path), {})),
    }
    return makers[request.param]()


@pytest.fixture(params=["memory", "sqlite"])
def timed(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Seen:
    """Those whose time is ours to move; a cache keeps its own."""
    if request.param == "memory":
        return MemorySeen(keep_s=100, busy_s=10, clock=clock)
    return SqliteSeen(tmp_path / "seen.db", keep_s=100, busy_s=10, clock=clock)


def test_an_id_is_new_once_then_busy_then_done(seen: Seen) -> None:
    assert seen.begin(["a", "b"]) == [NEW, NEW]
    assert seen.begin(["b", "c", "a"]) == [BUSY, NEW, BUSY]
    seen.done(["a"])
    assert seen.begin(["a", "b"]) == [DONE, BUSY]


def test_what_is_forgotten_is_new(seen: Seen) -> None:
    seen.begin(["a", "b"])
    seen.done(["b"])
    seen.forget(["a", "b", "never there"])
    assert seen.begin(["a", "b"]) == [NEW, NEW]


def test_any_text_is_an_id(seen: Seen) -> None:
    ids = ["", " ", "a\nb", "ä" * 10_000, "a" * 10_000, "'; drop table seen", "\udc80"]
    assert seen.begin(ids) == [NEW] * len(ids)
    assert seen.begin(ids) == [BUSY] * len(ids)


def test_of_many_at_once_one_finds_it_new(seen: Seen) -> None:
    start = threading.Barrier(8)

    def begin(_: int) -> list[State]:
        start.wait(20)
        return seen.begin([str(n) for n in range(20)])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(begin, range(8)))
    for of_one_id in zip(*answers, strict=True):
        assert sorted(s.value for s in of_one_id) == ["busy"] * 7 + ["new"]


def test_who_died_while_busy_leaves_an_id_that_is_new_again(timed: Seen, clock: Clock) -> None:
    timed.begin(["a"])
    clock.now += 9.5
    assert timed.begin(["a"]) == [BUSY]
    clock.now += 1
    assert timed.begin(["a"]) == [NEW]


def test_what_is_done_is_kept_for_as_long_as_was_asked_for(timed: Seen, clock: Clock) -> None:
    timed.begin(["a"])
    timed.done(["a"])
    clock.now += 99
    assert timed.begin(["a"]) == [DONE]
    clock.now += 2
    assert timed.begin(["a"]) == [NEW]


def test_a_cache_is_told_how_long_to_keep_each() -> None:
    told: dict[str, tuple[Any, Any]] = {}

    class Cache(LocMemCache):
        def add(self, key: str, value: Any, timeout: Any, version: Any = None) -> Any:
            told["add"] = (value, timeout)
            return super().add(key, value, timeout, version)

        def set(self, key: str, value: Any, timeout: Any, version: Any = None) -> None:
            told["set"] = (value, timeout)
            super().set(key, value, timeout, version)

    seen = CacheSeen(Cache("told", {}), keep_s=100, busy_s=10)
    seen.begin(["a"])
    seen.done(["a"])
    assert told == {"add": ("busy", 10), "set": ("done", 100)}


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    seen = MemorySeen(ids_max=3)
    for id_ in "abcd":
        seen.begin([id_])
        seen.done([id_])
    assert len(seen) == 3
    assert seen.begin(["d", "c", "b"]) == [DONE, DONE, DONE]
    assert seen.begin(["a"]) == [NEW]


def test_a_file_does_not_grow_with_what_is_past(tmp_path: Path, clock: Clock) -> None:
    seen = SqliteSeen(tmp_path / "seen.db", keep_s=100, clock=clock)
    sizes = []
    for round_ in range(4):
        for n in range(40):
            ids = [f"{round_}-{n}-{m}" for m in range(5)]
            seen.begin(ids)
            seen.done(ids)
        clock.now += 101
        sizes.append((tmp_path / "seen.db").stat().st_size)
    assert sizes[-1] <= sizes[1] * 1.5


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    SqliteSeen(tmp_path / "seen.db").begin(["a"])
    assert stat.S_IMODE(os.stat(tmp_path / "seen.db").st_mode) == 0o600


BEGIN = """
import sys
from webhooksub.receiving import SqliteSeen
seen = SqliteSeen(sys.argv[1])
print(*(state.value for n in range(50) for state in seen.begin([str(n)])))
"""


def test_processes_share_a_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BEGIN, str(tmp_path / "seen.db")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=60)[0].split() for process in running]
    for of_one_id in zip(*answers, strict=True):
        assert sorted(of_one_id) == ["busy", "busy", "new"]
