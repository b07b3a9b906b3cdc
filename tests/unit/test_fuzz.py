"""``fuzz/``: the corpora keep every rule, and a core with a defect breaks one."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "csrc" / "core"
CORPUS = ROOT / "fuzz" / "corpus"

TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in ROOT.glob("fuzz/fuzz_*.c"))
# What fuzz_json.c needs of the core.
SOURCES = ("json", "json_scan", "buf", "slice", "status", "alloc", "crypto")


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_has_a_corpus_that_is_small(target: str) -> None:
    sizes = [path.stat().st_size for path in (CORPUS / target).iterdir()]
    assert len(sizes) >= 5
    assert max(sizes) <= 4096


def build(folder: Path, *flags: str) -> Path:
    """The program that replays the corpus of JSON."""
    libraries = ["pkg-config", "--cflags", "--libs", "libcjson", "openssl"]
    found = subprocess.run(libraries, capture_output=True, text=True, check=True).stdout
    program = folder / "replay_json"
    sources = [ROOT / "fuzz" / name for name in ("fuzz_json.c", "fuzz.c", "replay.c")]
    sources += [CORE / f"{name}.c" for name in SOURCES]
    includes = [f"-I{CORE}", f"-I{ROOT / 'fuzz'}"]
    command = ["cc", "-std=c11", "-D_GNU_SOURCE", *flags, *includes, *map(str, sources)]
    subprocess.run([*command, "-o", program, *shlex.split(found), "-lm"], check=True)
    return program


def replay(program: Path, *inputs: Path) -> subprocess.CompletedProcess[str]:
    command = [str(program), *map(str, inputs)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_core_that_forgets_how_deep_it_is_breaks_a_rule(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = replay(build(tmp_path / "whole"))
    assert (whole.returncode, whole.stdout) == (
        0,
        f"{len(list((CORPUS / 'json').iterdir()))} inputs\n",
    )
    (tmp_path / "broken").mkdir()
    broken = replay(build(tmp_path / "broken", "-DWHS_SABOTAGE_json_depth"))
    assert broken.returncode != 0
    assert "a rule is broken: measure_depth(text) <= " in broken.stderr


def test_no_input_is_no_proof(tmp_path: Path) -> None:
    program = build(tmp_path)
    empty = tmp_path / "corpus"
    empty.mkdir()
    assert replay(program, empty).returncode == 2


# Stands for a program of libFuzzer: says what one says, and ends as it is told.
PROGRAM = """#!/bin/sh
echo '#5 NEW    cov: 120 ft: 300 corp: 9/90b' >&2
echo '#7 DONE   cov: 123 ft: 300 corp: 9/90b' >&2
{said}
echo 'stat::number_of_executed_units: {executed}' >&2
exit {code}
"""


@pytest.mark.parametrize(
    ("said", "executed", "code", "ending", "shown"),
    [
        ("", 4567, 0, 0, "none"),
        ("echo 'fuzz_x.c:1: a rule is broken: a == b' >&2", 9, 77, 1, "a rule is broken: a == b"),
        ("echo 'SUMMARY: AddressSanitizer: it' >&2", 9, 1, 1, "SUMMARY: AddressSanitizer: it"),
        ("", 9, 70, 1, "exit code 70"),
        ("", 0, 0, 1, "x executed nothing"),
    ],
)
def test_the_table_says_what_a_target_said(
    tmp_path: Path, said: str, executed: int, code: int, ending: int, shown: str
) -> None:
    folder = tmp_path / "fuzz"
    folder.mkdir()
    (folder / "fuzz.py").write_bytes((ROOT / "fuzz" / "fuzz.py").read_bytes())
    programs = tmp_path / "c-fuzz"
    programs.mkdir()
    program = programs / "fuzz_x"
    program.write_text(PROGRAM.format(said=said, executed=executed, code=code))
    program.chmod(0o755)
    command = [sys.executable, str(folder / "fuzz.py"), str(programs), "x", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == ending, done.stdout + done.stderr
    assert shown in done.stdout
    assert done.stdout.splitlines()[1].split()[:3] == ["x", f"{executed:,}", "123"]
