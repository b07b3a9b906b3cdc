"""Under a Python that lacks packages the matrix skips what needs them, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WHEELS = Path(__file__).resolve().parents[2] / "wheels"


def collect(folder: Path, source: str, does: str = "pass") -> tuple[int, str]:
    (folder / "test_one.py").write_text(f"{source}\ndef test_it(): {does}\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-ra",
        "-p",
        "absent",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        env=os.environ | {"PYTHONPATH": str(WHEELS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    return done.returncode, done.stdout


def test_what_needs_a_package_that_is_not_there_is_skipped(tmp_path: Path) -> None:
    code, said = collect(tmp_path, "import no_such_package.part")
    assert (code, "needs no_such_package" in said) == (5, True)
    assert "1 skipped" in said


@pytest.mark.parametrize(
    "source", ["import webhooksub.nothing", "from json import nothing", "1 / 0"]
)
def test_what_fails_otherwise_still_fails(source: str, tmp_path: Path) -> None:
    code, said = collect(tmp_path, source)
    assert (code, "1 error" in said) == (2, True)


WITHOUT_A_GIL = (
    "RuntimeWarning('The global interpreter lock (GIL) has been enabled to load module {}')"
)


@pytest.mark.parametrize(
    ("does", "needs"),
    [
        ("import no_such_package", "no_such_package"),
        (
            "raise AssertionError('jwt is not installed: pip install \\'webhooksub[serve]\\'')",
            "jwt",
        ),
        (f"raise {WITHOUT_A_GIL}".format("\\'greenlet._greenlet\\'"), "greenlet._greenlet"),
    ],
)
def test_what_needs_one_while_it_runs_is_skipped(does: str, needs: str, tmp_path: Path) -> None:
    code, said = collect(tmp_path, "", does)
    assert (code, f"needs {needs}" in said) == (0, True), said
    assert "1 skipped" in said


@pytest.mark.parametrize(
    "does",
    [
        "import webhooksub.nothing",
        "assert 1 == 2",
        f"raise {WITHOUT_A_GIL}".format("\\'webhooksub._core\\'"),
    ],
)
def test_what_fails_otherwise_while_it_runs_still_fails(does: str, tmp_path: Path) -> None:
    code, said = collect(tmp_path, "", does)
    assert (code, "1 failed" in said) == (1, True), said


def test_what_can_be_imported_runs(tmp_path: Path) -> None:
    code, said = collect(tmp_path, "import json")
    assert (code, "1 passed" in said) == (0, True)
