"""`make bench`: measures the product beside its opponent, and what it is made of.

    python bench/run.py --programs build/c-plain [--quick] [--rounds 5] [--write]

Opponent and product run in turn on one core, their endpoint on the other; each figure is the
median of all rounds. A machine's microseconds are its own, so what is claimed of deliveries
is a ratio to the opponent in the same run. `--write` puts the table into bench/README.md. On a
machine that is not quiet it judges by the ratio of CPU instead of the ratio of rates, and
writes nothing.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from endpoint import Endpoint, serve

BENCH = Path(__file__).parent
CLIENT_CPU, ENDPOINT_CPU = 0, 1
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
MATCH_SIZES = (1_000, 100_000, 1_000_000)
RUN_SECONDS = 300
# With less of its core than this for the opponent, rates tell about others' work.
QUIET_SHARE = 0.9

Results = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    rounds: int
    opponent: int
    memory: int
    durable: int
    batch: int
    subscriptions: int
    connections: int
    match_passes: int


FULL = Sizes(5, 100_000, 100_000, 60_000, 200_000, 10_000, 4_000, 9)
QUICK = Sizes(1, 5_000, 5_000, 5_000, 5_000, 200, 200, 1)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `good` tells whether the target is met."""

    what: str
    target: str
    measured: str
    ratio: str
    cpu: str
    good: bool | None


# --- running ---------------------------------------------------------------------------


def run(command: list[str]) -> dict[str, Any]:
    """The JSON object that a program prints, pinned to the client's core."""
    pinned = ["taskset", "-c", str(CLIENT_CPU), *command]
    done = subprocess.run(pinned, capture_output=True, text=True, timeout=RUN_SECONDS)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)}\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def programs(args: argparse.Namespace, sizes: Sizes, endpoint: Endpoint) -> dict[str, list[str]]:
    """Every program that is run in turn, by the name of its results."""
    ca, url = str(endpoint.ca), endpoint.url

    def product(mode: str, count: int) -> list[str]:
        script = [sys.executable, str(BENCH / "product.py"), mode, "--url", url, "--ca", ca]
        return [*script, "--requests", str(count), "--folder", args.folder]

    def built(name: str, *options: object) -> list[str]:
        return [str(args.programs / f"bench_{name}"), *map(str, options)]

    opponent = built("opponent", url, ca, sizes.opponent)
    return {
        "opponent": opponent,
        "memory": product("memory", sizes.memory),
        "opponent again": opponent,
        "durable": product("durable", sizes.durable),
        "batch": product("batch", sizes.batch),
        "calls": product("calls", sizes.subscriptions),
        "tls": built("tls", endpoint.port, ca, sizes.connections),
        **{f"match {n}": built("match", n, sizes.match_passes) for n in MATCH_SIZES},
    }


def measure(args: argparse.Namespace, sizes: Sizes) -> Results:
    results: Results = defaultdict(list)
    with serve(ENDPOINT_CPU) as endpoint:
        todo = programs(args, sizes, endpoint)
        for n in range(sizes.rounds):
            for at, (name, command) in enumerate(todo.items(), 1):
                show(f"round {n + 1} of {sizes.rounds}, {at} of {len(todo)}: {name}")
                results[name.removesuffix(" again")].append(run(command))
    show("")
    return results


def show(progress: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
    elif progress:
        print(progress, file=sys.stderr, flush=True)


# --- judging ---------------------------------------------------------------------------


def core_share(results: Results) -> float:
    """How much of its core the opponent had, which never waits: all of it when quiet."""
    shares: list[float] = [r["per_second"] * r["cpu_us"] / 1e6 for r in results["opponent"]]
    return median(shares)


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    def mid(name: str, key: str) -> float:
        values: list[float] = [run[key] for run in results[name]]
        return median(values)

    quiet = core_share(results) >= QUIET_SHARE

    def beside_opponent(name: str, what: str, least: float) -> Figure:
        rate, cpu_us = mid(name, "per_second"), mid(name, "cpu_us")
        by_rate, by_cpu = rate / mid("opponent", "per_second"), mid("opponent", "cpu_us") / cpu_us
        ratio = by_rate if quiet else by_cpu
        cpu = f"{cpu_us:.1f} ({by_cpu:.2f} ×)"
        share = f"{by_rate:.2f} ×"
        return Figure(what, f"≥ {least} ×", f"{rate:,.0f}/s", share, cpu, ratio >= least)

    def at_most(
        name: str, key: str, what: str, most: float, unit: str, cpu: str = "", ratio: str = ""
    ) -> Figure:
        value = mid(name, key)
        target, measured = f"≤ {most:,g} {unit}", f"{value:,.4g} {unit}"
        if value >= 1_000:
            measured = f"{value:,.0f} {unit}"
        return Figure(what, target, measured, ratio, cpu, value <= most)

    rate, cpu = mid("opponent", "per_second"), mid("opponent", "cpu_us")

    batch = mid("batch", "per_second")
    floor = f"{mid('tls', 'cpu_us') / mid('tls', 'floor_cpu_us'):.2f} × bare OpenSSL"
    lines = [
        Figure("opponent: bare libcurl multi", "", f"{rate:,.0f}/s", "1 ×", f"{cpu:.1f}", None),
        beside_opponent("memory", "in memory", 0.85),
        beside_opponent("durable", "durable: SQLite FULL, publish_many", 0.4),
        Figure(
            "batches of 100, in memory", "", f"{batch:,.0f}/s", f"{batch / rate:.1f} ×", "", None
        ),
        at_most("batch", "cpu_us", "CPU for one notification of them", 4, "µs"),
        at_most(
            "calls",
            "calls",
            f"1 event → {sizes.subscriptions:,} subscriptions",
            2_000,
            "Python calls",
        ),
        at_most("tls", "cpu_us", "CPU for a new TLS connection and POST", 800, "µs", ratio=floor),
    ]
    for size in MATCH_SIZES:
        name, most = f"match {size}", {100_000: 300, 1_000_000: 800}.get(size)
        what = f"match among {size:,}"
        hits = f"{mid(name, 'hits'):.2f} hits"
        if most is None:
            lines.append(Figure(what, "", f"{mid(name, 'ns'):,.0f} ns", hits, "", None))
        else:
            lines.append(at_most(name, "ns", what, most, "ns", ratio=hits))
        lines.append(at_most(name, "hub_ratio", "… beside a hub of 10,000", 1.2, "×"))
        lines.append(
            at_most(name, "bytes_per_subscription", "… memory of a subscription", 150, "bytes")
        )
    return lines


def table(lines: list[Figure]) -> list[list[str]]:
    words: dict[bool | None, str] = {True: "ok", False: "missed", None: ""}
    head = ["", "target", "measured", "beside", "CPU µs each", ""]
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


def conditions(results: Results, sizes: Sizes) -> str:
    """When and on what it was measured."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    libraries = " ".join(results["opponent"][0]["libcurl"].split()[:2])
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    load = os.getloadavg()[0]
    return (
        f"{today}, {os.cpu_count()} cores of {cpu}, {system}, Python"
        f" {platform.python_version()}, {libraries};"
        f" medians of {sizes.rounds} rounds, load {load:.1f}"
    )


def write(text: str) -> None:
    """Between the markers of bench/README.md."""
    readme = BENCH / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--programs", type=Path, required=True, help="folder of bench_opponent …")
    parser.add_argument("--quick", action="store_true", help="a smoke run: figures mean nothing")
    parser.add_argument("--rounds", type=int, help="instead of 5")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    parser.add_argument("--folder", default="/var/tmp", help="on a real disk")
    args = parser.parse_args()
    if (os.cpu_count() or 1) <= ENDPOINT_CPU:
        raise SystemExit("bench: needs two cores, one for the endpoint")
    if args.write and args.quick:
        parser.error("a quick run's figures are not worth writing down")
    sizes = QUICK if args.quick else FULL
    if args.rounds:
        sizes = Sizes(args.rounds, *[getattr(sizes, f) for f in Sizes.__slots__[1:]])
    results = measure(args, sizes)
    rows, where = table(figures(results, sizes)), conditions(results, sizes)
    print(f"{plain(rows)}\n\n{where}")
    share = core_share(results)
    if share < QUIET_SHARE:
        print(
            f"The opponent had only {share:.0%} of its core: this machine was not quiet. Rates mean"
            " nothing; judged by CPU."
        )
    elif args.write:
        write(f"{markdown(rows)}\n\n{where}")


if __name__ == "__main__":
    main()
