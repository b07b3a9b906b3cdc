"""Ten minutes of publishing and delivering at once, of bench/scale: does it stay as it began?

One process publishes, one delivers, and what is older than the retention is deleted all the
time. Latency is by the server's clock, from the call of publish to the delivery's being settled;
every hundredth event is looked at, each second.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median

from endpoint import Endpoint
from figures import show
from postgres import PostgresServer
from process import Process, dispatcher
from product import subscribe
from server import Look, server_cpu

#: Of the peak: what a dispatcher should be loaded to at most.
LOAD = 0.8
_EVERY = 100
_DELIVERED = 3
_SAMPLES = (
    "SELECT e.seq, e.published_at, d.updated_at - e.published_at FROM webhooksub_event e"
    f" JOIN webhooksub_delivery d ON d.event_seq = e.seq AND d.state = {_DELIVERED}"
    " WHERE e.seq = ANY(%s)"
)
_LAST = "SELECT coalesce(max(seq), 0) FROM webhooksub_event"
_DRAIN_SECONDS = 120.0
_WINDOW_MS = 10_000
_TELL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Span:
    """Milliseconds of the server's clock."""

    first: int
    last: int

    def thirds(self) -> tuple["Span", "Span"]:
        """The first and the last."""
        third = (self.last - self.first) // 3
        return Span(self.first, self.first + third), Span(self.last - third, self.last)


@dataclass
class Sustained:
    """What was seen."""

    rate: float = 0.0  # of what was published in the span, and delivered some time
    late: float = 0.0  # seconds the publisher was behind, at most
    deleted: int = 0  # events, by pruning
    latencies: list[tuple[int, int]] = field(default_factory=list)  # published at, milliseconds
    sizes: list[tuple[int, int]] = field(default_factory=list)  # at, bytes
    client_us: float = 0.0  # of the dispatcher, for one delivery
    server_us: float = 0.0  # with publishing, pruning and vacuum
    wal_bytes: float = 0.0  # for one delivery
    missing: int = 0  # events that were looked for and are not delivered

    def inside(self, span: Span) -> list[int]:
        """Latencies, the shortest first."""
        return sorted(ms for at, ms in self.latencies if span.first <= at < span.last)

    def p99s(self, span: Span) -> list[float]:
        """Of each ten seconds, or of all if it is less."""
        starts = range(span.first, span.last - _WINDOW_MS + 1, _WINDOW_MS)
        windows = [self.inside(Span(at, at + _WINDOW_MS)) for at in starts] or [self.inside(span)]
        return [float(ms[int(len(ms) * 0.99)]) if ms else float("inf") for ms in windows]

    def p99(self, span: Span) -> float:
        """The median of these: when everything stands still for a moment, by a checkpoint or by
        what else runs on the machine, it is in one of them; what grows is in all."""
        return median(self.p99s(span))

    def size(self, span: Span) -> float:
        inside = [size for at, size in self.sizes if span.first <= at < span.last]
        return sum(inside) / len(inside) if inside else float("inf")


def find_peak(server: PostgresServer, there: Endpoint, seconds: float, retention: float) -> float:
    """Events a second of one who publishes as fast as one dispatcher delivers, while as many are
    deleted."""
    with _working(server, there) as (schema, look, worker):
        publisher = _publisher(server, schema, there, warm_up=retention, seconds=seconds)
        with _pruning(server, schema, there, retention, Sustained()):
            publisher.begin()
            done = publisher.end()
        look.await_empty(_DRAIN_SECONDS)
        worker.end()
    return float(done["per_second"])


def sustain(
    server: PostgresServer, there: Endpoint, rate: float, seconds: float, retention: float
) -> tuple[Sustained, Span]:
    """At this rate, after a warm-up of `retention` seconds, as long as rows are kept."""
    seen = Sustained()
    with _working(server, there) as (schema, look, worker):
        publisher = _publisher(server, schema, there, warm_up=retention, seconds=seconds, rate=rate)
        with _pruning(server, schema, there, retention, seen):
            publisher.begin()
            watch = _Watch(look, seen)
            watch.follow(retention, "sustained, warming up")
            first, before = look.now_ms(), _used(server, worker, look)
            watch.follow(seconds, f"sustained at {rate:,.0f}/s")
            span, after = Span(first, look.now_ms()), _used(server, worker, look)
        seen.late = publisher.end()["late"]
        look.await_empty(_DRAIN_SECONDS)  # what is left then is missing
        watch.look()
        seen.missing = watch.missing()
        worker.end()
    events = max(1, len(seen.inside(span)) * _EVERY)
    client, servers, wal = (b - a for a, b in zip(before, after, strict=True))
    seen.rate = events * 1_000 / (span.last - span.first)
    seen.client_us, seen.server_us = client / events * 1e6, servers / events * 1e6
    seen.wal_bytes = wal / events
    return seen, span


def _used(server: PostgresServer, worker: Process, look: Look) -> tuple[float, float, float]:
    return worker.cpu_seconds(), server_cpu(server), look.wal()


def _publisher(server: PostgresServer, schema: str, there: Endpoint, **orders: float) -> Process:
    return Process(server.url(schema), there, conninfo=server.conninfo(schema), **orders)


@contextmanager
def _working(server: PostgresServer, there: Endpoint) -> Iterator[tuple[str, Look, Process]]:
    """A schema, who looks at it, and a dispatcher that delivers from it."""
    with server.schema() as schema, Look(server, schema) as look:
        hooks = dispatcher(server.url(schema), there)
        subscribe(hooks, there.url)
        hooks.close()
        look.checkpoint()
        worker = Process(server.url(schema), there)
        worker.begin()
        worker.seq()
        try:
            yield schema, look, worker
        finally:
            worker.kill()


@contextmanager
def _pruning(
    server: PostgresServer, schema: str, there: Endpoint, retention: float, seen: Sustained
) -> Iterator[None]:
    """One run after the other."""
    ended = threading.Event()
    hooks = dispatcher(server.url(schema), there)

    def prune() -> None:
        while not ended.wait(0.5):
            before = datetime.now(UTC) - timedelta(seconds=retention)
            seen.deleted += hooks.prune(before)["events"]

    thread = threading.Thread(target=prune)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        hooks.close()


class _Watch:
    """Looks at the events of which it does not know yet that they arrived."""

    def __init__(self, look: Look, seen: Sustained) -> None:
        self._look, self._seen = look, seen
        self._last = 0
        self._pending: set[int] = set()

    def follow(self, seconds: float, what: str) -> None:
        """For so long, once a second."""
        tell_at = time.monotonic()
        end = tell_at + seconds
        while (left := end - time.monotonic()) > 0:
            if time.monotonic() >= tell_at:
                show(f"{what}: {left:.0f} s left")
                tell_at += _TELL_SECONDS
            self.look()
            time.sleep(min(1.0, left))

    def look(self) -> None:
        last = int(self._look.value(_LAST))
        first = self._last - self._last % _EVERY + _EVERY
        self._pending.update(range(first, last + 1, _EVERY))
        self._last = max(self._last, last)
        for seq, at, ms in self._look.rows(_SAMPLES, (list(self._pending),)):
            self._pending.discard(seq)
            self._seen.latencies.append((at, ms))
        self._seen.sizes.append((self._look.now_ms(), self._look.size()))

    def missing(self) -> int:
        """Of those that there are: a number that nobody took is no event."""
        there = "SELECT count(*) FROM webhooksub_event WHERE seq = ANY(%s)"
        return int(self._look.rows(there, (list(self._pending),))[0][0])
