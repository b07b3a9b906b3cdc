"""What the bench measures of the store alone: joining, claiming, room, and being idle."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg
from endpoint import Endpoint
from postgres import PostgresServer
from process import Process, dispatcher
from product import make_events
from server import Look, serving

from webhooksub import Dispatcher, allow_all
from webhooksub.store.base import DispatcherInfo

CLAIMS, CLAIMED = 40, 100
_PART = 50
_BY_HAND_TABLE = (
    "CREATE TABLE by_hand (id bytea PRIMARY KEY, action text, path text, data bytea,"
    " at timestamptz DEFAULT now())"
)
_BY_HAND = "INSERT INTO by_hand (id, action, path, data) VALUES (%s, %s, %s, %s)"
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*):")


def join(server: PostgresServer, events: int) -> tuple[float, float]:
    """Processor µs of the host's thread for an event in its transaction, and for the row that
    a host without us would write there."""
    with server.schema() as schema:
        hooks = Dispatcher(server.url(schema), authorizer=allow_all)
        [[(path, action, data)]] = make_events(1)
        hooks.publish(path, action, data)
        with psycopg.connect(server.conninfo(schema)) as host, _on_one_core(host):
            host.execute(_BY_HAND_TABLE)
            joined = _thread_us(lambda: hooks.publish(path, action, data, connection=host), events)
            by_hand = _thread_us(
                lambda: host.execute(_BY_HAND, (os.urandom(16), action, path, data)), events
            )
        hooks.close()
    return joined, by_hand


@contextmanager
def _on_one_core(host: psycopg.Connection) -> Iterator[None]:
    """This process and the server's that serves `host`: what it takes to wake another core is
    charged to who wakes it, and is the machine's."""
    cores = os.sched_getaffinity(0)
    backend = host.info.backend_pid
    for process in (0, backend):
        os.sched_setaffinity(process, {min(cores)})
    try:
        yield
    finally:
        for process in (0, backend):
            os.sched_setaffinity(process, cores)


def _thread_us(act: Any, times: int) -> float:
    """The median of parts, for what others do meanwhile."""
    spent = []
    for _ in range(max(1, times // _PART) + 1):
        before = time.thread_time()
        for _ in range(_PART):
            act()
        spent.append(time.thread_time() - before)
    return median(spent[1:]) / _PART * 1e6  # without the first: the driver prepares its statement


@dataclass(frozen=True, slots=True)
class Claims:
    """Milliseconds of one in an empty store, and beside finished rows; bytes of one of those."""

    empty: float
    beside: float
    row_bytes: float


def claim(server: PostgresServer, there: Endpoint, finished: int) -> Claims:
    with server.schema() as schema, Look(server, schema) as look:
        empty = _claim_ms(server.url(schema), there)
        size = look.size()
        _fill(server, schema, finished)
        grown = look.size() - size
        beside = _claim_ms(server.url(schema), there)
    return Claims(empty, beside, grown / finished)


def _claim_ms(url: str, there: Endpoint) -> float:
    hooks = dispatcher(url, there)
    store: Any = hooks._store
    assert store.begin_dispatching(DispatcherInfo(os.urandom(16), "bench", os.getpid(), "0"))
    for chunk in make_events(CLAIMS * CLAIMED):
        hooks.publish_many(chunk)
    times = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        claimed, _ = store.claim_events(CLAIMED, 10**9)
        times.append(time.perf_counter() - began)
        assert len(claimed) == CLAIMED
        store.settle(None, [(event[0],) for event in claimed])
    hooks.close()
    return median(times) * 1_000


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


def idle(there: Endpoint, seconds: float) -> float:
    """Statements a second of a dispatcher that has nothing to do, in the default rhythm, on a
    server of its own: one that logs them all."""
    with serving(log_statement="all") as server:
        process = Process(server.url(), there, config={})
        process.begin()
        process.seq()
        time.sleep(1.0)  # what it does at its start
        before = len(_STATEMENT.findall(server.log))
        time.sleep(seconds)
        asked = len(_STATEMENT.findall(server.log)) - before
        process.end()
    return asked / seconds
