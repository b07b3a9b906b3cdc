"""Many processes publish to one SQLite file beside one dispatcher: ``make publishers``.

Each publishes one by one, many at once, and in transactions of its own, of which it takes
some back, whole or to a savepoint. What was acknowledged must be received once, what was
taken back never, and no call may fail.
"""

import argparse
import contextlib
import itertools
import json
import logging
import multiprocessing
import sqlite3
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import oracle
import world
from databases import SqliteFile
from endpoint import Endpoint

from webhooksub import ConfigurationError, Dispatcher

SECONDS, PROCESSES = 30.0, 8
# So many numbers belong to one process.
_EACH = 100_000_000
_MANY = 10
# Acts of one process in a shorter time: a busy machine lets it do little.
_LEAST_ACTS = 12
# A publisher has other things to do as well.
_PAUSE_SECONDS = 0.002
_DRAIN_SECONDS = 120.0
_LEFT = (
    "SELECT (SELECT count(*) FROM webhooksub_outbox),"
    " (SELECT count(*) FROM webhooksub_delivery WHERE state IN (1, 2))"
)


@dataclass
class Published:
    """What one process did."""

    kept: list[int] = field(default_factory=list)
    taken_back: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Publisher:
    def __init__(self, database: Path, ca_pem: bytes, first: int) -> None:
        self._hooks = world.open_dispatcher(SqliteFile(database).url, ca_pem)
        self._own = sqlite3.connect(database, isolation_level=None, timeout=10)
        self._own.execute("PRAGMA wal_autocheckpoint = 0")
        self._numbers = itertools.count(first)
        self._resources = itertools.cycle([f"batched{n}" for n in range(5)])
        self.published = Published()

    def publish_for(self, seconds: float) -> Published:
        deadline = time.monotonic() + seconds
        acts = itertools.cycle((self._one, self._many, self._one, self._joined))
        for done, act in enumerate(acts):
            if done >= _LEAST_ACTS and time.monotonic() > deadline:
                break
            try:
                act()
            except Exception as error:
                self.published.errors.append(repr(error))
                with contextlib.suppress(sqlite3.Error):
                    self._own.execute("ROLLBACK")
            time.sleep(_PAUSE_SECONDS)
        self._own.close()
        self._hooks.close()
        return self.published

    def _one(self) -> None:
        event = self._event()
        self._hooks.publish(*event)
        self.published.kept.append(event[2]["n"])

    def _many(self) -> None:
        events = [self._event() for _ in range(_MANY)]
        self._hooks.publish_many(events)
        self.published.kept += [event[2]["n"] for event in events]

    def _joined(self) -> None:
        """Three in one transaction: to a savepoint that is taken back, kept, and of a
        transaction that is taken back."""
        back, kept, gone = self._event(), self._event(), self._event()
        self._own.execute("BEGIN IMMEDIATE")
        self._own.execute("SAVEPOINT mine")
        self._hooks.publish(*back, connection=self._own)
        self._own.execute("ROLLBACK TO mine")
        self._hooks.publish(*kept, connection=self._own)
        self._own.execute("COMMIT")
        self.published.kept.append(kept[2]["n"])
        self._own.execute("BEGIN IMMEDIATE")
        self._hooks.publish(*gone, connection=self._own)
        self._own.execute("ROLLBACK")
        self.published.taken_back += [back[2]["n"], gone[2]["n"]]

    def _event(self) -> tuple[str, str, dict[str, int]]:
        n = next(self._numbers)
        return f"{world.DRAWERS[next(self._resources)].resource}/r{n}", "update", {"n": n}


def publish(database: Path, ca_pem: bytes, first: int, seconds: float, out: Any) -> None:
    """In a process of its own."""
    warnings.simplefilter("ignore", RuntimeWarning)
    out.put(Publisher(database, ca_pem, first).publish_for(seconds))


@dataclass
class Outcome:
    published: Published
    received: Counter[int]
    refused: str  # what a second dispatcher was told
    damage: list[str]
    left: tuple[int, ...]

    def complaints(self) -> Iterator[str]:
        kept = set(self.published.kept)
        yield from self.published.errors[:5]
        if missing := len(kept - self.received.keys()):
            yield f"{missing} acknowledged events were not received"
        if sent := len(self.received.keys() & set(self.published.taken_back)):
            yield f"{sent} events that were taken back were sent"
        if twice := sum(count > 1 for count in self.received.values()):
            yield f"{twice} events were received twice"
        if strange := len(self.received.keys() - kept):
            yield f"{strange} events were received that nobody was told are published"
        if "another dispatcher delivers from this file: host" not in self.refused:
            yield f"a second dispatcher was not refused by name: {self.refused!r}"
        if any(self.left):
            yield f"left behind: {self.left}"
        yield from self.damage


def deliver(endpoint: Endpoint, folder: Path, processes: int, seconds: float) -> Outcome:
    database, receipts = folder / "hooks.db", folder / "receipts"
    receipts.touch()
    endpoint.log_to(receipts)
    published, refused, left = publish_beside(endpoint, database, processes, seconds)
    endpoint.flush()
    received = Counter(receipt.pair[0] for receipt in oracle.read_receipts(receipts))
    return Outcome(published, received, refused, SqliteFile(database).damage(), left)


def publish_beside(
    endpoint: Endpoint, database: Path, processes: int, seconds: float
) -> tuple[Published, str, tuple[int, ...]]:
    """What the publishers did beside a dispatcher, what a second dispatcher was told, and
    what was not delivered at the end."""
    ca_pem, published = endpoint.ca.encode(), Published()
    with world.open_dispatcher(SqliteFile(database).url, ca_pem) as hooks:
        world.subscribe_all(hooks, 1, endpoint.url, endpoint.away)
        context = multiprocessing.get_context("spawn")
        out = context.Queue()
        made = [
            context.Process(target=publish, args=(database, ca_pem, n * _EACH, seconds, out))
            for n in range(processes)
        ]
        for process in made:
            process.start()
        refused = start_second(database, ca_pem)
        for done in (out.get(timeout=seconds + 60) for _ in made):
            published.kept += done.kept
            published.taken_back += done.taken_back
            published.errors += done.errors
        for process in made:
            process.join()
        return published, refused, await_nothing_left(hooks, database)


def start_second(database: Path, ca_pem: bytes) -> str:
    second = world.open_dispatcher(SqliteFile(database).url, ca_pem)
    try:
        second.start()
    except ConfigurationError as error:
        return str(error)
    finally:
        second.close(grace=0)
    return ""


def await_nothing_left(hooks: Dispatcher, database: Path) -> tuple[int, ...]:
    deadline = time.monotonic() + _DRAIN_SECONDS
    with closing(sqlite3.connect(database)) as connection:
        while True:
            hooks.flush(timeout=1)
            left: tuple[int, ...] = connection.execute(_LEFT).fetchone()
            if not any(left) or time.monotonic() > deadline:
                return left


def main() -> int:
    parser = argparse.ArgumentParser(description="Publish from many processes at once.")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    endpoint = Endpoint(away="https://127.0.0.1:1")
    try:
        with tempfile.TemporaryDirectory(prefix="webhooksub-publishers-") as folder:
            outcome = deliver(endpoint, Path(folder), options.processes, options.seconds)
    finally:
        endpoint.close()
    published = outcome.published
    figures = {
        "processes": options.processes,
        "seconds": options.seconds,
        "events acknowledged": len(published.kept),
        "events taken back": len(published.taken_back),
        "received": sum(outcome.received.values()),
        "errors": len(published.errors),
    }
    for name, value in figures.items():
        print(f"{name:<24}{value:>10,}")
    print(f"{'a second dispatcher':<24}{json.dumps(outcome.refused)}")
    wrong = list(outcome.complaints())
    for sentence in wrong:
        print(f"not proved: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
