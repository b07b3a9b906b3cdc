"""``.ci/run`` fails when one of the things that it runs fails, however it is started."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = ["test", "lint", "types", "prove-foundation", "ci-wheels"]
# Writes down each target that was asked for; FAILS is one that fails.
MAKEFILE = """
.PHONY: {targets}
{targets}:
\t@echo $@ >>asked
\t@test $@ != '$(FAILS)'
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with the real script, and targets that only write down their names."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "tools").mkdir()
    setup = tmp_path / "tools" / "setup.sh"
    setup.write_text('#!/bin/sh\necho setup >>asked\ntest "$FAILS" != setup\n')
    setup.chmod(0o755)
    (tmp_path / "Makefile").write_text(MAKEFILE.format(targets=" ".join(RUNS)))
    return tmp_path


def run(repository: Path, *how: str, fails: str = "") -> tuple[int, list[str]]:
    environment = {"PATH": "/usr/bin:/bin", "FAILS": fails}
    done = subprocess.run(how, cwd=repository, env=environment, capture_output=True, timeout=60)
    return done.returncode, (repository / "asked").read_text().split()


HOWS = [(".ci/run",), ("bash", ".ci/run")]


@pytest.mark.parametrize("how", HOWS, ids=" ".join)
def test_everything_is_run_in_order(repository: Path, how: tuple[str, ...]) -> None:
    assert run(repository, *how) == (0, ["setup", *RUNS])


@pytest.mark.parametrize("how", HOWS, ids=" ".join)
@pytest.mark.parametrize("fails", ["setup", *RUNS])
def test_it_fails_and_stops_where_something_fails(
    repository: Path, how: tuple[str, ...], fails: str
) -> None:
    code, asked = run(repository, *how, fails=fails)
    assert code != 0
    assert asked[-1] == fails


def test_nothing_that_it_runs_can_ask_a_question(repository: Path) -> None:
    with (repository / "Makefile").open("a") as makefile:
        makefile.write("\ntest: asks\nasks:\n\t@! read answer\n")
    assert run(repository, ".ci/run")[0] == 0
