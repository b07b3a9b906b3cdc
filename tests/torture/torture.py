"""Fails every call once: ``make torture``.

Three parts, each with a table row per kind of call: the core without memory and with a
libcurl that fails (programs in C, under AddressSanitizer), a dispatcher on a real file whose
n-th write, sync, truncation or SQLite step fails (scenario.py, judged by judging.py), and a
disk that is full, broken or gone for a while. The exit code is 0 if no call of all that
failed led to a crash, a leak, a stuck row, a false acknowledgement or an unexpected answer.

    python tests/torture/torture.py [--step 1] [--only ROW] [--sabotage NAME]
"""

import argparse
import json
import logging
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import hurt
import judging
from programs import PROGRAMS, SABOTAGES, run_program
from scenario import RECORDS, Order, Told

from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
BUILT = REPOSITORY / "build" / "torture"
PRELOAD = BUILT / "failing.so"
ANSWER_SECONDS_MAX = 240
# Numbers of one scenario.
NUMBERS = 1_000
# More calls than any scenario makes.
CALLS_MAX = 100_000
# Then a kind is not looked at any further.
CRASHES_MAX = 10


@dataclass(frozen=True)
class Kind:
    """A row of the table: one kind of call, one way to fail."""

    call: str
    error: str
    fresh: bool = False
    for_good: bool = False
    hurt: str = ""

    @property
    def name(self) -> str:
        if self.hurt:
            return f"file: {self.hurt}"
        start = " from the first start" if self.fresh else ""
        return f"{self.call} {self.error}{start}{' for a while' if self.for_good else ''}"


NTH = [
    *(Kind("write", error) for error in ("ENOSPC", "EIO", "short")),
    Kind("sync", "EIO"),
    Kind("truncate", "EIO"),
    *(Kind("step", error) for error in ("IOERR", "FULL")),
    Kind("write", "ENOSPC", fresh=True),
    Kind("sync", "EIO", fresh=True),
    Kind("step", "IOERR", fresh=True),
]
OUTAGES = [
    *(Kind("write", error, for_good=True) for error in ("ENOSPC", "EIO", "EROFS")),
    Kind("sync", "EIO", for_good=True),
    Kind("step", "IOERR", for_good=True),
]
HURTS = [Kind("write", "EIO", hurt=way) for way in ("full disk", "deleted", "truncated")]
# Of an outage every so many-th call is the first.
OUTAGE_STEP = 8


@dataclass
class Row:
    """What came of one kind."""

    name: str
    failed: int = 0
    crashes: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    false_acknowledgements: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)
    kept: int = 0

    @property
    def good(self) -> bool:
        wrong = self.crashes, self.leaks, self.stuck, self.false_acknowledgements, self.unsaid
        return self.failed > 0 and not any(wrong)


class Died(Exception):
    """The process ended, or did not answer."""


class Victim:
    """The process that is tortured, one order after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "scenario.py", PRELOAD],
            env=os.environ | {"LD_PRELOAD": str(PRELOAD)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._read()

    def suffer(self, order: Order) -> Told:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        return Told(**json.loads(self._read()))

    def _read(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS_MAX)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.end()
            raise Died("no answer" if not ready else f"ended by {self._process.returncode}")
        return line

    def end(self) -> None:
        """At once, unless it has ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


class Torture:
    """All scenarios of one run: a folder, a receiver, a victim."""

    def __init__(self, folder: Path, receiver: Receiver, sabotage: str = "") -> None:
        self._folder, self._receiver, self._sabotage = folder, receiver, sabotage
        self._count = 0
        self._victim = Victim()
        self._pattern = folder / "pattern.db"
        with closing(_dispatcher(self._pattern)) as hooks:
            for path in ("/a", "/b"):
                hooks.subscribe(RECORDS, "any", receiver.url(path), expires=timedelta(days=1))

    def close(self) -> None:
        self._victim.end()

    def run(self, kind: Kind, step: int = 1) -> Row:
        """Every `step`-th call of this kind, until no scenario makes so many."""
        row = Row(kind.name)
        step = step if kind.hurt == "" else 1
        for nth in range(1, 2 if kind.hurt else CALLS_MAX, step):
            told = self.one(kind, nth, row)
            if told is not None and told.failed == 0 and not kind.hurt:
                break
            if len(row.crashes) >= CRASHES_MAX:
                break
        return row

    def one(self, kind: Kind, nth: int, row: Row) -> Told | None:
        """One scenario. None: it killed its process."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        database, acks = folder / "db" / "hooks.db", folder / "acks"
        database.parent.mkdir()
        if not kind.fresh:
            shutil.copy(self._pattern, database)
        del self._receiver.requests[:]
        order = self._order(kind, nth, database, acks)
        try:
            told = self._victim.suffer(order)
        except Died as error:
            row.failed += 1
            row.crashes.append(f"call {nth}: {error}")
            self._victim = Victim()
            return None
        if told.failed or kind.hurt:
            self._judge(kind, nth, told, database, acks, row)
        shutil.rmtree(folder)
        return told

    def _order(self, kind: Kind, nth: int, database: Path, acks: Path) -> Order:
        return Order(
            str(database),
            str(acks),
            self._receiver.url("").rstrip("/"),
            self._receiver.ca_pem.decode(),
            kind.call,
            kind.error,
            nth,
            self._count * NUMBERS,
            kind.fresh,
            kind.for_good,
            kind.hurt,
            self._sabotage,
        )

    def _judge(
        self, kind: Kind, nth: int, told: Told, database: Path, acks: Path, row: Row
    ) -> None:
        if kind.hurt in ("deleted", "truncated"):
            judged = judging.judge_lost(acks, told, self._count * NUMBERS)
        else:
            judged = judging.judge(database, acks, told, self._receiver, kind.fresh)
        where = f"call {nth}: "
        row.failed += told.failed or 1
        row.kept += judged.kept
        row.leaks += [where + word for word in judged.leaks]
        row.stuck += [where + word for word in judged.stuck]
        row.unsaid += [where + word for word in judged.unsaid]
        row.false_acknowledgements += [where + word for word in judged.false_acknowledgements]


def _dispatcher(path: Path) -> Dispatcher:
    return Dispatcher(f"sqlite:///{path}", authorizer=allow_all, dev=True)


def run_all(folder: Path, step: int, kinds: list[Kind], sabotage: str) -> Iterator[Row]:
    with Receiver() as receiver, closing(Torture(folder, receiver, sabotage)) as torture:
        for kind in kinds:
            yield torture.run(kind, step * (OUTAGE_STEP if kind.for_good else 1))


def show(row: Row) -> None:
    print(
        f"{row.name:<38}{row.failed:>7}{len(row.crashes):>9}{len(row.leaks):>7}"
        f"{len(row.stuck):>7}{len(row.false_acknowledgements):>8}{len(row.unsaid):>8}{row.kept:>6}",
        flush=True,
    )
    wrong = row.crashes + row.leaks + row.stuck + row.false_acknowledgements + row.unsaid
    for word in wrong[:10]:
        print(f"    {word}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--only", default="", help="rows whose name begins so")
    parser.add_argument("--sabotage", choices=["", *SABOTAGES, *hurt.SABOTAGES], default="")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"{'kind':<38}{'failed':>7}{'crashes':>9}{'leaks':>7}{'stuck':>7}{'false':>8}"
          f"{'unsaid':>8}{'kept':>6}")  # fmt: skip
    rows = []
    for program in PROGRAMS:
        if program.startswith(given.only):
            for found in run_program(program, given.step, given.sabotage):
                rows.append(Row(found.name, found.failed, found.crashes, found.leaks, found.wrong))
                show(rows[-1])
    kinds = [kind for kind in NTH + OUTAGES + HURTS if kind.name.startswith(given.only)]
    with tempfile.TemporaryDirectory() as folder:
        # A defect of the programs above is none of the dispatcher's.
        defect = given.sabotage if given.sabotage in hurt.SABOTAGES else ""
        for row in run_all(Path(folder), given.step, kinds, defect):
            rows.append(row)
            show(row)
    failed = sum(row.failed for row in rows)
    bad = [row.name for row in rows if not row.good]
    if failed == 0:
        print("no call failed: nothing was proved")
        return 2
    print(f"\n{failed} calls failed; " + (f"wrong: {', '.join(bad)}" if bad else "all is well"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
