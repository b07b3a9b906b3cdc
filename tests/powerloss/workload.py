"""What is recorded: a dispatcher and its publishers in one process, on one SQLite file.

    workload.py FOLDER SYNCHRONOUS EVENTS

Each publish that returned leaves the event's id in FOLDER/acks, which the recorder sees in
its place among the writes of the database. Events come one by one from two threads, many
at once, and in transactions of the host; one of two endpoints fails at first; the WAL is
small, so that it is copied into the file again and again; some of what was done is pruned.
"""

import os
import sqlite3
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from webhooksub import Dispatcher, allow_all
from webhooksub.store import sqlite
from webhooksub.testing import Receiver

RECORDS = "tenant/acme/sidedrawer/s1/record"
_WAL_PAGES = 60
_MANY = 25
# Stands among the ids: what was delivered may be gone from here on.
PRUNING = "pruning"
# 1: the host's own connection is as durable as it says.
_SYNCHRONOUS = {"FULL": 2, "NORMAL": 1}


class Acknowledged:
    """Writes down ids of events whose publishing returned."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / "acks", os.O_WRONLY | os.O_CREAT)

    def add(self, ids: list[str]) -> None:
        os.write(self._fd, "".join(id_ + "\n" for id_ in ids).encode())


def publish_singly(hooks: Dispatcher, acknowledged: Acknowledged, count: int, name: str) -> None:
    for n in range(count):
        event = hooks.publish(f"{RECORDS}/{name}{n}", "update", {"n": n, "pad": "x" * 500})
        acknowledged.add([event.id])


def publish_in_transactions(
    hooks: Dispatcher, acknowledged: Acknowledged, count: int, path: Path, synchronous: str
) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[synchronous]}")
    for n in range(count):
        connection.execute("BEGIN IMMEDIATE")
        event = hooks.publish(f"{RECORDS}/host{n}", "update", {"n": n}, connection=connection)
        connection.execute("COMMIT")
        acknowledged.add([event.id])
        hooks.wake()
    connection.close()


def publish_many(hooks: Dispatcher, acknowledged: Acknowledged, count: int) -> None:
    for start in range(0, count, _MANY):
        items = [(f"{RECORDS}/many{n}", "update", b"{}") for n in range(start, start + _MANY)]
        acknowledged.add([event.id for event in hooks.publish_many(items)])


def main(folder: Path, synchronous: str, events: int) -> None:
    sqlite._CHECKPOINT_PAGES = _WAL_PAGES
    path = folder / "hooks.db"
    config = {"synchronous": synchronous, "retry_steps_ms": [50], "retry_jitter": 0}
    acknowledged = Acknowledged(folder)
    part = events // 4
    with (
        Receiver() as endpoint,
        Dispatcher(f"sqlite:///{path}", authorizer=allow_all, dev=True, config=config) as hooks,
    ):
        endpoint.script([503] * 20)
        for name in ("a", "b"):
            hooks.subscribe(RECORDS, "any", endpoint.url(f"/{name}"), expires=timedelta(days=1))
        work = [
            threading.Thread(target=publish_singly, args=(hooks, acknowledged, part, "one")),
            threading.Thread(target=publish_singly, args=(hooks, acknowledged, part, "two")),
            threading.Thread(
                target=publish_in_transactions, args=(hooks, acknowledged, part, path, synchronous)
            ),
            threading.Thread(target=publish_many, args=(hooks, acknowledged, part)),
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        hooks.flush(timeout=20)
        acknowledged.add([PRUNING])
        hooks.prune(older_than=datetime.now(UTC))
        publish_singly(hooks, acknowledged, 5, "last")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
