"""A process that dies while it makes a store leaves nothing that stands in anybody's way."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from seen import rows

from webhooksub import Dispatcher, allow_all

# Ends at the `nth` call of a function of ours, on its way in or out.
MAKE_AND_DIE = """
import os, signal, sys
from webhooksub import Dispatcher, allow_all
from webhooksub.store import joining, migrations, schema, sqlite

def dying(real, late):
    def call(*args, **kwargs):
        if late:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return call

place, late = sys.argv[2], sys.argv[3] == "after"
if place == "file":
    sqlite._make_file = dying(sqlite._make_file, late)
elif place == "journal":
    joining.check_wal = dying(joining.check_wal, late)
elif place == "tables":
    schema.metadata.create_all = dying(schema.metadata.create_all, late)
elif place == "version":
    migrations.run = dying(migrations.run, late)
Dispatcher(sys.argv[1], authorizer=allow_all)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", ["file", "journal", "tables", "version"])
def test_the_next_one_makes_it(tmp_path: Path, place: str, when: str) -> None:
    database = tmp_path / "hooks.db"
    url = f"sqlite:///{database}"
    command = [sys.executable, "-c", MAKE_AND_DIE, url, place, when]
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL
    hooks = Dispatcher(url, authorizer=allow_all)
    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        hooks.publish("tenant/acme/sidedrawer/s1/record/r1", "update")
    hooks.close()
    assert rows(database, "SELECT count(*) FROM webhooksub_outbox") == [(1,)]
    assert rows(database, "PRAGMA journal_mode") == [("wal",)]
    assert rows(database, "PRAGMA auto_vacuum") == [(2,)]
    assert database.stat().st_mode & 0o777 == 0o600
