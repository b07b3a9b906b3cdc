"""What benches share: running a program, the opponent's results, figures and their table."""

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

CLIENT_CPU, ENDPOINT_CPU = 0, 1
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
RUN_SECONDS = 300
# With less of its core than this for the opponent, rates tell about others' work.
QUIET_SHARE = 0.9
# What a bare libcurl loop took for a request on the machine whose microseconds the targets are.
REFERENCE_US = 17.2
NOT_QUIET = (
    "The opponent had only {:.0%} of its core: this machine was not quiet. Rates mean nothing;"
    " judged by CPU."
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `good` tells whether the target is met."""

    what: str
    target: str
    measured: str
    ratio: str
    cpu: str
    good: bool | None


def run(command: list[str]) -> dict[str, Any]:
    """The JSON object that a program prints, pinned to the client's core."""
    pinned = ["taskset", "-c", str(CLIENT_CPU), *command]
    done = subprocess.run(pinned, capture_output=True, text=True, timeout=RUN_SECONDS)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)}\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def show(progress: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
    elif progress:
        print(progress, file=sys.stderr, flush=True)


class Opponent:
    """The bare libcurl program, by the results of its runs."""

    def __init__(self, results: Sequence[dict[str, Any]]) -> None:
        self.rate = median([r["per_second"] for r in results])
        self.cpu_us = median([r["cpu_us"] for r in results])
        #: How much of its core it had, which never waits: all of it when quiet.
        self.core_share = median([r["per_second"] * r["cpu_us"] / 1e6 for r in results])
        self.quiet = self.core_share >= QUIET_SHARE
        self.libraries = " ".join(results[0]["libcurl"].split()[:2])

    def figure(self) -> Figure:
        what = "opponent: bare libcurl multi"
        return Figure(what, "", f"{self.rate:,.0f}/s", "1 ×", f"{self.cpu_us:.1f}", None)

    def judge(self, what: str, least: float, rate: float, cpu_us: float, more: str = "") -> Figure:
        """Deliveries a second beside its own, or processor time on a machine that is not quiet.
        `more` is said of the processor besides."""
        by_rate, by_cpu = rate / self.rate, self.cpu_us / cpu_us
        ratio = by_rate if self.quiet else by_cpu
        cpu = f"{cpu_us:.1f} ({by_cpu:.2f} ×){more}"
        return Figure(
            what, f"≥ {least} ×", f"{rate:,.0f}/s", f"{by_rate:.2f} ×", cpu, ratio >= least
        )

    def judge_time(
        self, what: str, value: float, most: float, unit: str, ratio: str = ""
    ) -> Figure:
        """Processor time: what is allowed grows with what the opponent takes on this machine."""
        slower = max(1.0, self.cpu_us / REFERENCE_US)
        figure = at_most(what, value, most * slower, unit, ratio=ratio)
        return replace(figure, target=f"≤ {most:,g} {unit} × {slower:.1f}")


def at_most(
    what: str, value: float, most: float, unit: str, *, cpu: str = "", ratio: str = ""
) -> Figure:
    """One that is judged by itself."""
    target, measured = f"≤ {most:,g} {unit}", f"{value:,.4g} {unit}"
    if value >= 1_000:
        measured = f"{value:,.0f} {unit}"
    return Figure(what, target, measured, ratio, cpu, value <= most)


def table(lines: list[Figure], cpu: str = "CPU µs each") -> list[list[str]]:
    words: dict[bool | None, str] = {True: "ok", False: "missed", None: ""}
    head = ["", "target", "measured", "beside", cpu, ""]
    rows = [[f.what, f.target, f.measured, f.ratio, f.cpu, words[f.good]] for f in lines]
    return [head, *rows]


def plain(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(rows: list[list[str]]) -> str:
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def conditions(libraries: str, rounds: int) -> str:
    """When and on what it was measured."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    load = os.getloadavg()[0]
    return (
        f"{today}, {os.cpu_count()} cores of {cpu}, {system}, Python"
        f" {platform.python_version()}, {libraries};"
        f" medians of {rounds} rounds, load {load:.1f}"
    )


def write(page: Path, text: str) -> None:
    """Between the markers of a page."""
    before, rest = page.read_text().split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
