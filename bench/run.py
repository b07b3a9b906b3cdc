"""`make bench`: measures the product beside its opponent, and what it is made of.

    python bench/run.py --programs build/c-plain [--quick] [--rounds 5] [--write]

Opponent and product run in turn on one core, their endpoint on the other; each figure is the
median of all rounds. A machine's microseconds are its own, so what is claimed of deliveries
is a ratio to the opponent in the same run. `--write` puts the table into bench/README.md. On a
machine that is not quiet it judges by the ratio of CPU instead of the ratio of rates, and
writes nothing.
"""

import argparse
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from endpoint import Endpoint, serve
from figures import (
    ENDPOINT_CPU,
    NOT_QUIET,
    Figure,
    Opponent,
    at_most,
    conditions,
    markdown,
    plain,
    run,
    show,
    table,
    write,
)

BENCH = Path(__file__).parent
MATCH_SIZES = (1_000, 100_000, 1_000_000)
COMPARED = 3

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


# --- running ---------------------------------------------------------------------------


def programs(
    args: argparse.Namespace, sizes: Sizes, endpoint: Endpoint
) -> list[tuple[str, list[str]]]:
    """Every program that is run in turn, with the name of its results."""
    ca, url = str(endpoint.ca), endpoint.url

    def product(mode: str, count: int) -> list[str]:
        script = [sys.executable, str(BENCH / "product.py"), mode, "--url", url, "--ca", ca]
        return [*script, "--requests", str(count), "--folder", args.folder]

    def built(name: str, *options: object) -> list[str]:
        return [str(args.programs / f"bench_{name}"), *map(str, options)]

    # The two that are compared most closely, so often that a neighbour's noise meets both.
    compared = [
        ("opponent", built("opponent", url, ca, sizes.opponent)),
        ("memory", product("memory", sizes.memory)),
    ]
    return [
        *compared * COMPARED,
        ("durable", product("durable", sizes.durable)),
        ("batch", product("batch", sizes.batch)),
        ("calls", product("calls", sizes.subscriptions)),
        ("tls", built("tls", endpoint.port, ca, sizes.connections)),
        *((f"match {n}", built("match", n, sizes.match_passes)) for n in MATCH_SIZES),
    ]


def measure(args: argparse.Namespace, sizes: Sizes) -> Results:
    results: Results = defaultdict(list)
    with serve(ENDPOINT_CPU) as endpoint:
        todo = programs(args, sizes, endpoint)
        for n in range(sizes.rounds):
            for at, (name, command) in enumerate(todo, 1):
                show(f"round {n + 1} of {sizes.rounds}, {at} of {len(todo)}: {name}")
                results[name].append(run(command))
    show("")
    return results


# --- judging ---------------------------------------------------------------------------


def figures(results: Results, opponent: Opponent, sizes: Sizes) -> list[Figure]:
    def mid(name: str, key: str) -> float:
        values: list[float] = [run[key] for run in results[name]]
        return median(values)

    def delivered(name: str, what: str, least: float) -> Figure:
        return opponent.judge(what, least, mid(name, "per_second"), mid(name, "cpu_us"))

    batch = mid("batch", "per_second")
    beside = f"{batch / opponent.rate:.1f} ×"
    floor = f"{mid('tls', 'cpu_us') / mid('tls', 'floor_cpu_us'):.2f} × bare OpenSSL"
    fan_out = f"1 event → {sizes.subscriptions:,} subscriptions"
    lines = [
        opponent.figure(),
        delivered("memory", "in memory", 0.85),
        delivered("durable", "durable: SQLite FULL, publish_many", 0.4),
        Figure("batches of 100, in memory", "", f"{batch:,.0f}/s", beside, "", None),
        opponent.judge_time("CPU for one notification of them", mid("batch", "cpu_us"), 4, "µs"),
        at_most(fan_out, mid("calls", "calls"), 2_000, "Python calls"),
        opponent.judge_time(
            "CPU for a new TLS connection and POST", mid("tls", "cpu_us"), 800, "µs", floor
        ),
    ]
    for size in MATCH_SIZES:
        name, most = f"match {size}", {100_000: 300, 1_000_000: 800}.get(size)
        what, ns = f"match among {size:,}", mid(name, "ns")
        hits = f"{mid(name, 'hits'):.2f} hits"
        if most is None:
            lines.append(Figure(what, "", f"{ns:,.0f} ns", hits, "", None))
        else:
            lines.append(opponent.judge_time(what, ns, most, "ns", hits))
        hub, room = mid(name, "hub_ratio"), mid(name, "bytes_per_subscription")
        lines.append(at_most("… beside a hub of 10,000", hub, 1.2, "×"))
        lines.append(at_most("… memory of a subscription", room, 150, "bytes"))
    return lines


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
    opponent = Opponent(results["opponent"])
    rows = table(figures(results, opponent, sizes))
    where = conditions(opponent.libraries, sizes.rounds)
    print(f"{plain(rows)}\n\n{where}")
    if not opponent.quiet:
        print(NOT_QUIET.format(opponent.core_share))
    elif args.write:
        write(BENCH / "README.md", f"{markdown(rows)}\n\n{where}")


if __name__ == "__main__":
    main()
