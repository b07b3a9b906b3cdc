"""One round of ``make crash``: a database, several lives of a process on it, a verdict."""

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import failpoints
import oracle
import worker
import world
from databases import Database
from endpoint import Endpoint

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
BUILT = REPOSITORY / "build" / "crash"

#: What ends a life: a failpoint's name, or one of these.
AT_RANDOM, STOPPED = "at random", "stopped"
# One that does not come to its failpoint, or does not end, is not waited for.
_LIFE_SECONDS, _DRAIN_SECONDS = 15.0, 120.0
# A life has so many events acknowledged, at most, before its end is due: by events and not by
# time, so that a slow machine proves as much.
_EVENTS = 1_100
# Past the lease, so that nothing may start before the next heartbeat.
_STOP_SECONDS = world.SETTINGS["lease_ms"] / 1_000 + 0.5
# A process that was stopped is taken over a heartbeat after this; a busy machine takes longer.
_TAKEOVER_SECONDS = world.SETTINGS["takeover_ms"] / 1_000 + 10.0
_FENCED_SECONDS, _ARRIVES_SECONDS = 10.0, 0.1
# With so many events in the outbox the next life only delivers.
_BACKLOG = 2_000
_UNDER_WAY = (
    "SELECT (SELECT count(*) FROM webhooksub_outbox) "
    "+ (SELECT count(*) FROM webhooksub_delivery WHERE state = 2)"
)
# What "away" holds waits for ever, by intention.
_LEFT = (
    "SELECT (SELECT count(*) FROM webhooksub_outbox), (SELECT count(*) FROM webhooksub_delivery"
    " JOIN webhooksub_subscription s ON s.seq = subscription_seq"
    " WHERE state IN (1, 2) AND s.resource NOT LIKE '%/away/%')"
)


@dataclass(frozen=True)
class Kill:
    """How one life ended, and with how much under way."""

    kind: str
    hit: bool  # by its failpoint, not for want of it
    under_way: int


@dataclass
class Result:
    verdict: oracle.Verdict
    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0


class Round:
    """`kinds` are what ends its lives, in order. `told` is called after each of them.
    `database` has the subscriptions, and is the round's alone."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        endpoint: Endpoint,
        kinds: list[str],
        *,
        seed: int,
        fan_out: int,
        sabotage: str = "",
        told: Callable[[Kill], None] = lambda kill: None,
    ) -> None:
        self._folder, self._endpoint, self._kinds, self._told = folder, endpoint, kinds, told
        self._chance = random.Random(seed)
        self._database = database
        self._receipts = folder / "receipts"
        self._errors = folder / "errors"
        self._acknowledged = folder / "acknowledged"
        self._hit, self._armed = folder / "hit", folder / "armed"
        self._orders = worker.Orders(
            "work",
            database.url,
            str(self._acknowledged),
            endpoint.ca,
            life=0,
            seed=seed,
            fan_out=fan_out,
            sabotage=sabotage,
        )
        self._killed_at: list[int] = []
        self._result = Result(oracle.Verdict())

    def run(self) -> Result:
        began = time.monotonic()
        self._receipts.touch()
        self._endpoint.log_to(self._receipts)
        for life, kind in enumerate(self._kinds, 1):
            self._orders = replace(
                self._orders,
                life=life,
                seed=self._chance.getrandbits(32),
                crowds=1 if life % 5 == 1 and self._orders.fan_out >= 10_000 else 0,
                keyed=self._not_acknowledged(life),
            )
            self._live(kind)
            if self._count(_UNDER_WAY)[0] > _BACKLOG:
                self._drain()
        self._drain()
        self._result.verdict = self._judge()
        self._result.seconds = time.monotonic() - began
        return self._result

    # --- lives -----------------------------------------------------------------------

    def _live(self, kind: str) -> None:
        self._hit.unlink(missing_ok=True)
        self._armed.unlink(missing_ok=True)
        if kind == "in-migration":
            self._armed.touch()
            self._until_failpoint(self._start("migrate", kind))
        elif kind in failpoints.POINTS:
            process = self._start("work", kind)
            self._until_acknowledged(process)
            self._armed.touch()
            self._until_failpoint(process)
        else:
            process = self._start("work")
            self._until_acknowledged(process)
            if kind == STOPPED and self._database.shared:
                process = self._stop_and_take_over(process)
            elif kind == STOPPED:
                self._stop_and_resume(process)
            self._kill(process)
        self._note_death(kind)

    def _until_acknowledged(self, process: Any) -> None:
        """As many events of this life as chance wants, if it comes to so many."""
        process.stdout.readline()
        wanted = self._count_acknowledged() + self._chance.randint(1, _EVENTS)
        deadline = time.monotonic() + _LIFE_SECONDS
        while self._count_acknowledged() < wanted and time.monotonic() < deadline:
            time.sleep(0.01)

    def _count_acknowledged(self) -> int:
        path = self._acknowledged
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def _until_failpoint(self, process: Any) -> None:
        try:
            process.wait(_LIFE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill(process)
        process.stdout.close()

    def _stop_and_resume(self, process: Any) -> None:
        """Past its lease; meanwhile another wants its place."""
        process.send_signal(signal.SIGSTOP)
        time.sleep(_STOP_SECONDS)
        intruder = self._start("intrude")
        answer = intruder.stdout.readline()
        if f"pid {process.pid}" not in answer:
            self._result.verdict.wrong.append(f"a second dispatcher was not refused: {answer}")
            time.sleep(1)
        process.send_signal(signal.SIGCONT)
        time.sleep(self._chance.uniform(0.5, 1.0))
        self._kill(intruder)

    def _stop_and_take_over(self, process: Any) -> Any:
        """Another is given what it held; resumed, it must notice and stop. Answers the other
        one. They do not run at once: what was leaving when it was stopped may arrive when it
        is resumed, and would come between the other's."""
        [(seq,)] = self._database.ask("SELECT max(seq) FROM webhooksub_dispatcher")
        process.send_signal(signal.SIGSTOP)
        other = self._start("intrude")
        other.stdout.readline()
        self._await_takeover(seq)
        other.send_signal(signal.SIGSTOP)
        self._mark()
        process.send_signal(signal.SIGCONT)
        readable, _, _ = select.select([process.stdout], [], [], _FENCED_SECONDS)
        if not readable or process.stdout.readline() != "fenced\n":
            self._result.verdict.wrong.append("who was taken over did not notice")
        self._kill(process)
        self._mark()
        other.send_signal(signal.SIGCONT)
        time.sleep(self._chance.uniform(0.2, 0.5))
        return other

    def _mark(self) -> None:
        """Nobody delivers now, and what was sent is written down."""
        time.sleep(_ARRIVES_SECONDS)
        self._endpoint.flush()
        self._killed_at.append(time.monotonic_ns())

    def _await_takeover(self, seq: int) -> None:
        """Notes the last moment at which nobody else could have what the other one held."""
        state = f"SELECT state FROM webhooksub_dispatcher WHERE seq = {seq}"
        deadline = time.monotonic() + _TAKEOVER_SECONDS
        mark = asked = time.monotonic_ns()
        while self._database.ask(state) != [(3,)]:
            mark = asked
            if time.monotonic() > deadline:
                self._result.verdict.wrong.append("who was stopped was not taken over")
                break
            time.sleep(0.02)
            asked = time.monotonic_ns()
        self._killed_at.append(mark)

    def _kill(self, process: Any) -> None:
        process.kill()
        process.wait()
        process.stdout.close()

    def _note_death(self, kind: str) -> None:
        self._endpoint.await_quiet()
        self._killed_at.append(time.monotonic_ns())
        kill = Kill(kind, self._hit.exists(), self._count(_UNDER_WAY)[0])
        self._result.kills.append(kill)
        self._told(kill)

    def _drain(self) -> None:
        """A life that is not killed: delivers until nothing is left, and is closed."""
        process = self._start("drain", stdin=subprocess.PIPE)
        process.stdout.readline()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while any(self._count(_LEFT)) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.stdin.close()
        process.wait(_DRAIN_SECONDS)
        process.stdout.close()
        self._endpoint.await_quiet()

    def _start(self, role: str, failpoint: str = "", **pipes: Any) -> Any:
        environ = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, (BUILT, HERE, HERE.parent / "support"))),
            "PYTHONSAFEPATH": "1",
            "LD_PRELOAD": str(BUILT / "failpoint.so"),
        }
        if failpoint:
            nth = self._chance.randint(1, failpoints.POINTS[failpoint])
            environ["WHS_FAILPOINT"] = f"{failpoint}:{nth}"
            environ["WHS_FAILPOINT_FROM"] = str(self._armed)
            environ["WHS_FAILPOINT_HIT"] = str(self._hit)
            environ |= self._database.environ
        orders = replace(self._orders, role=role)
        with self._errors.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, HERE / "worker.py", orders.dump()],
                env=environ,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                **pipes,
            )

    # --- what is seen from outside ---------------------------------------------------

    def _count(self, sql: str) -> tuple[int, ...]:
        [counts] = self._database.ask(sql)
        return counts

    def _not_acknowledged(self, life: int) -> tuple[int, ...]:
        """The one with a key that each earlier life may have been publishing at its end."""
        firsts = [n * worker.LIFE + 2 * worker.KIND for n in range(1, life)]
        known = oracle.read_acknowledged(self._acknowledged)
        left = []
        for first in firsts:
            n = first
            while n in known:
                n += 1
            left.append(n)
        return tuple(left)

    def _judge(self) -> oracle.Verdict:
        verdict = oracle.judge(
            oracle.read_acknowledged(self._acknowledged),
            oracle.read_receipts(self._receipts),
            oracle.read_rows(self._database),
            self._killed_at,
            world.REPORT_SLOTS * world.BATCH,
        )
        verdict.wrong += self._result.verdict.wrong
        if errors := self._errors.read_text():
            verdict.wrong.append(f"the process complained: {errors[-600:]}")
        return verdict
