"""What came of the rows of the matrix: kept in the cache, shown as a table, and in the page."""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WHEELS = Path(__file__).resolve().parent
ROOT = WHEELS.parent
CACHE = Path(os.environ.get("WHEELS_CACHE") or Path.home() / ".cache" / "webhooksub")
RESULTS = CACHE / "matrix"
PAGE = ROOT / "docs" / "platforms.md"
MARKS = ("<!-- written by wheels/matrix.py -->\n", "<!-- end -->\n")
PART = " (a part)"


@dataclass
class Result:
    """What came of a row."""

    name: str
    wheel: str
    probe: dict[str, Any] = field(default_factory=dict)
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    whole: bool = True
    trouble: list[str] = field(default_factory=list)
    day: str = ""
    seconds: int = 0


def slug(name: str) -> str:
    return re.sub(r"[^\w.]+", "-", name)


def keep(result: Result) -> None:
    kept = RESULTS / f"{slug(result.name)}.json"
    if result.whole or not kept.exists() or not json.loads(kept.read_text())["whole"]:
        kept.write_text(json.dumps(vars(result), indent=2) + "\n")


COLUMNS = (
    "Wheel",
    "Where",
    "Python",
    "C library",
    "OpenSSL there",
    "Passed",
    "Skipped",
    "Failed",
    "Day",
)


def cells(result: Result) -> list[str]:
    tag = "-".join(result.wheel.removesuffix(".whl").split("-")[2:]) or "sdist"
    numbers = [f"{n:,}" for n in (result.passed, result.skipped, result.failed)]
    numbers[0] += "" if result.whole else PART
    numbers[2] += "".join(f", {trouble}" for trouble in result.trouble)
    probe = result.probe
    facts = [str(probe.get(key, "-")) for key in ("python", "libc", "ssl")]
    facts[2] = " ".join(facts[2].split()[:2])
    if probe.get("gil") is False:
        facts[0] += ", no GIL"
    return [tag, re.sub(", (python)?3.*", "", result.name), *facts, *numbers, result.day]


def draw(rows: list[list[str]]) -> str:
    drawn = [list(COLUMNS), ["-" * len(name) for name in COLUMNS], *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in drawn)


def table(results: list[Result]) -> str:
    return draw([cells(result) for result in results])


def key_of(row: list[str]) -> tuple[str, str, str]:
    """Of rows that answer one question: a later release of a Python is the same Python."""
    wheel, where, python, *_ = row
    return wheel, where, re.sub(r"(3\.\d+)\.\d+", r"\1", python)


def join(old: list[list[str]], new: list[list[str]]) -> list[list[str]]:
    """The new rows, and the old ones that none of them replaces: a part is no whole."""

    def is_part(row: list[str]) -> bool:
        return PART in row[COLUMNS.index("Passed")]

    whole = {key_of(row) for row in old if not is_part(row)}
    taken = [row for row in new if not (is_part(row) and key_of(row) in whole)]
    replaced = {key_of(row) for row in taken}
    return sorted(taken + [row for row in old if key_of(row) not in replaced])


def read_table(text: str) -> list[list[str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:2] == "| "]
    return lines[2:]


def write_page() -> None:
    """What other machines found stays in the page, with its day."""
    results = [Result(**json.loads(path.read_text())) for path in RESULTS.glob("*.json")]
    before, _, rest = PAGE.read_text().partition(MARKS[0])
    old, _, after = rest.partition(MARKS[1])
    built = next(r.probe["build"] for r in results if r.probe)
    inside = f"{built['curl'].replace('/', ' ')}, cJSON {built['cjson']}"
    rows = draw(join(read_table(old), [cells(result) for result in results]))
    text = f"In these wheels: {inside}.\n\n{rows}"
    PAGE.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")
