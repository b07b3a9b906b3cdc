"""One of the dispatchers that share a PostgreSQL, in a process of its own.

``python sharing.py ORDERS`` with JSON. Its number is written to the standard output once it
delivers, and again and again how much it has delivered to a file: a kill loses little of that.
"""

import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

import defects
from failover import open_dispatcher

_COUNT_SECONDS = 0.05


def count(hooks: Any, path: Path, ended: threading.Event) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    while not ended.wait(_COUNT_SECONDS):
        os.pwrite(file, b"%d" % hooks._engine.stats()["delivered"], 0)


def main() -> None:
    orders = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.CRITICAL)
    with defects.in_place(orders["sabotage"]):
        hooks = open_dispatcher(orders["url"], orders["ca"])
        hooks.start()
        print(hooks._loop.seq, flush=True)  # type: ignore[union-attr]
        count(hooks, Path(orders["counts"]), threading.Event())


if __name__ == "__main__":
    main()
