"""Kills dispatchers that share a PostgreSQL under load, and counts: ``make failover``.

Several dispatchers and a publisher work on one server. One dispatcher after the other is
killed, or stopped past its time and resumed, and now and then the server is restarted. Each
that dies must be taken over within the stated time; what was acknowledged must arrive; nothing
may come twice but what a kill lost sight of. A table closes the proof; the exit code is 0 only
if all of that holds and the work was spread.
"""

import argparse
import itertools
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import defects
import oracle
import world
from databases import PostgresDatabase
from endpoint import Endpoint
from postgres import PostgresServer

from webhooksub import Dispatcher, StoreUnavailable, allow_all

HERE = Path(__file__).parent
KILLS, DISPATCHERS = 50, 3
KILLED, STOPPED, RESTARTED = "killed", "stopped and resumed", "server restarted"
# Of the kills so many stop the process first; and after so many the server is restarted.
STOPPED_SHARE, RESTART_EVERY = 0.2, 10
#: A heartbeat later at most it is taken over; a busy machine may take this much more.
STATED_SECONDS = (world.SETTINGS["takeover_ms"] + world.SETTINGS["heartbeat_ms"]) / 1_000
_SLACK_SECONDS = 5.0
SHARE_LEAST = 0.10
_MANY, _PAUSE_SECONDS = 20, 0.03
# Now and then so many at once that a dispatcher holds some that have not begun; one that is to be
# stopped is waited for until it holds so many, for so long.
_BURST, _BURST_EVERY = 600, 25
_HELD, _HELD_SECONDS = 100, 5.0
_DRAIN_SECONDS = 120.0
SETTINGS: dict[str, Any] = world.SETTINGS | {"claim_events": 100}
DRAWERS = [f"one{n}" for n in range(3)] + [f"batched{n}" for n in range(3)] + ["flaky"]


def open_dispatcher(url: str, ca_pem: str) -> Dispatcher:
    return Dispatcher(url, authorizer=allow_all, dev=True, ca_pem=ca_pem.encode(), config=SETTINGS)


@dataclass
class Place:
    """Where one dispatcher after the other runs."""

    counts: Path  # of deliveries; written by the one that runs, a number
    delivered: int = 0  # by those that ran
    process: Any = None
    seq: int = 0

    def end(self) -> None:
        """Notes what it had delivered."""
        self.process.wait()
        self.process.stdout.close()
        text = self.counts.read_text() if self.counts.exists() else ""
        self.delivered += int(text or 0)
        self.counts.unlink(missing_ok=True)


@dataclass
class Proof:
    options: argparse.Namespace
    folder: Path
    takeovers: list[float] = field(default_factory=list)  # seconds each took
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    acknowledged: dict[int, str] = field(default_factory=dict)
    refused: int = 0  # calls of publish that raised while the server was away

    def run(self) -> oracle.Verdict:
        self._chance = random.Random(self.options.seed)
        self._server = PostgresServer()
        self._server.start()
        self._database = PostgresDatabase(self._server)
        self._endpoint = Endpoint("")
        self._ended = threading.Event()
        self.places = [Place(self.folder / f"counts-{n}") for n in range(DISPATCHERS)]
        self._marks: list[int] = []
        self._resumed: list[tuple[int, int]] = []  # who was stopped, until it is killed
        try:
            return self._run()
        finally:
            for place in self.places:
                if place.process is not None and place.process.poll() is None:
                    place.process.kill()
                    place.end()
            self._endpoint.close()
            self._server.close()

    def _run(self) -> oracle.Verdict:
        receipts = self.folder / "receipts"
        receipts.touch()
        self._endpoint.log_to(receipts)
        hooks = open_dispatcher(self._server.url(), self._endpoint.ca)
        self._subscribe(hooks)
        for place in self.places:
            self._start(place)
        publisher = threading.Thread(target=self._publish, args=(hooks,))
        publisher.start()
        try:
            for n in range(1, self.options.kills + 1):
                time.sleep(self._chance.uniform(0.3, 1.0))
                self._kill(self._chance.choice(self.places))
                if n % RESTART_EVERY == 0:
                    self._restart_server()
                if n % 10 == 0 or n == self.options.kills:
                    print(f"{n}/{self.options.kills} kills", flush=True)
        finally:
            self._ended.set()
            publisher.join()
        hooks.close()
        self._drain()
        for place in self.places:
            place.process.send_signal(signal.SIGTERM)
            place.end()
        self._endpoint.flush()
        verdict = oracle.judge(
            self.acknowledged,
            oracle.read_receipts(receipts),
            oracle.read_rows(self._database),
            sorted(self._marks),
            world.REPORT_SLOTS * world.BATCH,
            self._resumed,
            world.BATCH,
        )
        verdict.wrong += self.wrong
        return verdict

    # --- what happens ----------------------------------------------------------------

    def _subscribe(self, hooks: Dispatcher) -> None:
        for name in DRAWERS:
            drawer = world.DRAWERS[name]
            hooks.subscribe(
                drawer.resource,
                "any",
                self._endpoint.url + drawer.path,
                expires=timedelta(days=1),
                integrity_key=world.KEY,
                **drawer.fields,
            )

    def _publish(self, hooks: Dispatcher) -> None:
        """Until the last kill. What raised was not acknowledged, whatever became of it."""
        chance, n = random.Random(self.options.seed), 0
        for call in itertools.count():
            if self._ended.wait(_PAUSE_SECONDS):
                return
            many = _MANY if call % _BURST_EVERY else _BURST
            numbers = range(n, n + many)
            to = chance.choices(DRAWERS, k=many)
            n += many
            events = [
                (f"{world.DRAWERS[name].resource}/r{number}", "update", {"n": number})
                for number, name in zip(numbers, to, strict=True)
            ]
            try:
                hooks.publish_many(events)
            except StoreUnavailable:
                self.refused += 1
            else:
                self.acknowledged.update(zip(numbers, to, strict=True))

    def _start(self, place: Place) -> None:
        orders = {
            "url": self._server.url(),
            "ca": self._endpoint.ca,
            "counts": str(place.counts),
            "sabotage": self.options.sabotage,
        }
        path = os.pathsep.join(str(HERE.parent / name) for name in ("failover", "crash", "support"))
        with (self.folder / "errors").open("ab") as errors:
            place.process = subprocess.Popen(
                [sys.executable, HERE / "sharing.py", json.dumps(orders)],
                env=os.environ | {"PYTHONPATH": path},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        place.seq = int(place.process.stdout.readline() or 0)
        if not place.seq:
            raise RuntimeError(f"it does not start: {(self.folder / 'errors').read_text()[-2000:]}")

    def _kill(self, place: Place) -> None:
        # Of those that are simply gone a defect of fencing shows nothing.
        stopped = bool(self.options.sabotage) or self._chance.random() < STOPPED_SHARE
        self.kinds[STOPPED if stopped else KILLED] += 1
        if stopped:
            self._await_work(place.seq)
        place.process.send_signal(signal.SIGSTOP if stopped else signal.SIGKILL)
        began = time.monotonic()
        dead = place.seq
        if stopped:
            self._await_takeover(dead, began)
            resumed_at = time.monotonic_ns()
            place.process.send_signal(signal.SIGCONT)
            time.sleep(1.0)  # what it would do that must do nothing
            place.process.kill()
            place.end()
            self._resumed.append((resumed_at, time.monotonic_ns()))
        else:
            place.end()
            self._await_takeover(dead, began)
        self._start(place)

    def _await_work(self, seq: int) -> None:
        held = f"SELECT count(*) FROM webhooksub_outbox WHERE dispatcher = {seq}"
        deadline = time.monotonic() + _HELD_SECONDS
        while self._database.ask(held)[0][0] < _HELD and time.monotonic() < deadline:
            time.sleep(0.002)

    def _await_takeover(self, seq: int, began: float) -> None:
        """Marks the last moment at which nobody else could have what the dead one held: what it
        had sent stands in the log by then, however busy the receiver is."""
        state = f"SELECT state FROM webhooksub_dispatcher WHERE seq = {seq}"
        mark = time.monotonic_ns()
        while True:
            asked = time.monotonic_ns()
            if self._database.ask(state) == [(3,)]:
                self.takeovers.append(time.monotonic() - began)
                break
            mark = asked
            if time.monotonic() > began + STATED_SECONDS + _SLACK_SECONDS:
                self.wrong.append(f"dispatcher {seq} was not taken over in time")
                break
            time.sleep(0.02)
        self._marks.append(mark)

    def _restart_server(self) -> None:
        self.kinds[RESTARTED] += 1
        self._server.restart(signal.SIGINT)
        self._marks.append(time.monotonic_ns())

    def _drain(self) -> None:
        """Until nothing is left."""
        left = (
            "SELECT (SELECT count(*) FROM webhooksub_outbox)"
            " + (SELECT count(*) FROM webhooksub_delivery WHERE state IN (1, 2))"
        )
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self._database.ask(left) != [(0,)] and time.monotonic() < deadline:
            time.sleep(0.1)


# --- Telling ---------------------------------------------------------------------------


def rows(proof: Proof, verdict: oracle.Verdict) -> Iterator[tuple[str, str]]:
    kills = proof.kinds[KILLED] + proof.kinds[STOPPED]
    yield "kills", f"{kills:,}"
    for kind in (KILLED, STOPPED):
        yield f"  {kind}", f"{proof.kinds[kind]:,}"
    yield RESTARTED, f"{proof.kinds[RESTARTED]:,}"
    yield "takeovers", f"{len(proof.takeovers):,}"
    if proof.takeovers:
        yield "  the slowest, seconds", f"{max(proof.takeovers):.1f}"
        yield "  stated, seconds", f"{STATED_SECONDS:.1f}"
    for n, share in enumerate(shares(proof), 1):
        yield f"share of dispatcher {n}", f"{share:.0%}"
    yield "calls refused meanwhile", f"{proof.refused:,}"
    yield "events acknowledged", f"{verdict.acknowledged:,}"
    yield "  delivered", f"{verdict.delivered:,}"
    yield "  waiting, dead or in the outbox", f"{verdict.visible:,}"
    yield "  lost", f"{len(verdict.lost):,}"
    yield "delivered more than once", f"{verdict.duplicated:,}"
    yield "  by one kill, at most", f"{verdict.most_duplicated:,}"
    yield "  by one kill, allowed", f"{world.REPORT_SLOTS * world.BATCH:,}"
    outside = sum("twice" in sentence for sentence in verdict.wrong)
    yield "duplicates outside the window", f"{outside:,}"


def shares(proof: Proof) -> list[float]:
    total = sum(place.delivered for place in proof.places)
    return [place.delivered / total if total else 0 for place in proof.places]


def complaints(proof: Proof, verdict: oracle.Verdict) -> Iterator[str]:
    for n, subscription in verdict.lost[:5]:
        yield f"event {n} was acknowledged, and never came to subscription {subscription}"
    for sentence, count in Counter(verdict.wrong).most_common(5):
        yield sentence if count == 1 else f"{sentence} ({count} times)"
    if not verdict.acknowledged:
        yield "nothing was acknowledged"
    if verdict.visible:
        yield f"{verdict.visible} notifications were left waiting"
    kills = proof.kinds[KILLED] + proof.kinds[STOPPED]
    if len(proof.takeovers) != kills:
        yield f"{kills} dispatchers died, and {len(proof.takeovers)} were taken over"
    if min(shares(proof)) < SHARE_LEAST:
        yield f"a dispatcher had less than {SHARE_LEAST:.0%} of the work"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill dispatchers that share a PostgreSQL.")
    parser.add_argument("--kills", type=int, default=KILLS, help=f"default {KILLS}")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--sabotage", choices=["", *defects.DEFECTS], default="")
    return parser.parse_args()


def main() -> int:
    options = parse()
    logging.basicConfig(level=logging.CRITICAL)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="webhooksub-failover-") as folder:
        proof = Proof(options, Path(folder))
        verdict = proof.run()
    print()
    for name, value in rows(proof, verdict):
        print(f"{name:<34}{value:>12}")
    print(f"\nseed {options.seed}, {time.monotonic() - began:.0f} s")
    wrong = list(complaints(proof, verdict))
    for sentence in wrong:
        print(f"not proved: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
