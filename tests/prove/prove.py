"""Shows that each of the foundation's tests can fail: ``make prove-foundation``.

All of ``tests/prove`` runs once as it is, and must be green. Then it runs once under each
sabotage of ``sabotage.EXPECTED``, where exactly the test named there must be red. Sabotages
of the C core are built into an extension of their own (``prove.mk``); those in Python are
put in place by ``conftest.py``. A table closes the proof; the exit code is 0 only if every
line of it is as it must be.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import sabotage

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
BUILT = REPOSITORY / "build" / "prove"
PACKAGE = REPOSITORY / "webhooksub"

CLEAN = "clean"
# The tests wait more than they compute, so that two runs share two cores without harm.
JOBS = 2
# Several times what the slowest run takes: one that hangs is not waited for.
RUN_SECONDS_MAX = 300
# What must have a test: the steps of an event's life, the promises.
SUBJECTS = [f"step {n}" for n in range(1, 10)] + [f"promise {n}" for n in range(1, 8)]


@dataclass
class Run:
    """What one run of all the tests ended with; `name` is its sabotage, or "clean"."""

    name: str
    green: set[str] = field(default_factory=set)
    red: set[str] = field(default_factory=set)
    # Neither: skipped, or failed outside of the test itself. The word says which.
    odd: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    log: Path = Path()

    @property
    def tests(self) -> set[str]:
        return self.green | self.red | self.odd.keys()

    @property
    def others(self) -> dict[str, str]:
        """The tests that are not green, though no sabotage is meant for them, and why."""
        red = {test: "red" for test in self.red if test != sabotage.EXPECTED.get(self.name)}
        return red | self.odd

    @property
    def as_expected(self) -> bool:
        aimed_at = sabotage.EXPECTED.get(self.name)
        return bool(self.green) and not self.others and (self.name == CLEAN or aimed_at in self.red)

    def word(self) -> str:
        """The outcome in a few words, for the line of progress."""
        if not self.green and not self.red:
            return "nothing ran"
        if not self.as_expected and not self.others:
            return "stayed green"
        outcome = "green" if self.name == CLEAN else "red as it must be"
        if self.others:
            outcome = ", ".join(f"{test} {why}" for test, why in sorted(self.others.items()))
        return outcome


# --- Running ---------------------------------------------------------------------------


def variant_of(name: str) -> str:
    """The extension that a sabotage runs on: its own for one in C."""
    return name if name in sabotage.IN_C else CLEAN


def build(variants: Iterable[str]) -> None:
    """The package under ``build/prove/NAME``: links to its files, and an extension."""
    targets = [BUILT / variant / "webhooksub" / "_core.so" for variant in variants]
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        for entry in target.parent.iterdir():
            if entry.is_symlink():
                entry.unlink()
        for entry in PACKAGE.iterdir():
            if entry.suffix != ".so" and entry.name != "__pycache__":
                (target.parent / entry.name).symlink_to(entry)
    names = [str(target.relative_to(REPOSITORY)) for target in targets]
    make = ["make", "--no-print-directory", f"-j{os.cpu_count() or 1}", *names]
    # What an outer make hands down (its targets' variables, its job server) is not for here.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "SABOTAGE")}
    subprocess.run(make, cwd=REPOSITORY, check=True, env=environment)


def run(name: str) -> Run:
    folder = BUILT / name
    folder.mkdir(parents=True, exist_ok=True)
    report, result = folder / "report.xml", Run(name, log=folder / "log")
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE)]
    command += [f"--junitxml={report}", f"--basetemp={folder / 'tmp'}"]
    began = time.monotonic()
    with result.log.open("wb") as log:
        try:
            subprocess.run(
                command,
                cwd=REPOSITORY,
                env=environment_for(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=RUN_SECONDS_MAX,
            )
        except subprocess.TimeoutExpired:
            log.write(b"\nended: it took too long\n")
    result.seconds = time.monotonic() - began
    if report.exists():
        read(report, result)
    return result


def environment_for(name: str) -> dict[str, str]:
    """Only the variant's package can be imported, in the processes of the tests as well.

    Without PYTHONSAFEPATH a process started by ``python -c`` in the repository would import
    what stands there.
    """
    return os.environ | {
        "PYTHONPATH": str(BUILT / variant_of(name)),
        "PYTHONSAFEPATH": "1",
        "SABOTAGE": "" if name == CLEAN else name,
    }


def read(report: Path, result: Run) -> None:
    """Fills in a run from pytest's JUnit file. A test that ends well twice is one test."""
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        test = re.sub(r"\[.*", "", case.get("name", ""))
        kinds = {child.tag for child in case}
        if "error" in kinds:
            result.odd[test] = "broken"
        elif "skipped" in kinds:
            result.odd[test] = "skipped"
        elif "failure" in kinds:
            result.red.add(test)
        else:
            result.green.add(test)
    result.green -= result.red | result.odd.keys()


# --- Telling ---------------------------------------------------------------------------


def subject_of(test: str) -> str:
    """``test_step_5_what_cannot_…`` is about "step 5"."""
    found = re.match(r"test_(step|promise)_(\d+)", test)
    return f"{found[1]} {found[2]}" if found else "-"


def order_of(test: str) -> tuple[int, str]:
    subject = subject_of(test)
    return (SUBJECTS.index(subject) if subject in SUBJECTS else len(SUBJECTS), test)


def rows(clean: Run, sabotaged: Sequence[Run]) -> Iterator[tuple[str, ...]]:
    """The table's lines: a test, one sabotage of it, and what the two runs ended with."""
    tests = clean.tests | set(sabotage.EXPECTED.values())
    for test in sorted(tests, key=order_of):
        state = "green" if test in clean.green else "NOT GREEN"
        runs = [r for r in sabotaged if sabotage.EXPECTED[r.name] == test]
        for r in runs:
            turned = "red" if test in r.red else "NOT RED"
            others = ", ".join(sorted(r.others)) or "green"
            yield (subject_of(test), test, r.name, state, turned, others)
        if not runs:
            yield (subject_of(test), test, "-", state, "-", "-")


def show(lines: Sequence[tuple[str, ...]]) -> None:
    head = ("of", "its test", "sabotage", "clean", "sabotaged", "all others")
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    for line in (head, tuple("-" * width for width in widths), *lines):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def complaints(clean: Run, sabotaged: Sequence[Run], whole: bool) -> Iterator[str]:
    """Everything that makes the proof fail, a sentence each."""
    for r in (clean, *sabotaged):
        if not r.as_expected:
            yield f"{r.name}: {r.word()} (see {r.log})"
        for test in sorted(clean.tests - r.tests):
            yield f"{r.name}: {test} did not run"
    if not whole:
        return
    proved = {subject_of(test) for test in sabotage.EXPECTED.values()}
    for subject in SUBJECTS:
        if subject not in proved:
            yield f"{subject}: no sabotage turns its test red"
    for test in sorted(clean.tests - set(sabotage.EXPECTED.values()), key=order_of):
        if subject_of(test) in proved or subject_of(test) == "-":
            yield f"{test}: no sabotage turns it red"


def unknown_names() -> list[str]:
    """Sabotages that are expected of nobody, or that nobody has written."""
    sources = " ".join(path.read_text() for path in REPOSITORY.glob("csrc/*/*.[ch]"))
    known = set(sabotage.IN_C) | set(sabotage.IN_PYTHON)
    wrong = [f"{name}: in no list of sabotages" for name in sabotage.EXPECTED.keys() - known]
    wrong += [f"{name}: no test is named for it" for name in known - sabotage.EXPECTED.keys()]
    for name in sabotage.IN_C:
        if not re.search(rf"\bWHS_SABOTAGE_{name.replace('-', '_')}\b", sources):
            wrong.append(f"{name}: no source mentions it")
    return sorted(wrong)


# --- The proof -------------------------------------------------------------------------


def prove(names: Sequence[str], jobs: int) -> tuple[Run, list[Run]]:
    build(sorted({CLEAN, *map(variant_of, names)}))
    clean = run(CLEAN)
    tell(0, len(names), clean)
    sabotaged = []
    with ThreadPoolExecutor(jobs) as pool:
        for n, result in enumerate(pool.map(run, names), 1):
            tell(n, len(names), result)
            sabotaged.append(result)
    return clean, sabotaged


def tell(n: int, of: int, result: Run) -> None:
    aimed_at = subject_of(sabotage.EXPECTED.get(result.name, ""))
    count = f"{n}/{of}".rjust(2 * len(str(of)) + 1)
    print(
        f"{count}  {result.name:<28} {aimed_at:<10} {result.seconds:5.1f} s  {result.word()}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Show that each foundation test can fail.")
    parser.add_argument("only", nargs="*", metavar="SABOTAGE", help="these alone")
    parser.add_argument("--jobs", type=int, default=JOBS, help="runs at once (default 2)")
    options = parser.parse_args()
    names = options.only or sorted(sabotage.EXPECTED, key=lambda n: order_of(sabotage.EXPECTED[n]))
    if strange := [name for name in names if name not in sabotage.EXPECTED]:
        parser.error(f"no such sabotage: {', '.join(strange)}")
    began = time.monotonic()
    clean, sabotaged = prove(names, options.jobs)
    print()
    show(list(rows(clean, sabotaged)))
    wrong = list(complaints(clean, sabotaged, whole=not options.only)) + unknown_names()
    print(f"\n{len(sabotaged)} sabotages in {time.monotonic() - began:.0f} s")
    for sentence in wrong:
        print(f"not proved: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
