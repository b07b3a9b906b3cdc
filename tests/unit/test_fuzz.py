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
# What they need of the core.
SHARED = ("buf", "slice", "status", "alloc", "crypto")
SOURCES = {"json": ("json", "json_scan", *SHARED), "seal": ("seal", "clock", *SHARED)}


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_has_a_corpus_that_is_small(target: str) -> None:
    sizes = [path.stat().st_size for path in (CORPUS / target).iterdir()]
    assert len(sizes) >= 5
    assert max(sizes) <= 4096


def build(folder: Path, target: str, *flags: str) -> Path:
    """The program that replays the corpus of `target`."""
    folder.mkdir(exist_ok=True)
    libraries = ["pkg-config", "--cflags", "--libs", "libcjson", "openssl"]
    found = subprocess.run(libraries, capture_output=True, text=True, check=True).stdout
    program = folder / f"replay_{target}"
    sources = [ROOT / "fuzz" / name for name in (f"fuzz_{target}.c", "fuzz.c", "replay.c")]
    sources += [CORE / f"{name}.c" for name in SOURCES[target]]
    includes = [f"-I{CORE}", f"-I{ROOT / 'fuzz'}"]
    command = ["cc", "-std=c11", "-D_GNU_SOURCE", *flags, *includes, *map(str, sources)]
    subprocess.run([*command, "-o", program, *shlex.split(found), "-lm"], check=True)
    return program


def replay(program: Path, *inputs: Path) -> subprocess.CompletedProcess[str]:
    """From the top, where its abort must leave no core."""
    command = ["sh", "-c", 'ulimit -S -c 0; exec "$@"', "replay", str(program), *map(str, inputs)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("target", "forgotten", "rule"),
    [
        ("json", "json_depth", "measure_depth(text) <= "),
        ("seal", "no_row_binding", "!opens(keyring, &other, "),
    ],
)
def test_a_core_that_forgets_how_deep_it_is_or_whose_secret_it_opens_breaks_a_rule(
    tmp_path: Path, target: str, forgotten: str, rule: str
) -> None:
    whole = replay(build(tmp_path / "whole", target))
    inputs = len(list((CORPUS / target).iterdir()))
    assert (whole.returncode, whole.stdout) == (0, f"{inputs} inputs\n"), whole.stderr
    broken = replay(build(tmp_path / "broken", target, f"-DWHS_SABOTAGE_{forgotten}"))
    assert broken.returncode != 0
    assert f"a rule is broken: {rule}" in broken.stderr


def test_no_input_is_no_proof(tmp_path: Path) -> None:
    program = build(tmp_path, "json")
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
