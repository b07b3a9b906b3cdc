"""Kills the dispatcher over and over, and counts what is lost: ``make crash``.

Rounds of a few kills, each with a database, a seed and a largest fan-out of its own. A kill
comes at one of the named failpoints, or at a random time, or after the process was stopped
past its lease and resumed. A table closes the proof; the exit code is 0 only if nothing is
lost, nothing came twice without a kill between, and the proof met what it is for.
"""

import argparse
import logging
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import databases
import defects
import oracle
import world
from databases import Database
from endpoint import Endpoint
from lives import AT_RANDOM, STOPPED, Kill, Result, Round

# Rounds at once; each waits more than it computes.
JOBS = 2
KILLS_PER_ROUND = 10
FAN_OUTS = (1, 100, 1, 10_000)
# Of the kills so many are at random, and so many of a process that was stopped.
RANDOM_SHARE, STOPPED_SHARE = 0.25, 0.1
# What a whole proof must have met: by kill, and by failpoint.
WHOLE_KILLS = 200
UNDER_WAY_SHARE, HITS_LEAST, ACKNOWLEDGED_LEAST = 0.75, 5, 100_000


def kinds(kills: int, points: Sequence[str], chance: random.Random) -> list[str]:
    """What ends each life: every failpoint alike, and some at random; each once at least."""
    stopped = max(1, round(kills * STOPPED_SHARE))
    at_random = max(1, min(round(kills * RANDOM_SHARE), kills - len(points) - stopped))
    drawn = [STOPPED] * stopped + [AT_RANDOM] * at_random
    drawn += [points[n % len(points)] for n in range(kills - len(drawn))]
    chance.shuffle(drawn)
    return drawn


class Slot:
    """What rounds that follow each other share: a receiver, and databases to begin with."""

    def __init__(self, make: Callable[[str], Database], away: str) -> None:
        """`make` gives an empty database."""
        self._make, self._templates = make, dict[int, Database]()
        self.endpoint = Endpoint(away)

    def template(self, fan_out: int) -> Database:
        if fan_out not in self._templates:
            made, ca_pem = self._make(f"template_{fan_out}"), self.endpoint.ca.encode()
            hooks = world.open_dispatcher(made.url, ca_pem, synchronous="NORMAL")
            world.subscribe_all(hooks, fan_out, self.endpoint.url, self.endpoint.away)
            hooks.start()  # who has had the dispatcher's lock leaves no WAL behind
            hooks.close()
            self._templates[fan_out] = made
        return self._templates[fan_out]


class Proof:
    """All the rounds, on as many slots as there are jobs."""

    def __init__(self, options: argparse.Namespace, folder: Path, place: Any, away: str) -> None:
        """`place` makes an empty database, see :func:`databases.places`."""
        self._options, self._folder = options, folder
        self._slots: SimpleQueue[Slot] = SimpleQueue()
        self._made: list[Slot] = []
        self._lock = threading.Lock()
        self._killed = 0
        for n in range(options.jobs):
            (folder / f"slot_{n}").mkdir()
            self._made.append(Slot(partial(place, folder / f"slot_{n}"), away))
            self._slots.put(self._made[-1])

    def run(self) -> Result:
        options = self._options
        points = list(databases.points_of(options.store))
        drawn = kinds(options.kills, points, random.Random(options.seed))
        rounds = [drawn[n : n + KILLS_PER_ROUND] for n in range(0, len(drawn), KILLS_PER_ROUND)]
        whole = Result(oracle.Verdict())
        try:
            with ThreadPoolExecutor(options.jobs) as pool:
                for result in pool.map(self._run_round, range(len(rounds)), rounds):
                    whole.verdict.add(result.verdict)
                    whole.kills += result.kills
        finally:
            for slot in self._made:
                slot.endpoint.close()
        return whole

    def _run_round(self, n: int, kinds: list[str]) -> Result:
        fan_out = self._options.fan_outs[n % len(self._options.fan_outs)]
        folder = self._folder / f"round_{n}"
        folder.mkdir()
        slot = self._slots.get()
        try:
            return Round(
                folder,
                slot.template(fan_out).copy(folder.name),
                slot.endpoint,
                kinds,
                seed=self._options.seed + n,
                fan_out=fan_out,
                sabotage=self._options.sabotage,
                told=self._tell,
            ).run()
        finally:
            self._slots.put(slot)

    def _tell(self, kill: Kill) -> None:
        with self._lock:
            self._killed += 1
            show_progress(self._killed, self._options.kills, kill.kind)


# --- Telling ---------------------------------------------------------------------------


def show_progress(n: int, of: int, kind: str) -> None:
    """A bar where a person looks on, else a line now and then."""
    done = f"{n}/{of} kills"
    if sys.stdout.isatty():
        bar = "█" * (n * 30 // of)
        print(f"\r{bar:░<30} {done}, the last {kind:<16}", end="\n" if n == of else "", flush=True)
    elif n % 10 == 0 or n == of:
        print(done, flush=True)


def rows(result: Result, points: Iterable[str]) -> Iterator[tuple[str, object]]:
    verdict, kills = result.verdict, result.kills
    yield "kills", len(kills)
    yield "  with work under way", sum(kill.under_way > 0 for kill in kills)
    for kind, count in hits(kills, points).items():
        yield f"  {kind}", count
    yield "events acknowledged", verdict.acknowledged
    yield "notifications of these", verdict.expected
    yield "  delivered", verdict.delivered
    yield "  waiting, dead or in the outbox", verdict.visible
    yield "  lost", len(verdict.lost)
    yield "delivered more than once", verdict.duplicated
    yield "  by one kill, at most", verdict.most_duplicated
    yield "  by one kill, allowed", world.REPORT_SLOTS * world.BATCH


def hits(kills: Sequence[Kill], points: Iterable[str]) -> Counter[str]:
    """How often each kind of end was met; one that did not come was an end at random."""
    found = Counter(dict.fromkeys((*points, AT_RANDOM, STOPPED), 0))
    found.update(kill.kind if kill.hit or kill.kind == STOPPED else AT_RANDOM for kill in kills)
    return found


def complaints(result: Result, points: Iterable[str], whole: bool) -> Iterator[str]:
    """Everything that makes the proof fail, a sentence each."""
    verdict = result.verdict
    for n, subscription in verdict.lost[:5]:
        yield f"event {n} was acknowledged, and never came to subscription {subscription}"
    for sentence, count in Counter(verdict.wrong).most_common(10):
        yield sentence if count == 1 else f"{sentence} ({count} times)"
    if not whole:
        return
    under_way = sum(kill.under_way > 0 for kill in result.kills)
    if under_way < UNDER_WAY_SHARE * len(result.kills):
        yield f"only {under_way} kills met work under way"
    if verdict.acknowledged < ACKNOWLEDGED_LEAST:
        yield f"only {verdict.acknowledged:,} events were acknowledged"
    for kind, count in hits(result.kills, points).items():
        if count < HITS_LEAST:
            yield f"{kind} was met {count} times only"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill the dispatcher, and count what is lost.")
    parser.add_argument("--kills", type=int, default=WHOLE_KILLS, help="default 200")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--store", choices=databases.STORES, default="sqlite")
    parser.add_argument("--sabotage", choices=["", *defects.DEFECTS], default="")
    parser.add_argument("--jobs", type=int, default=JOBS, help="rounds at once (default 2)")
    parser.add_argument(
        "--fan-outs",
        type=lambda text: tuple(map(int, text.split(","))),
        default=FAN_OUTS,
        help="the largest of each round, in turn (default 1,100,1,10000)",
    )
    return parser.parse_args()


def main() -> int:
    options = parse()
    logging.basicConfig(level=logging.ERROR)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="webhooksub-crash-") as folder, socket.socket() as away:
        away.bind(("127.0.0.1", 0))  # and nobody listens
        nobody = f"https://127.0.0.1:{away.getsockname()[1]}"
        with databases.places(options.store) as place:
            result = Proof(options, Path(folder), place, nobody).run()
    print()
    points = databases.points_of(options.store)
    for name, value in rows(result, points):
        print(f"{name:<32}{value:>12,}")
    print(f"\nseed {options.seed}, {time.monotonic() - began:.0f} s")
    wrong = list(complaints(result, points, whole=options.kills >= WHOLE_KILLS))
    for sentence in wrong:
        print(f"not proved: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
