"""One run of the product against a local endpoint, measured: prints one JSON object.

    product.py memory|durable|batch|calls --url https://localhost:PORT/ --ca FILE --requests N

CPU is that of all threads of this process; the endpoint is another one.
"""

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from webhooksub import Dispatcher, allow_all

PATH = "tenant/acme/sidedrawer/s1/record/r{}"
RESOURCE = "tenant/acme/sidedrawer/s1/record"
# With its envelope about 587 bytes, as the opponent sends.
DATA = json.dumps({"name": "Taxes", "text": "x" * 220}).encode()
CHUNK = 1_000


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def make(args: argparse.Namespace, folder: Path) -> Dispatcher:
    """A dispatcher with the opponent's caps, in memory or on a fresh file."""
    caps = {
        "in_flight_max": args.connections,
        "in_flight_per_origin": args.connections,
        "in_flight_reserved_per_origin": 0,
        "in_flight_per_subscription": args.connections,
        "spill_after_ms": 600_000,
    }
    common: dict[str, Any] = {
        "authorizer": allow_all,
        "dev": True,
        "ca_pem": Path(args.ca).read_bytes(),
        "config": caps,
    }
    if args.mode == "durable":
        return Dispatcher(args.database or f"sqlite:///{folder / 'hooks.db'}", **common)
    return Dispatcher.in_memory(**common)


def subscribe(hooks: Dispatcher, url: str, **fields: Any) -> None:
    hooks.subscribe(
        RESOURCE, "any", url, expires=timedelta(days=30), integrity_key="k" * 32, **fields
    )


def make_events(count: int) -> list[list[tuple[str, str, bytes]]]:
    """What a service has at hand, in chunks as it publishes them."""
    return [
        [(PATH.format(n), "update", DATA) for n in range(start, min(start + CHUNK, count))]
        for start in range(0, count, CHUNK)
    ]


def publish(hooks: Dispatcher, chunks: list[list[tuple[str, str, bytes]]]) -> None:
    for chunk in chunks:
        hooks.publish_many(chunk)


def deliver(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Published → delivered → settled, `requests` times."""
    delivery = None
    if args.mode == "batch":
        delivery = {"batch": {"maxNotifications": 100, "lingerMs": 1000}}
    with make(args, folder) as hooks:
        subscribe(hooks, args.url, delivery=delivery)
        publish(hooks, make_events(args.connections))  # opens the connections
        hooks.flush()
        events = make_events(args.requests)
        cpu, began = cpu_seconds(), time.perf_counter()
        publish(hooks, events)
        result = hooks.flush()
        seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    assert result.delivered == args.requests, result
    return {
        "per_second": result.delivered / seconds,
        "cpu_us": cpu / result.delivered * 1e6,
    }


def count_calls(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Python calls in all threads while one event goes to many subscriptions."""
    calls = [0]

    def count(frame: Any, event: str, arg: Any) -> None:
        calls[0] += event in ("call", "c_call")

    threading.setprofile(count)  # every thread that starts from now on
    hooks = make(args, folder)
    for n in range(args.requests):
        subscribe(hooks, f"{args.url}?n={n}")
    with hooks:
        hooks.flush()
        calls[0] = 0
        sys.setprofile(count)
        hooks.publish(PATH.format(1), "update", DATA)
        result = hooks.flush()
        sys.setprofile(None)
    assert result.delivered == args.requests, result
    return {"calls": calls[0]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("memory", "durable", "batch", "calls"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--folder", default="/var/tmp", help="on a real disk")
    parser.add_argument("--database", help="URL of an empty one, in place of a file there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        run = count_calls if args.mode == "calls" else deliver
        print(json.dumps({"mode": args.mode, **run(args, Path(folder))}))


if __name__ == "__main__":
    main()
