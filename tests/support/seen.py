"""What a prover sees from outside: time passing, and the rows in the file."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

PATH = "tenant/acme/sidedrawer/s1/record/r1"


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def rows(database: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()
