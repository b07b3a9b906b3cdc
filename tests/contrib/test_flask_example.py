"""The shop on Flask does what its demo says, end to end, and its own tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/flask"


def run(target: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SHOP_", "WEBHOOKSUB_"))}
    environ |= {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder)}
    return subprocess.run(
        ["make", "--no-print-directory", target, f"BIN={Path(sys.executable).parent}"],
        cwd=EXAMPLE,
        env=environ,
        capture_output=True,
        text=True,
        timeout=170,
    )


@pytest.mark.timeout(180)
def test_committed_changes_arrive_and_what_was_rolled_back_does_not(tmp_path: Path) -> None:
    done = run("demo", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    assert [line for line in lines if not line.startswith("ok ")] == []
    for what in (
        "it arrived when a worker ran",
        "it arrived, its signature verified",
        "rolled back to its SAVEPOINT",
        "the receiver was quiet until it arrived",
        "the worker drained on SIGTERM",
    ):
        assert any(what in line for line in lines), what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(180)
def test_the_shops_own_tests_pass(tmp_path: Path) -> None:
    done = run("test", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_readme_names_the_files_that_are_there() -> None:
    readme = (EXAMPLE / "README.md").read_text()
    for path in [*EXAMPLE.glob("*.py"), *EXAMPLE.glob("*/*.py")]:
        name = str(path.relative_to(EXAMPLE))
        named = f"`{name}`" in readme or f"`{path.name}` in `{path.parent.name}`" in readme
        assert named or name == "demo.py", name
