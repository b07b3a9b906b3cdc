"""The failpoints: each is somewhere, and none is in what is installed."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import failpoints
import pytest

from webhooksub import _core

REPOSITORY = Path(__file__).parents[2]
# What one of them in C leaves behind, beside its own name.
TRACES = ("failpoint", "FAILPOINT")
IN_SOURCE = re.compile(r'WHS_FAILPOINT\("([^"]+)"\)')


def names_in(content: bytes) -> list[str]:
    wanted = (*TRACES, *(name for name in failpoints.POINTS if name.startswith(("mid", "in-"))))
    return [name for name in (*wanted, *failpoints.IN_C) if name.encode() in content]


def test_the_points_of_the_core_are_those_that_are_listed() -> None:
    sources = "".join(path.read_text() for path in REPOSITORY.glob("csrc/*/*.[ch]"))
    assert sorted(IN_SOURCE.findall(sources)) == sorted(failpoints.IN_C)


def test_every_other_point_is_patched_in_or_preloaded() -> None:
    passed = set()
    for text in (Path(failpoints.__file__), REPOSITORY / "tests/crash/failpoint.c"):
        passed |= set(re.findall(r'(?:passes|whs_failpoint)\("([^"]+)"\)', text.read_text()))
    assert passed == failpoints.POINTS.keys() - set(failpoints.IN_C)


def test_the_extension_that_is_installed_has_none() -> None:
    assert names_in(Path(_core.__file__).read_bytes()) == []


@pytest.mark.skipif(
    not (REPOSITORY / "build/crash/webhooksub/_core.so").exists(), reason="not built"
)
def test_the_extension_of_the_test_build_has_them() -> None:
    """What is looked for would be found."""
    content = (REPOSITORY / "build/crash/webhooksub/_core.so").read_bytes()
    assert set(names_in(content)) >= {"failpoint", *failpoints.IN_C}


@pytest.mark.timeout(600)
def test_a_wheel_has_none(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("csrc", "webhooksub", "pyproject.toml", "setup.py", "README.md", "LICENSE"):
        path = REPOSITORY / name
        if path.is_dir():
            ignored = shutil.ignore_patterns("*.so", "__pycache__")
            shutil.copytree(path, source / name, ignore=ignored)
        else:
            shutil.copy(path, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=500)
    [path] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        found = {name: names_in(wheel.read(name)) for name in wheel.namelist()}
    assert any(name.endswith(".so") for name in found)
    assert {name: names for name, names in found.items() if names} == {}
