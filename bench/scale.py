"""Figures of a store that many share: ``make bench-scale``.

    python bench/scale.py [--quick]

On a PostgreSQL server of its own with durable commits, beside the SQLite file and the memory of
the same machine: how fast 1, 2 and 4 dispatchers deliver what is in the outbox, what that costs
in processor time of dispatchers and of the server, what joining a host's transaction costs, what
a claim costs beside many finished rows, and how large the rows are. Everything runs on the same
cores: more dispatchers show that work is spread and what sharing costs, not how far it scales.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from endpoint import Endpoint, serve
from postgres import PostgresServer
from product import cpu_seconds, make_events, subscribe

from webhooksub import Dispatcher, allow_all

CONNECTIONS = 64
DURABLE = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}
CAPS: dict[str, Any] = {
    "in_flight_max": CONNECTIONS,
    "in_flight_per_origin": CONNECTIONS,
    "in_flight_reserved_per_origin": 0,
    "in_flight_per_subscription": CONNECTIONS,
    "spill_after_ms": 600_000,
    "poll_ms": 50,
    "claim_events": 500,
}
# Finished rows beside which a claim is measured.
FINISHED = 10_000_000
CLAIMS, CLAIMED = 40, 100


@dataclass(frozen=True)
class Sizes:
    events: int
    joined: int
    finished: int


WHOLE = Sizes(40_000, 2_000, FINISHED)
QUICK = Sizes(4_000, 300, 200_000)

Row = tuple[str, str]


def dispatcher(url: str, there: Endpoint) -> Dispatcher:
    return Dispatcher(
        url, authorizer=allow_all, dev=True, ca_pem=there.ca.read_bytes(), config=CAPS
    )


def server_cpu(server: PostgresServer) -> float:
    """Seconds of the server's processes, ended ones included."""
    ticks = os.sysconf("SC_CLK_TCK")
    main = server.pid
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(pid) == main:
            total += sum(map(int, rest[11:15])) / ticks
        elif int(rest[1]) == main:
            total += sum(map(int, rest[11:13])) / ticks
    return total


# --- delivering ----------------------------------------------------------------------


def deliver_alone(url: str, there: Endpoint, events: int) -> float:
    """Deliveries a second of one process that publishes and delivers."""
    with dispatcher(url, there) as hooks:
        subscribe(hooks, there.url)
        began = time.perf_counter()
        for chunk in make_events(events):
            hooks.publish_many(chunk)
        result = hooks.flush()
        seconds = time.perf_counter() - began
    assert result.delivered == events, result
    return events / seconds


def deliver_shared(server: PostgresServer, there: Endpoint, many: int, events: int) -> list[Row]:
    """What is in the outbox, by some dispatchers at once."""
    with server.schema() as schema:
        url = server.url(schema)
        hooks = dispatcher(url, there)
        subscribe(hooks, there.url)
        processes = [start(url, there) for _ in range(many)]
        for chunk in make_events(events):
            hooks.publish_many(chunk)
        cpu, began = server_cpu(server), time.perf_counter()
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        while hooks.stats()["outbox"]:
            time.sleep(0.02)
        seconds, cpu = time.perf_counter() - began, server_cpu(server) - cpu
        hooks.close()
        done = [json.loads(process.communicate("end\n")[0]) for process in processes]
    delivered = sum(one["delivered"] for one in done)
    assert delivered >= events, done
    spread = " ".join(f"{one['delivered'] / delivered:.0%}" for one in done)
    client = sum(one["cpu"] for one in done)
    return [
        (f"PostgreSQL, {many} dispatchers: delivered/s", f"{events / seconds:,.0f}"),
        ("  processor µs each, dispatchers", f"{client / events * 1e6:.1f}"),
        ("  processor µs each, server", f"{cpu / events * 1e6:.1f}"),
        ("  shares", spread),
    ]


def start(url: str, there: Endpoint) -> Any:
    """A dispatcher that begins at a line of its standard input and ends at the next."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--share", url, "--url", there.url, "--ca", str(there.ca)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[1:])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def share(args: argparse.Namespace) -> None:
    """In a process of its own."""
    logging.basicConfig(level=logging.ERROR)
    there = Endpoint(args.url, 0, Path(args.ca))
    hooks = dispatcher(args.share, there)
    print("ready", flush=True)
    sys.stdin.readline()
    cpu = cpu_seconds()
    with hooks:
        sys.stdin.readline()
        delivered = hooks.stats()["delivered"]
    print(json.dumps({"delivered": delivered, "cpu": cpu_seconds() - cpu}))


# --- joining, claiming, room ---------------------------------------------------------


def join(server: PostgresServer, events: int) -> list[Row]:
    """Processor time of the host's thread for an event in its transaction."""
    with server.schema() as schema:
        hooks = Dispatcher(server.url(schema), authorizer=allow_all)
        [(path, action, data)] = make_events(1)[0]
        hooks.publish(path, action, data)
        with psycopg.connect(server.conninfo(schema)) as host:
            spent = [_thread_cpu(lambda: None, 0)]
            for write in (
                lambda: host.execute("SELECT 1"),
                lambda: hooks.publish(path, action, data, connection=host),
            ):
                for _ in range(50):
                    write()
                spent.append(_thread_cpu(write, events))
        hooks.close()
    return [
        ("publish(connection=…): client processor µs", f"{spent[2]:.1f}"),
        ("  of it, what a bare statement of psycopg takes", f"{spent[1]:.1f}"),
    ]


def _thread_cpu(act: Any, times: int) -> float:
    before = resource.getrusage(resource.RUSAGE_THREAD)
    for _ in range(times):
        act()
    after = resource.getrusage(resource.RUSAGE_THREAD)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent / times * 1e6 if times else 0.0


def claim(server: PostgresServer, there: Endpoint, finished: int) -> list[Row]:
    """A claim in an empty store, and beside finished rows; and how large those are."""
    with server.schema() as schema:
        empty = _claim_ms(server, schema, there)
        size = _size(server, schema)
        _fill(server, schema, finished)
        grown = _size(server, schema) - size
        beside = _claim_ms(server, schema, there)
    return [
        (f"a claim of {CLAIMED} events, empty store: ms", f"{empty:.2f}"),
        (f"  beside {finished:,} finished rows: ms", f"{beside:.2f}"),
        ("  ratio", f"{beside / empty:.2f}"),
        ("bytes for each finished delivery with its event", f"{grown / finished:,.0f}"),
    ]


def _claim_ms(server: PostgresServer, schema: str, there: Endpoint) -> float:
    hooks = dispatcher(server.url(schema), there)
    store: Any = hooks._store
    from webhooksub.store.base import DispatcherInfo  # noqa: PLC0415

    seq = store.begin_dispatching(DispatcherInfo(os.urandom(16), "bench", os.getpid(), "0"))
    assert seq
    for chunk in make_events(CLAIMS * CLAIMED):
        hooks.publish_many(chunk)
    times = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        claimed = store.claim_events(CLAIMED, 10**9)
        times.append(time.perf_counter() - began)
        store.settle(None, [(event[0],) for event, _ in claimed])
    hooks.close()
    return sorted(times)[len(times) // 2] * 1_000


def _fill(server: PostgresServer, schema: str, rows: int) -> None:
    with psycopg.connect(server.conninfo(schema), autocommit=True) as connection:
        for first in range(0, rows, 500_000):
            count = min(500_000, rows - first)
            connection.execute(
                "WITH e AS (INSERT INTO webhooksub_event (id, root, action, paths, published_at,"
                " subscription_rev, data) SELECT uuid_send(gen_random_uuid()), 'tenant/acme', 2,"
                " 'tenant/acme/sidedrawer/s1/record/r1', 0, 1, convert_to(repeat('x', 240), 'UTF8')"
                f" FROM generate_series(1, {count}) RETURNING seq) INSERT INTO webhooksub_delivery"
                " (event_seq, subscription_seq, state, attempts, origin, http_status, outcome,"
                " duration_ms, updated_at) SELECT seq, 1, 3, 1, 1, 204, 1, 12, 0 FROM e"
            )
        connection.execute("VACUUM ANALYZE")


def _size(server: PostgresServer, schema: str) -> int:
    hooks = Dispatcher(server.url(schema), authorizer=allow_all)
    size: int = hooks._store.facts()["bytes"]  # type: ignore[attr-defined]
    hooks.close()
    return size


# --- all -----------------------------------------------------------------------------


@contextmanager
def durable_server() -> Iterator[PostgresServer]:
    server = PostgresServer(**DURABLE)
    server.start()
    try:
        yield server
    finally:
        server.close()


def measure(sizes: Sizes) -> Iterator[Row]:
    with serve() as there, durable_server() as server, tempfile.TemporaryDirectory() as folder:
        for name, url in (("memory", "memory://"), ("SQLite", f"sqlite:///{folder}/hooks.db")):
            yield f"{name}: delivered/s", f"{deliver_alone(url, there, sizes.events):,.0f}"
        with server.schema() as schema:
            alone = deliver_alone(server.url(schema), there, sizes.events)
        yield "PostgreSQL, alone, publishing too: delivered/s", f"{alone:,.0f}"
        for many in (1, 2, 4):
            yield from deliver_shared(server, there, many, sizes.events)
        yield from join(server, sizes.joined)
        yield from claim(server, there, sizes.finished)


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of a store that many share.")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--share", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--ca", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.share:
        share(args)
        return
    logging.basicConfig(level=logging.ERROR)
    warnings.simplefilter("ignore", RuntimeWarning)  # of publishing before anybody delivers
    for name, value in measure(QUICK if args.quick else WHOLE):
        print(f"{name:<52}{value:>16}", flush=True)


if __name__ == "__main__":
    main()
