"""A forked child has a store of its own: what it was told is written stays written."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
refused = pytest.mark.skipif(free_threaded, reason="without a GIL such a child is refused")
unseen = pytest.param("fork_unseen", marks=refused)

PRELUDE = """
import contextlib, ctypes, os, sqlite3, sys, threading, time, warnings
warnings.simplefilter("ignore")  # newer Pythons advise against forks beside threads
from webhooksub import Dispatcher, Forked, allow_all

PATH = "tenant/acme/sidedrawer/s1"
FILE = sys.argv[1]

def make():
    return Dispatcher(f"sqlite:///{FILE}", authorizer=allow_all)

def publish(hooks, by):
    hooks.publish(PATH, "update", {"by": by})

def stored():
    # From a process that never saw the file: SQLite's locks are the process'.
    code = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("
    code += "'select count(*) from webhooksub_event').fetchone()[0])"
    import subprocess
    return int(subprocess.check_output([sys.executable, "-c", code, FILE]))

def fork_unseen():
    # As a server in C does: no hook of Python runs.
    return ctypes.PyDLL(None).fork()

def child(act):
    pid = FORK()
    if pid:
        return pid
    code = 1
    try:
        act()
        code = 0
    except BaseException as error:
        os.write(2, f"child: {error!r}\\n".encode())
    finally:
        os._exit(code)

def ended_well(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def run(code: str, database: Path, fork: str = "os.fork") -> str:
    command = [sys.executable, "-c", PRELUDE + f"FORK = {fork}\n" + code, str(database)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


ORPHAN = """
told, tell = os.pipe()
ready, go = os.pipe()

def parent():
    hooks = make()
    publish(hooks, "parent")

    def worker():
        publish(hooks, "worker")
        os.write(tell, b"1")
        os.read(ready, 1)
        for _ in range(10):
            publish(hooks, "worker")
        os.write(tell, b"2")

    child(worker)
    hooks.close()

assert ended_well(child(parent))
assert os.read(told, 1) == b"1"
before = stored()  # whoever comes and goes while the worker lives
os.write(go, b"1")
assert os.read(told, 1) == b"2"
print(before, stored())
"""


@pytest.mark.parametrize("fork", ["os.fork", unseen])
def test_what_a_child_was_told_is_written_outlives_its_parent(tmp_path: Path, fork: str) -> None:
    assert run(ORPHAN, tmp_path / "hooks.db", fork) == "2 12\n"


BUSY = """
hooks = make()
publish(hooks, "parent")
done, written = False, 0

def busy():
    global written
    while not done:
        publish(hooks, "parent")
        hooks.subscriptions()
        written += 1

threads = [threading.Thread(target=busy) for _ in range(1)]
for thread in threads:
    thread.start()
children = [ended_well(child(lambda: publish(hooks, "child"))) for _ in range(20)]
done = True
for thread in threads:
    thread.join()
hooks.close()
print(all(children), stored() == 1 + written + 20, written > 20)
"""


def test_a_child_of_a_busy_parent_publishes_at_once_and_disturbs_nobody(tmp_path: Path) -> None:
    assert run(BUSY, tmp_path / "hooks.db") == "True True True\n"


CLOSED = """
hooks = make()
publish(hooks, "parent")
hooks.close()
assert ended_well(child(lambda: publish(make(), "child")))
print(stored())
"""


@pytest.mark.parametrize("fork", ["os.fork", "fork_unseen"])
def test_a_child_of_a_parent_that_has_closed_its_store_opens_it(tmp_path: Path, fork: str) -> None:
    assert run(CLOSED, tmp_path / "hooks.db", fork) == "2\n"


REFUSED = """
hooks = make()
publish(hooks, "parent")

def use():
    for one in (lambda: hooks, make):  # another dispatcher on the file is no way out
        try:
            publish(one(), "child")
        except Forked as error:
            print(error)
    sys.stdout.flush()

with USE(hooks):
    assert ended_well(child(use))
publish(hooks, "parent")
hooks.close()
print(stored())
"""
READING = "USE = lambda hooks: hooks._store._process.reading()\n"
NOTHING = "USE = lambda hooks: contextlib.nullcontext()\n"


def check_refused(said: str) -> None:
    first, second, count = said.splitlines()
    assert first == second
    assert "fork" in first
    assert count == "2"


@pytest.mark.parametrize("fork", ["os.fork", "fork_unseen"])
def test_a_child_forked_amid_a_use_of_the_store_is_refused_by_name(
    tmp_path: Path, fork: str
) -> None:
    check_refused(run(READING + REFUSED, tmp_path / "hooks.db", fork))


LEFT = """
hooks = make()
publish(hooks, "parent")
with hooks._store._process.reading() as connection:
    raw = connection.connection.driver_connection
    pid = os.fork()
if pid == 0:
    raw.execute("SELECT 1")  # raises when it is closed
    os._exit(0)
assert ended_well(pid)
publish(hooks, "parent")
hooks.close()
print(stored())
"""


def test_a_child_that_leaves_its_parents_use_does_not_close_the_connection(tmp_path: Path) -> None:
    assert run(LEFT, tmp_path / "hooks.db") == "2\n"


@pytest.mark.skipif(not free_threaded, reason="with a GIL it can be rid of what it inherited")
def test_without_a_gil_a_child_that_python_was_not_told_of_is_refused(tmp_path: Path) -> None:
    check_refused(run(NOTHING + REFUSED, tmp_path / "hooks.db", "fork_unseen"))
