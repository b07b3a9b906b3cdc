"""Figures of a store that many share: ``make bench-scale``.

    python bench/scale/scale.py --programs build/c-plain [--quick] [--seconds 600] [--write]

On a PostgreSQL server of its own with durable commits, beside the SQLite file, the memory and the
bare libcurl program of the same run. nginx has the second core as in run.py, opponent, memory and
SQLite the first; the server, and dispatchers in processes of their own, run on both. More
dispatchers on the same cores show that work is spread and what sharing costs, not how far it
scales. `--write` puts the table into docs/operations.md. Exit status 1 when a target is missed, but
not of a smoke run.
"""

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from paper import Costs, on_paper
from postgres import PostgresServer
from process import Process, dispatcher
from product import make_events, subscribe
from server import DURABLE, Look, server_cpu, serving
from store import CLAIMED, Claims, claim, idle, join
from sustained import LOAD, Span, Sustained, find_peak, sustain
from takeover import stated_seconds, take_over

BENCH = Path(__file__).parents[1]
PAGE = BENCH.parent / "docs" / "operations.md"
DISPATCHERS = (1, 2, 4)
#: One dispatcher on PostgreSQL, beside the opponent.
SHARE_LEAST = 0.25
JOIN_US_MOST = 60.0
CLAIM_RATIO_MOST = 1.5
#: Of sustained runs, the last third beside the first. A queue that grows by one in a hundred shows
#: as seconds, rows that stay as several times the size; but vacuum comes in waves.
LATENCY_GROWTH_MOST, SIZE_GROWTH_MOST = 1.5, 1.25
_DRAIN_SECONDS = 300.0


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int
    opponent: int
    events: int
    joined: int
    finished: int
    peak_seconds: float
    seconds: float
    retention: float
    idle_seconds: float
    taken_over: int
    takeover: dict[str, Any] = field(default_factory=dict)  # settings; the default ones


SOON = {"heartbeat_ms": 500, "lease_ms": 1_500, "takeover_ms": 2_000}
WHOLE = Sizes(3, 100_000, 40_000, 5_000, 10_000_000, 60.0, 600.0, 60.0, 30.0, 20_000)
QUICK = Sizes(1, 5_000, 4_000, 500, 100_000, 4.0, 9.0, 4.0, 4.0, 4_000, SOON)


@dataclass(frozen=True, slots=True)
class Delivered:
    """By some dispatchers at once: a second, and µs of processor each."""

    rate: float
    client_us: float
    server_us: float
    shares: list[float]


def deliver(server: PostgresServer, there: Endpoint, many: int, events: int) -> Delivered:
    """What is in the outbox."""
    with server.schema() as schema, Look(server, schema) as look:
        url = server.url(schema)
        hooks = dispatcher(url, there)
        subscribe(hooks, there.url)
        processes = [Process(url, there) for _ in range(many)]
        for chunk in make_events(events):
            hooks.publish_many(chunk)
        hooks.close()
        for process in processes:
            process.begin()
        processes[0].seq()  # connected, and at work
        before, began = _used(server, processes), time.perf_counter()
        assert look.await_empty(_DRAIN_SECONDS), "not all was delivered"
        seconds, after = time.perf_counter() - began, _used(server, processes)
        done = [process.end()["delivered"] for process in processes]
    assert sum(done) >= events, done
    client, servers = ((b - a) / events * 1e6 for a, b in zip(before, after, strict=True))
    return Delivered(events / seconds, client, servers, [one / sum(done) for one in done])


def _used(server: PostgresServer, processes: list[Process]) -> tuple[float, float]:
    return sum(process.cpu_seconds() for process in processes), server_cpu(server)


class Bench:
    """Measures in turn, and makes the figures of it."""

    def __init__(self, programs: Path, folder: str, sizes: Sizes) -> None:
        self._programs, self._folder, self._sizes = programs, folder, sizes
        self._opponent: list[dict[str, Any]] = []
        self._alone: dict[str, list[dict[str, Any]]] = {}
        self._shared: dict[int, list[Delivered]] = {}

    def measure(self, there: Endpoint, server: PostgresServer) -> list[Figure]:
        sizes = self._sizes
        for n in range(1, sizes.rounds + 1):
            self._round(f"round {n} of {sizes.rounds}", there, server)
        self.opponent = Opponent(self._opponent)
        lines = [*self._delivering()]
        show("joining a host's transaction")
        lines.append(self._joining(*join(server, sizes.joined)))
        show(f"claims beside {sizes.finished:,} finished rows")
        claims = claim(server, there, sizes.finished)
        lines += claiming(claims, sizes.finished)
        show("the peak of who publishes and who delivers")
        peak = find_peak(server, there, sizes.peak_seconds, sizes.retention)
        seen, span = sustain(server, there, LOAD * peak, sizes.seconds, sizes.retention)
        lines += sustaining(peak, seen, span, sizes)
        show("a dispatcher is killed")
        lines += [self._takeover(there, server), self._idle(there)]
        self.costs = Costs(
            seen.client_us,
            seen.server_us,
            seen.wal_bytes,
            claims.row_bytes,
            CLAIMED / claims.beside * 1_000,
        )
        show("")
        return lines

    def _round(self, which: str, there: Endpoint, server: PostgresServer) -> None:
        ca = str(there.ca)
        opponent = [str(self._programs / "bench_opponent"), there.url, ca]
        opponent.append(str(self._sizes.opponent))
        show(f"{which}: the opponent")
        self._opponent.append(run(opponent))
        for many in DISPATCHERS:
            show(f"{which}: PostgreSQL, dispatchers: {many}")
            got = deliver(server, there, many, self._sizes.events)
            self._shared.setdefault(many, []).append(got)
        show(f"{which}: the opponent again")
        self._opponent.append(run(opponent))
        with server.schema() as schema:
            for name, mode, database in (
                ("memory", "memory", []),
                ("SQLite", "durable", []),
                ("PostgreSQL", "durable", ["--database", server.url(schema)]),
            ):
                show(f"{which}: {name}, publishing too")
                command = [sys.executable, str(BENCH / "product.py"), mode, "--url", there.url]
                command += ["--ca", ca, "--requests", str(self._sizes.events)]
                result = run([*command, "--folder", self._folder, *database])
                self._alone.setdefault(name, []).append(result)

    def _delivering(self) -> Iterator[Figure]:
        yield self.opponent.figure()
        for name, results in self._alone.items():
            rate = median([r["per_second"] for r in results])
            cpu = median([r["cpu_us"] for r in results])
            what = f"{name}, one process that publishes too"
            yield Figure(what, "", f"{rate:,.0f}/s", self._beside(rate), f"{cpu:.1f}", None)
        for many, got in self._shared.items():
            rate = median([g.rate for g in got])
            client, server = (
                median([getattr(g, n) for g in got]) for n in ("client_us", "server_us")
            )
            if many == 1:
                what = "PostgreSQL, 1 dispatcher, what is in the outbox"
                cpu = f", {server:.1f}"
                yield self.opponent.judge(what, SHARE_LEAST, rate, client, cpu)
                continue
            shares = " ".join(f"{share:.0%}" for share in got[-1].shares)
            what, cpu = f"… {many} dispatchers; shares {shares}", f"{client:.1f}, {server:.1f}"
            yield Figure(what, "", f"{rate:,.0f}/s", self._beside(rate), cpu, None)

    def _beside(self, rate: float) -> str:
        return f"{rate / self.opponent.rate:.2f} ×"

    def _joining(self, joined: float, by_hand: float) -> Figure:
        what, beside = "publish(connection=…): client CPU", f"a row by hand: {by_hand:.1f} µs"
        return self.opponent.judge_time(what, joined, JOIN_US_MOST, "µs", beside)

    def _takeover(self, there: Endpoint, server: PostgresServer) -> Figure:
        sizes = self._sizes
        seconds = take_over(server, there, sizes.taken_over, sizes.takeover)
        what = "a killed dispatcher's work is taken over within"
        return at_most(what, seconds, stated_seconds(sizes.takeover), "s")

    def _idle(self, there: Endpoint) -> Figure:
        asked = idle(there, self._sizes.idle_seconds)
        return Figure("an idle dispatcher: statements a second", "", f"{asked:.1f}", "", "", None)


def claiming(claims: Claims, finished: int) -> Iterator[Figure]:
    what = f"a claim of {CLAIMED} events beside {finished:,} finished rows"
    beside = f"{claims.beside:.2f} ms, {claims.empty:.2f} ms in an empty store"
    yield at_most(what, claims.beside / claims.empty, CLAIM_RATIO_MOST, "×", ratio=beside)
    what = "a finished delivery with its event"
    yield Figure(what, "", f"{claims.row_bytes:,.0f} bytes", "", "", None)


def sustaining(peak: float, seen: Sustained, span: Span, sizes: Sizes) -> Iterator[Figure]:
    yield Figure("peak of a publisher and a dispatcher", "", f"{peak:,.0f}/s", "", "", None)
    cpu = f"{seen.client_us:.1f}, {seen.server_us:.1f}"
    late = f"{seen.late * 1_000:.0f} ms late at most"
    what = f"sustained for {sizes.seconds:,.0f} s, kept for {sizes.retention:,.0f} s"
    yield Figure(what, "", f"{seen.rate:,.0f}/s", late, cpu, None)
    first, last = span.thirds()
    before, after = seen.p99(first), seen.p99(last)
    worst = max(seen.p99s(span))
    beside = f"{before:.0f} ms → {after:.0f} ms; of the worst ten seconds {worst:,.0f} ms"
    what = "… p99 published → settled, last third beside the first"
    yield at_most(what, after / before, LATENCY_GROWTH_MOST, "×", ratio=beside)
    before, after = seen.size(first), seen.size(last)
    beside = f"{before / 1e6:,.0f} MB → {after / 1e6:,.0f} MB"
    yield at_most(
        "… size of the tables, likewise", after / before, SIZE_GROWTH_MOST, "×", ratio=beside
    )
    yield at_most("… not delivered, of every hundredth event", seen.missing, 0, "events")
    yield Figure("… WAL for each delivery", "", f"{seen.wal_bytes:,.0f} bytes", "", "", None)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Figures of a store that many share.")
    parser.add_argument("--programs", type=Path, required=True, help="folder of bench_opponent")
    parser.add_argument("--quick", action="store_true", help="a smoke run: figures mean nothing")
    parser.add_argument("--seconds", type=float, help="of the sustained run, instead of 600")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--folder", default="/var/tmp", help="on a real disk")
    args = parser.parse_args()
    if args.write and args.quick:
        parser.error("a quick run's figures are not worth writing down")
    return args


def main() -> int:
    args = parse()
    logging.basicConfig(level=logging.ERROR)
    warnings.simplefilter("ignore", RuntimeWarning)  # of publishing before anybody delivers
    sizes = QUICK if args.quick else WHOLE
    if args.seconds:
        sizes = Sizes(**{**vars(sizes), "seconds": args.seconds})
    bench = Bench(args.programs, args.folder, sizes)
    with serve(ENDPOINT_CPU) as there, serving(**DURABLE) as server:
        lines = bench.measure(there, server)
        version = f"PostgreSQL {server.bin.parent.name}"
    rows = table(lines, "CPU µs each: client, server")
    where = conditions(f"{bench.opponent.libraries} {version}", sizes.rounds)
    paper, words = on_paper(bench.costs)
    print(f"{plain(rows)}\n\n{where}\n\n{words}\n\n{plain(paper)}")
    if not bench.opponent.quiet:
        print(NOT_QUIET.format(bench.opponent.core_share))
    elif args.write:
        write(PAGE, f"{markdown(rows)}\n\n{where}\n\n{words}\n\n{markdown(paper)}")
    missed = any(line.good is False for line in lines)
    return 1 if missed and not args.quick else 0


if __name__ == "__main__":
    sys.exit(main())
