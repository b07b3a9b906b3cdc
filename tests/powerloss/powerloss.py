"""Cuts the power at every moment: ``make powerloss``.

A dispatcher and its publishers work on a real file (workload.py) while every write and sync
is recorded (recorder.c). Then the file is rebuilt as an honest disk may leave it (disk.py)
after each recorded change, in several ways, and read by SQLite alone: an event whose publish
had returned must be there, with its outbox row or its deliveries. From some of these files a
new dispatcher is started, which must deliver what the first one had not finished.

Under FULL nothing acknowledged may be lost. Under NORMAL the last of it may, but only the
last: whoever is missing was committed after everybody who is there.

    python tests/powerloss/powerloss.py [--events 200] [--synchronous FULL] [--step 1]
        [--sabotage synchronous-off]
"""

import argparse
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from disk import EVERYTHING, NOTHING, Change, Disk, Kind, Survival, read_log
from workload import PRUNING

HERE = Path(__file__).parent
WORKLOAD_SECONDS_MAX = 180
RESTART_SECONDS_MAX = 60
RESTARTS = 12
SUBSCRIPTIONS = 2
DATABASE = "hooks.db"
SABOTAGES = ("synchronous-off",)

_PRESENT = """
    SELECT e.seq, lower(hex(e.id)),
        EXISTS (SELECT 1 FROM webhooksub_outbox o WHERE o.event_seq = e.seq),
        (SELECT count(*) FROM webhooksub_delivery d WHERE d.event_seq = e.seq)
    FROM webhooksub_event e ORDER BY e.seq
"""


@dataclass
class Verdict:
    """What all cuts of one recording came to."""

    synchronous: str
    changes: int = 0
    syncs: int = 0
    states: int = 0
    acknowledged: int = 0
    lost: set[str] = field(default_factory=set)
    lost_at_once: int = 0
    out_of_order: int = 0  # states that miss somebody who was committed before one they hold
    damaged: list[str] = field(default_factory=list)
    restarts: int = 0
    restarts_failed: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        lost = self.lost if self.synchronous == "FULL" else ()
        return not (lost or self.out_of_order or self.damaged or self.restarts_failed)


def record(folder: Path, synchronous: str, events: int, sabotage: str | None) -> list[Change]:
    """The workload, with every change of its files."""
    library, log = folder / "recorder.so", folder / "log"
    flags = ["-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", library, HERE / "recorder.c", "-ldl"], check=True)
    work = folder / "work"
    work.mkdir()
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "POWERLOSS_FOLDER": str(work.resolve()),
        "POWERLOSS_LOG": str(log),
        "PYTHONWARNINGS": "ignore",
    }
    if sabotage == "synchronous-off":
        environment["POWERLOSS_IGNORE_SYNC"] = "1"
    command = [sys.executable, HERE / "workload.py", work.resolve(), synchronous, str(events)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=WORKLOAD_SECONDS_MAX
    )
    if done.returncode:
        raise SystemExit(f"powerloss: the workload failed\n{done.stderr}")
    return list(read_log(log))


def survivals(number: int) -> Sequence[Survival]:
    return (
        NOTHING,
        EVERYTHING,
        Survival("a part, in order", 2 * number),
        Survival("any part", 2 * number + 1),
    )


class Row(NamedTuple):
    """An event of the database."""

    seq: int
    id: str
    queued: int  # in the outbox
    deliveries: int


class Acknowledged:
    """Ids in the order of their acknowledgements, as the log reaches them."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.pruned = 0  # so many of the first may be gone

    @property
    def due(self) -> Sequence[str]:
        """Those that must be there."""
        return self.ids[self.pruned :]

    def take(self, change: Change) -> None:
        for word in change.data.decode().split():
            if word == PRUNING:
                self.pruned = len(self.ids)
            else:
                self.ids.append(word.replace("-", ""))


def judge(
    rows: Sequence[Row] | sqlite3.Error, acknowledged: Acknowledged, verdict: Verdict, where: str
) -> None:
    """One state of the disk, as SQLite read it."""
    verdict.states += 1
    if isinstance(rows, sqlite3.Error):
        verdict.damaged.append(f"{where}: {rows}")
        return
    safe = {row.id for row in rows if row.queued or row.deliveries == SUBSCRIPTIONS}
    missing = [id_ for id_ in acknowledged.due if id_ not in safe]
    verdict.lost.update(missing)
    verdict.lost_at_once = max(verdict.lost_at_once, len(missing))
    seqs = [row.seq for row in rows]
    if acknowledged.pruned == 0 and seqs != list(range(1, len(seqs) + 1)):
        verdict.out_of_order += 1


class Reader:
    """States of the disk, each read once: most cuts leave what another one left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[bytes, list[Row] | sqlite3.Error] = {}

    def read(self, images: dict[str, bytes]) -> Sequence[Row] | sqlite3.Error:
        digest = hashlib.sha256()
        for path in sorted(images):
            digest.update(hashlib.sha256(path.encode()).digest())
            digest.update(hashlib.sha256(images[path]).digest())
        key = digest.digest()
        if key not in self._known:
            write_images(self._folder, images)
            try:
                self._known[key] = read_rows(self._folder / DATABASE)
            except sqlite3.Error as error:
                self._known[key] = error
        return self._known[key]


def read_rows(path: Path) -> list[Row]:
    """Every event that is there."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        if not connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'webhooksub_outbox'"
        ).fetchone():
            return []
        return [Row(*row) for row in connection.execute(_PRESENT)]


def write_images(folder: Path, images: dict[str, bytes]) -> None:
    for old in folder.iterdir():
        old.unlink()
    for path, content in images.items():
        name = Path(path).name
        # Shared memory is no file of a disk that restarts; the lock's holder is gone.
        if name == "acks" or name.endswith("-shm"):
            continue
        (folder / name).write_bytes(content)


def cuts(
    changes: Sequence[Change], work: str, step: int
) -> Iterator[tuple[int, Disk, Acknowledged]]:
    disk, acknowledged = Disk(work), Acknowledged()
    for number, change in enumerate(changes):
        if Path(change.path).name == "acks":
            if change.kind == Kind.WRITTEN:
                acknowledged.take(change)
        else:
            disk.take(change)
        if number % step == 0 or number == len(changes) - 1:
            yield number, disk, acknowledged


def prove(
    folder: Path, synchronous: str, events: int, step: int, sabotage: str | None = None
) -> Verdict:
    """Records one workload and cuts it everywhere."""
    changes = record(folder, synchronous, events, sabotage)
    verdict = Verdict(synchronous, len(changes))
    verdict.syncs = sum(change.kind == Kind.SYNCED for change in changes)
    state = folder / "state"
    state.mkdir()
    restart_at = {len(changes) * (n + 1) // (RESTARTS + 1) // step * step for n in range(RESTARTS)}
    work, reader = str((folder / "work").resolve()), Reader(state)
    for number, disk, acknowledged in cuts(changes, work, step):
        progress(synchronous, number, len(changes))
        for survival in survivals(number):
            rows = reader.read(disk.images(survival))
            judge(rows, acknowledged, verdict, f"{number}, {survival.name} kept")
        if number in restart_at:
            write_images(state, disk.images(survivals(number)[number % 4]))
            restart(state, acknowledged, verdict, number)
        verdict.acknowledged = len(acknowledged.ids)
    progress("", 0, 0)
    return verdict


def restart(state: Path, acknowledged: Acknowledged, verdict: Verdict, number: int) -> None:
    """A new dispatcher on the present state must go on with all that is in it."""
    if not (state / DATABASE).exists():
        return
    try:
        there = {row.id for row in read_rows(state / DATABASE)}
    except sqlite3.Error:
        return  # judged already
    verdict.restarts += 1
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "restart.py", state],
        capture_output=True,
        text=True,
        timeout=RESTART_SECONDS_MAX,
    )
    if done.returncode:
        verdict.restarts_failed.append(f"{number}: {done.stderr[-2000:]}")
        return
    rows = read_rows(state / DATABASE)
    unfinished = [row for row in rows if row.queued or row.deliveries != SUBSCRIPTIONS]
    if unfinished or there - {row.id for row in rows}:
        verdict.restarts_failed.append(f"{number}: {len(unfinished)} of {len(rows)} unfinished")


def progress(what: str, number: int, total: int) -> None:
    if sys.stderr.isatty():
        done = f"{what}: cut {number} of {total}" if what else ""
        print(f"\r\033[K{done}", end="", file=sys.stderr, flush=True)


def report(verdict: Verdict) -> None:
    print(
        f"{verdict.synchronous:<12}{verdict.changes:>9,}{verdict.syncs:>8,}{verdict.states:>9,}"
        f"{verdict.acknowledged:>14,}{len(verdict.lost):>6}{verdict.lost_at_once:>9}"
        f"{verdict.out_of_order:>14}"
        f"{len(verdict.damaged):>9}{verdict.restarts:>10}{len(verdict.restarts_failed):>8}"
    )
    for line in [*verdict.damaged[:3], *verdict.restarts_failed[:3]]:
        print(f"  {line}")


def main() -> int:
    parser = argparse.ArgumentParser(description="cut the power at every moment")
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--synchronous", choices=("FULL", "NORMAL"), action="append")
    parser.add_argument("--step", type=int, default=1, help="cut at each so many-th change")
    parser.add_argument("--sabotage", choices=SABOTAGES)
    args = parser.parse_args()
    print(
        f"{'synchronous':<12}{'changes':>9}{'syncs':>8}{'states':>9}{'acknowledged':>14}"
        f"{'lost':>6}{'at once':>9}{'out of order':>14}{'damaged':>9}{'restarts':>10}{'failed':>8}"
    )
    good = True
    # In memory: what is durable is what was synced, not what this machine's disk does.
    memory = Path("/dev/shm")
    for synchronous in args.synchronous or ("FULL", "NORMAL"):
        folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        try:
            verdict = prove(folder, synchronous, args.events, args.step, args.sabotage)
        finally:
            shutil.rmtree(folder)
        report(verdict)
        good = good and verdict.good
    print(
        "FULL loses nothing acknowledged, NORMAL only the last of it, at any cut"
        if good
        else "FAILED"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
