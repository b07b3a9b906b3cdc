"""``make fork`` in short: what Python itself forks by, and what shows when a child misbehaves."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.timeout(180), pytest.mark.serial]


@pytest.fixture(autouse=True)
def _beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of this folder, and an environment that the rows may write to."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    for name in ("DATABASE", "CA", "FOLDER", "STARTED", "SABOTAGE"):
        monkeypatch.setenv(f"FORK_{name}", "")


@pytest.fixture
def fork() -> object:
    import fork  # noqa: PLC0415 -- found by the fixture above
    import watch  # noqa: PLC0415

    if not watch.is_there():
        pytest.skip("strace cannot trace here")
    return fork


NAMES = (
    "multiprocessing fork",
    "multiprocessing forkserver",
    "multiprocessing spawn",
    "os.fork, then exit",
)


@pytest.mark.parametrize("name", NAMES)
def test_children_publish_and_leave_their_parent_alone(fork: object, name: str) -> None:
    [row] = [row for row in fork.ROWS if row.name == name]  # type: ignore[attr-defined]
    result = fork.run(row)  # type: ignore[attr-defined]
    assert result.misses == []
    assert (result.children, result.published) == (3, 14)
    assert result.refused == ("6/6" if name in (NAMES[0], NAMES[3]) else "-")


@pytest.mark.parametrize(
    ("sabotage", "miss"),
    [
        ("write-socket", "write to its parent's connection"),
        ("write-database", "pwrite64 by its parent's descriptor of the database"),
    ],
)
def test_a_child_that_touches_what_is_its_parents_is_seen(
    fork: object, sabotage: str, miss: str
) -> None:
    [row] = [row for row in fork.ROWS if row.name == NAMES[0]]  # type: ignore[attr-defined]
    assert miss in fork.run(row, sabotage).misses  # type: ignore[attr-defined]
