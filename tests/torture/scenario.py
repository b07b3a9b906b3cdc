"""The tortured process: one dispatcher after the other, each on a file of its own.

``scenario.py PRELOAD``, with the preload in it. An order is a line of JSON on the standard
input, and so is its answer on the standard output; see :class:`Order` and :class:`Told`. What
``publish`` acknowledged is written to the order's own file at once, for a crash keeps it.
"""

import ctypes
import errno
import gc
import json
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import hurt

from webhooksub import ConfigurationError, Dispatcher, OperatorEvent, StoreUnavailable, allow_all
from webhooksub.store import sqlite

TENANT = "tenant/acme"
RECORDS = f"{TENANT}/sidedrawer/s1/record"
KINDS = {"write": 1, "sync": 2, "truncate": 3, "step": 4}
SQLITE_IOERR, SQLITE_FULL = 10, 13
ERRORS = {
    "ENOSPC": errno.ENOSPC,
    "EIO": errno.EIO,
    "EROFS": errno.EROFS,
    "short": -1,
    "IOERR": SQLITE_IOERR,
    "FULL": SQLITE_FULL,
}
SETTINGS: dict[str, Any] = {
    "poll_ms": 20,
    "heartbeat_ms": 100,
    "lease_ms": 60_000,
    "retry_steps_ms": (20,),
    "retry_jitter": 0,
    "breaker_open_ms": 50,
    "connect_timeout_ms": 30_000,
    "total_timeout_ms": 60_000,
    "quarantine_claims": 1_000_000,
}
# Pages in the WAL at which it is copied into the file: within one scenario.
CHECKPOINT_PAGES = 30
EVENTS, MANY = 6, 4
TRIES = 4
# Of one wait for the dispatcher, on a machine that is busy.
SECONDS_MAX = 40


@dataclass(frozen=True)
class Order:
    """Which call fails in which scenario."""

    database: str
    acknowledged: str  # file
    url: str
    ca: str
    kind: str
    error: str
    nth: int  # 0: none
    first: int  # number of the first event
    fresh: bool = False  # the file is not there yet
    for_good: bool = False  # until healed
    hurt: str = ""  # what happens to the file instead; see hurt.py
    sabotage: str = ""


@dataclass
class Told:
    """What came of it, as the process knows it."""

    passed: int = 0  # calls of the kind
    failed: int = 0
    refused: list[int] = field(default_factory=list)  # numbers whose publish raised
    said: list[str] = field(default_factory=list)  # how failures were told
    odd: list[str] = field(default_factory=list)  # answers that nobody expects
    events: list[str] = field(default_factory=list)  # kinds of operator events
    flushed: bool = False
    leaked: str = ""


class Scenario:
    """Subscribes, delivers, publishes in every way, flushes and closes."""

    def __init__(self, order: Order, library: ctypes.CDLL) -> None:
        self._order, self._library, self.told = order, library, Told()
        self._file = os.open(order.acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def run(self) -> Told:
        order = self._order
        if not order.hurt:
            self._arm()
        try:
            with hurt.sabotaged(order.sabotage):
                self._work()
        finally:
            self._heal()
            os.close(self._file)
        return self.told

    def _arm(self) -> None:
        order = self._order
        folder = str(Path(order.database).parent).encode()
        self._library.torture_arm(
            KINDS[order.kind], order.nth, ERRORS[order.error], order.for_good, folder
        )

    def _heal(self) -> None:
        self.told.passed += self._library.torture_passed()
        self.told.failed += self._library.torture_failed()
        self._library.torture_arm(0, 0, 0, 0, b"")

    def _work(self) -> None:
        hooks = self._open()
        if hooks is None:
            return
        try:
            if self._order.fresh:
                for path in ("/a", "/b"):
                    self._try(lambda path=path: self._subscribe(hooks, path))
            if self._start(hooks):
                self._publish(hooks)
                if self._order.hurt in ("", *hurt.UNDONE):
                    self._flush(hooks)
        finally:
            self._try(hooks.close, tries=1)

    def _start(self, hooks: Dispatcher) -> bool:
        """Perhaps only once the disk is whole again."""
        if self._try(hooks.start) is not None:
            return True
        self._heal()
        return self._try(hooks.start) is not None

    def _open(self) -> Dispatcher | None:
        order = self._order
        return self._try(
            lambda: Dispatcher(
                f"sqlite:///{order.database}",
                authorizer=allow_all,
                dev=True,
                ca_pem=order.ca.encode(),
                config=SETTINGS,
                on_operator_event=self._on_event,
            )
        )

    def _on_event(self, event: OperatorEvent) -> None:
        self.told.events.append(event.kind)

    def _subscribe(self, hooks: Dispatcher, path: str) -> Any:
        made = hooks.subscribe(RECORDS, "any", self._order.url + path, expires=timedelta(days=1))
        self._write(f"subscribed {path}")
        return made

    def _publish(self, hooks: Dispatcher) -> None:
        first, order = self._order.first, self._order
        for n in range(first, first + EVENTS):
            if order.hurt and n == first + EVENTS // 2:
                hurt.WAYS[order.hurt](self._path)
            self._acknowledge([n], lambda n=n: hooks.publish(*event(n)))
        many = range(first + EVENTS, first + EVENTS + MANY)
        self._acknowledge(many, lambda: hooks.publish_many([event(n) for n in many]))
        if order.hurt or order.for_good:
            # So long that the dispatcher's own work has met it too.
            time.sleep(5 * SETTINGS["heartbeat_ms"] / 1_000)
        if order.hurt:
            hurt.UNDONE.get(order.hurt, lambda path: None)(self._path)
        if order.for_good:
            self._heal()

    @property
    def _path(self) -> Path:
        return Path(self._order.database)

    def _acknowledge(self, numbers: Any, publish: Callable[[], Any]) -> None:
        if self._try(publish, tries=1) is None:
            self.told.refused += numbers
        else:
            self._write("\n".join(f"published {n}" for n in numbers))

    def _write(self, lines: str) -> None:
        os.write(self._file, (lines + "\n").encode())

    def _flush(self, hooks: Dispatcher) -> None:
        result = self._try(lambda: hooks.flush(timeout=SECONDS_MAX))
        self.told.flushed = bool(result is not None and result.complete)

    def _try(self, act: Callable[[], Any], tries: int = TRIES) -> Any:
        """Its answer; None: it was refused so often, each time in the words of our errors."""
        for _ in range(tries):
            try:
                answer = act()
                return True if answer is None else answer
            except StoreUnavailable as error:
                self.told.said.append(f"StoreUnavailable: {error}")
            except ConfigurationError as error:
                self.told.said.append(f"ConfigurationError: {error}")
            except Exception as error:
                self.told.odd.append(f"{type(error).__name__}: {error}")
        return None


def event(n: int) -> tuple[str, str, dict[str, Any]]:
    return f"{RECORDS}/r{n}", "update", {"n": n, "pad": "x" * 200}


def resources() -> tuple[list[str], list[str]]:
    """Open files and threads."""
    gc.collect()
    files = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            files.append(os.readlink(entry))
        except OSError:
            continue
    return sorted(files), sorted(thread.name for thread in threading.enumerate())


def more(before: list[str], after: list[str]) -> list[str]:
    left = list(after)
    for one in before:
        if one in left:
            left.remove(one)
    return left


def main(preload: str) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    sqlite._CHECKPOINT_PAGES = CHECKPOINT_PAGES
    sqlite.BUSY_TIMEOUT_MS = 2_000
    library = ctypes.CDLL(preload)
    library.torture_arm.argtypes = [
        ctypes.c_int, ctypes.c_uint, ctypes.c_int, ctypes.c_int, ctypes.c_char_p,
    ]  # fmt: skip
    print("ready", flush=True)
    for line in sys.stdin:
        files, threads = resources()
        told = Scenario(Order(**json.loads(line)), library).run()
        now_open, running = resources()
        told.leaked = ", ".join(more(files, now_open) + more(threads, running))
        print(json.dumps(asdict(told)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
