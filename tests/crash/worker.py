"""The process that is killed: it publishes, delivers, prunes and changes keys, all at once.

``python worker.py SETTINGS`` with :class:`Orders` as JSON. What ``publish`` answered for is
written to the file of acknowledgements, a line "number drawer" each, with one write: a kill
loses none of them. "ready" on the standard output says that it delivers.
"""

import contextlib
import itertools
import json
import logging
import os
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import defects
import failpoints
import world

from webhooksub import ConfigurationError, Dispatcher, StoreUnavailable
from webhooksub.config import StoreConfig
from webhooksub.dispatcher import system_clock
from webhooksub.store import open_store, sqlite

# So many numbers belong to one life of the process, and to one kind of its publishing.
LIFE, KIND = 10_000_000, 1_000_000
# Pages in the WAL at which it is copied: often, so that many kills meet it.
CHECKPOINT_PAGES = 60
# Of so many events one has data that leaves in several parts.
LARGE_ONE_IN = 40


@dataclass(frozen=True)
class Orders:
    """What one life of the process is for."""

    role: str  # work: publish and deliver; drain: deliver; intrude: deliver; migrate
    database: str  # its URL
    acknowledged: str  # file of acknowledgements
    ca: str
    life: int
    seed: int
    fan_out: int
    crowds: int = 0  # events for the largest drawer
    events: int = 1_000  # then it publishes on, but slowly
    sabotage: str = ""
    keyed: tuple[int, ...] = ()  # published before with a key, and perhaps not acknowledged

    def dump(self) -> str:
        return json.dumps(asdict(self))


class Load:
    """Publishes until the process ends."""

    def __init__(self, hooks: Dispatcher, orders: Orders) -> None:
        self._hooks, self._orders = hooks, orders
        self._chance = random.Random(orders.seed)
        self._file = os.open(orders.acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._drawers = [d for d in world.drawers(orders.fan_out) if d.share]
        # A server ends the session of a process that was stopped: what it was about to write
        # is not acknowledged.
        refused = (StoreUnavailable,) if hooks._store.shared else ()
        self._attempt = contextlib.suppress(*refused)

    def bulk(self) -> None:
        """Many in one transaction, to every drawer by its share."""
        for n in self._numbers(0, step=25):
            numbers = range(n, n + 25)
            shares = [d.share for d in self._drawers]
            to = self._chance.choices(self._drawers, shares, k=len(numbers))
            events = [self._event(n, drawer) for n, drawer in zip(numbers, to, strict=True)]
            with self._attempt:
                self._hooks.publish_many(events)
                self._acknowledge(zip(numbers, to, strict=True))

    def single(self) -> None:
        """One by one, as most services do."""
        for n in self._numbers(1, step=1, share=0.2):
            drawer = self._chance.choice(self._drawers)
            with self._attempt:
                self._hooks.publish(*self._event(n, drawer))
                self._acknowledge([(n, drawer)])

    def keyed(self) -> None:
        """With a key, and again after a crash: what was not acknowledged is repeated."""
        drawer = world.DRAWERS["one0"]
        for n in itertools.chain(self._orders.keyed, self._numbers(2, step=1, share=0.1)):
            path = f"{drawer.resource}/r{n}"
            with self._attempt:
                self._hooks.publish(path, "update", {"n": n}, idempotency_key=str(n))
                self._acknowledge([(n, drawer)])

    def crowd(self) -> None:
        """The few events that everybody hears."""
        drawer = world.DRAWERS["crowd"]
        for n in itertools.islice(self._numbers(3, step=1), self._orders.crowds):
            with self._attempt:
                self._hooks.publish(*self._event(n, drawer))
                self._acknowledge([(n, drawer)])

    def prune(self) -> None:
        while True:
            time.sleep(0.2)
            with self._attempt:
                self._hooks.prune(datetime.now(UTC) - timedelta(seconds=1))

    def change_keys(self) -> None:
        [info] = self._hooks.subscriptions(resource=world.DRAWERS["one1"].resource)
        for n in itertools.count():
            with self._attempt:
                self._hooks.update(info.id, integrity_key=f"{n:032}")
            time.sleep(0.1)

    def _numbers(self, kind: int, *, step: int, share: float = 1) -> Iterator[int]:
        """From this life's own; after its part of the events they come slowly."""
        first = self._orders.life * LIFE + kind * KIND
        for n in itertools.count(first, step):
            if n - first >= self._orders.events * share:
                time.sleep(0.02)
            yield n

    def _event(self, n: int, drawer: world.Drawer) -> tuple[str, str, Any]:
        large = self._chance.randrange(LARGE_ONE_IN) == 0
        data = {"n": n, "text": "x" * (self._chance.randrange(200_000) if large else 40)}
        return f"{drawer.resource}/r{n}", "update", data

    def _acknowledge(self, published: Any) -> None:
        lines = "".join(f"{n} {drawer.name}\n" for n, drawer in published)
        os.write(self._file, lines.encode())


def work(orders: Orders) -> None:
    hooks = world.open_dispatcher(orders.database, orders.ca.encode())
    load = Load(hooks, orders)
    hooks.start()
    print("ready", flush=True)
    for act in (load.bulk, load.single, load.keyed, load.crowd, load.prune, load.change_keys):
        threading.Thread(target=act, daemon=True).start()
    while hooks.delivers:
        time.sleep(0.02)
    print("fenced", flush=True)
    threading.Event().wait()


def drain(orders: Orders) -> None:
    """Delivers until its standard input ends."""
    with world.open_dispatcher(orders.database, orders.ca.encode()):
        print("ready", flush=True)
        sys.stdin.read()


def intrude(orders: Orders) -> None:
    """Is refused, or else delivers beside the other."""
    hooks = world.open_dispatcher(orders.database, orders.ca.encode())
    try:
        hooks.start()
    except ConfigurationError as error:
        print(f"refused: {error}", flush=True)
        return
    print("delivers", flush=True)
    threading.Event().wait()


def migrate(orders: Orders) -> None:
    store = open_store(orders.database, StoreConfig(), system_clock)
    print(f"version {store.migrate()}", flush=True)  # type: ignore[attr-defined]


ROLES: dict[str, Callable[[Orders], None]] = {
    "work": work,
    "drain": drain,
    "intrude": intrude,
    "migrate": migrate,
}


def main() -> None:
    orders = Orders(**json.loads(sys.argv[1]))
    # What is left is a complaint.
    logging.basicConfig(level=logging.ERROR)
    # It has a level of its own, and warns of the connection that a stopped process has lost.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", RuntimeWarning)
    with contextlib.ExitStack() as stack:
        stack.enter_context(defects.in_place(orders.sabotage))
        if "WHS_FAILPOINT" in os.environ:
            passes = failpoints.preloaded()
            stack.enter_context(failpoints.in_place(passes))
            if orders.role == "migrate":
                stack.enter_context(failpoints.next_version(passes))
        sqlite._CHECKPOINT_PAGES = CHECKPOINT_PAGES
        ROLES[orders.role](orders)


if __name__ == "__main__":
    main()
