"""`make bench-fairness`: what one bad endpoint costs everybody else.

    python bench/fairness.py [--quick] [--rounds 3]

Four questions, each answered beside a run without the bad one. Latency is from before the
event is published to its arrival at the endpoint, on one clock; both sides of a ratio are
medians of all rounds.

    one dead origin, 100,000 deliveries waiting for it, 99 healthy ones    p99 ≤ 2 ×
    a new tenant meanwhile                                       first event < 1 s
    two tenants on one host, one of them answers 500 to its own            p99 ≤ 2 ×
    the same, and its own are answered after 5 s                           p99 ≤ 2 ×

A dead origin refuses connections in one run and lets them hang in the next; a run without the
bad one precedes each. Every origin is a port of 127.0.0.1. Exit status 1 when a target is missed.
"""

import argparse
import asyncio
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from figures import plain, show

from webhooksub import Dispatcher, allow_all
from webhooksub._core import issue_certificate

PATH = "tenant/{}/sidedrawer/s1/record/r1"
RESOURCE = "tenant/{}/sidedrawer/s1/record"
CHUNK = 1_000
TENANTS = 100
# Often enough that the dead origin is probed, and what waits for it comes back, meanwhile.
CONFIG = {"breaker_open_ms": 5_000}
# Below this, a p99 is what the machine's other work makes it.
NOISE_MS = 5.0
WAIT_SECONDS = 180.0
SLOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    rounds: int
    waiting: int
    per_second: int
    seconds: float


FULL = Sizes(rounds=3, waiting=100_000, per_second=200, seconds=10)
QUICK = Sizes(rounds=1, waiting=5_000, per_second=100, seconds=3)


# --- the endpoint: a process of its own, so that its work is not the sender's ------------


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: dict[str, list[float]]
) -> None:
    """Notes how long each notification took; /bad is answered 500, /slow late."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            request = head.decode("latin-1").lower()
            body = await reader.readexactly(int(request.split("content-length:")[1].split()[0]))
            now, path = time.monotonic(), request.split()[1]
            data = json.loads(body)["data"]
            seen.setdefault(path, []).append((now - data["at"]) * 1e3)
            if path == "/slow":
                await asyncio.sleep(SLOW_SECONDS)
            status = b"500 Internal Server Error" if path == "/bad" else b"204 No Content"
            length = b"Content-Length: 0\r\n" if path == "/bad" else b""
            writer.write(b"HTTP/1.1 " + status + b"\r\n" + length + b"\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(certificate: str, count: int) -> None:
    """Listens at `count` ports; each line of stdin is answered with what was seen since."""
    seen: dict[str, list[float]] = {}
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    servers = [
        await asyncio.start_server(
            lambda r, w: answer(r, w, seen), "127.0.0.1", 0, ssl=tls, backlog=256
        )
        for _ in range(count)
    ]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(seen), flush=True)
        if line == "new\n":
            seen.clear()


@dataclass(slots=True)
class Endpoint:
    """The other process, as the sender sees it."""

    process: "subprocess.Popen[str]"
    ca: bytes
    ports: list[int] = field(default_factory=list)

    def _ask(self, word: str) -> dict[str, list[float]]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        seen: dict[str, list[float]] = json.loads(self.process.stdout.readline())
        return seen

    def forget(self) -> None:
        self._ask("new")

    def latencies(self, path: str, count: int) -> list[float]:
        """In milliseconds, when `count` have come. Raises SystemExit when they don't."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            seen = self._ask("look").get(path, [])
            if len(seen) >= count:
                return seen
            time.sleep(0.05)
        raise SystemExit(f"bench: {len(seen)} of {count} came to {path}")


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    ca, certificate, key = issue_certificate("localhost,127.0.0.1")
    file = folder / "endpoint.pem"
    file.write_bytes(certificate + key)
    command = [sys.executable, __file__, "--serve", str(file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield Endpoint(process, ca, json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def dead_port(hangs: bool) -> Iterator[int]:
    """Nobody listens there; or somebody who never accepts, and whose backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        callers: list[socket.socket] = []
        if hangs:
            listener.listen(0)
            for _ in range(4):
                callers.append(socket.socket())
                callers[-1].setblocking(False)
                callers[-1].connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for caller in callers:
                caller.close()


# --- the sender --------------------------------------------------------------------------


@contextmanager
def dispatcher(there: Endpoint, folder: Path) -> Iterator[Dispatcher]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        hooks = Dispatcher(
            f"sqlite:///{name}/hooks.db",
            authorizer=allow_all,
            dev=True,
            ca_pem=there.ca,
            config=CONFIG,
        )
        try:
            yield hooks.start()
        finally:
            hooks.close(grace=0)


def subscribe(hooks: Dispatcher, tenant: str, port: int, path: str) -> None:
    hooks.subscribe(
        RESOURCE.format(tenant),
        "any",
        f"https://localhost:{port}{path}",
        expires=timedelta(days=1),
        integrity_key="k" * 32,
    )


def publish(hooks: Dispatcher, tenant: str) -> None:
    hooks.publish(PATH.format(tenant), "update", {"at": time.monotonic()})


def publish_steadily(hooks: Dispatcher, tenants: list[str], sizes: Sizes) -> int:
    """At the given rate, to one tenant after the other; returns how many."""
    count = int(sizes.per_second * sizes.seconds)
    began = time.monotonic()
    for n in range(count):
        ahead = began + n / sizes.per_second - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        publish(hooks, tenants[n % len(tenants)])
    return count


def fill(hooks: Dispatcher, tenant: str, count: int) -> None:
    """Until so many deliveries of the tenant wait in the store, but for what is tried."""
    event = (PATH.format(tenant), "update", {"at": time.monotonic()})
    for start in range(0, count, CHUNK):
        hooks.publish_many([event] * min(CHUNK, count - start))
    deadline = time.monotonic() + WAIT_SECONDS
    while hooks.stats()["outbox"] > count * 0.01:
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {hooks.stats()['outbox']} of {count} are in the outbox")
        time.sleep(0.1)


def p99(latencies: list[float]) -> float:
    return sorted(latencies)[int(len(latencies) * 0.99)]


def measure_healthy(
    there: Endpoint, folder: Path, sizes: Sizes, dead: int | None
) -> tuple[float, float]:
    """p99 of the healthy ones, and a new tenant's first event, in milliseconds."""
    tenants = [f"t{n}" for n in range(TENANTS - 1)]
    with dispatcher(there, folder) as hooks:
        for tenant, port in zip(tenants, there.ports, strict=False):
            subscribe(hooks, tenant, port, "/healthy")
        if dead:
            subscribe(hooks, "dead", dead, "/dead")
            fill(hooks, "dead", sizes.waiting)
        for n, tenant in enumerate(tenants, 1):  # opens the connections
            publish(hooks, tenant)
            there.latencies("/healthy", n)
        there.forget()
        count = publish_steadily(hooks, tenants, sizes)
        latencies = there.latencies("/healthy", count)
        subscribe(hooks, "new", there.ports[-1], "/new")
        publish(hooks, "new")
        [first] = there.latencies("/new", 1)
        there.forget()
    return p99(latencies), first


def measure_shared(there: Endpoint, folder: Path, sizes: Sizes, bad: str) -> float:
    """p99 of one tenant whose neighbour on the same host is `bad`, or "": does not publish."""
    with dispatcher(there, folder) as hooks:
        subscribe(hooks, "good", there.ports[0], "/good")
        subscribe(hooks, "bad", there.ports[0], bad or "/bad")
        if bad:
            fill(hooks, "bad", sizes.waiting // 20)
        publish(hooks, "good")
        there.latencies("/good", 1)
        there.forget()
        tenants = ["good", "bad"] if bad else ["good"]
        half = Sizes(1, 0, sizes.per_second // (1 if bad else 2), sizes.seconds)
        count = publish_steadily(hooks, tenants, half)
        latencies = there.latencies("/good", count // len(tenants))
        assert hooks.stats()["origins_blocked"] == 0
        there.forget()
    return p99(latencies)


# --- judging -----------------------------------------------------------------------------


def compare(what: str, alone: list[float], beside: list[float]) -> tuple[list[str], bool]:
    before, after = median(alone), median(beside)
    good = after <= 2 * max(before, NOISE_MS)
    measured = f"{after:.1f} ms, alone {before:.1f} ms"
    return [what, "≤ 2 ×", measured, f"{after / before:.2f} ×", "ok" if good else "missed"], good


def measure(sizes: Sizes, folder: Path) -> tuple[list[list[str]], bool]:
    alone: list[float] = []
    beside: list[float] = []
    first: list[float] = []
    shared: dict[str, list[float]] = {"": [], "/bad": [], "/slow": []}
    with endpoint(folder) as there:
        for n in range(sizes.rounds):
            for hangs in (False, True):
                show(f"round {n + 1} of {sizes.rounds}: dead, {'hangs' if hangs else 'refuses'}")
                alone.append(measure_healthy(there, folder, sizes, None)[0])
                with dead_port(hangs) as dead:
                    latency, new = measure_healthy(there, folder, sizes, dead)
                beside.append(latency)
                first.append(new)
            show(f"round {n + 1} of {sizes.rounds}: shared host")
            for bad in ("", "/bad", "", "/slow"):
                shared[bad].append(measure_shared(there, folder, sizes, bad))
    show("")
    dead_row, dead_good = compare(f"p99 beside {sizes.waiting:,} for a dead one", alone, beside)
    host_row, host_good = compare("p99 beside 500s on the same host", shared[""], shared["/bad"])
    slow_row, slow_good = compare("p99 beside a slow one there", shared[""], shared["/slow"])
    slowest = max(first)
    new_good = slowest < 1_000
    new_row = ["a new tenant's first event", "< 1 s", f"{slowest:.1f} ms", "", ""]
    new_row[-1] = "ok" if new_good else "missed"
    head = ["", "target", "measured", "beside", ""]
    good = dead_good and new_good and host_good and slow_good
    return [head, dead_row, new_row, host_row, slow_row], good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run: figures mean little")
    parser.add_argument("--rounds", type=int, help="instead of 3")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on a real disk")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args: Any = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.serve, TENANTS))
        return 0
    logging.disable()  # that the dead one fails is no news
    sizes = QUICK if args.quick else FULL
    if args.rounds:
        sizes = Sizes(args.rounds, sizes.waiting, sizes.per_second, sizes.seconds)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        rows, good = measure(sizes, Path(name))
    print(f"{plain(rows)}\n\nmedians of {sizes.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
