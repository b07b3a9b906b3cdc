"""Dispatchers on both sides of a fork, in the servers that fork: ``make fork``.

Each row is a host on a database of its own, with a receiver, under strace. It passes when what
every process published was received once, every child that had to be was refused with Forked,
no child touched a connection or a descriptor of its parent's, and the database is whole.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import host
import watch

from webhooksub.testing import Receiver

HERE = Path(__file__).parent
REQUESTS = 4
_SECONDS = 60.0
SABOTAGES = ("write-socket", "write-database")

Facts = dict[str, Any]


@dataclass
class Result:
    """What of one row does not hold stands in `misses`."""

    children: int = 0
    published: int = 0
    received: int = 0
    refused: str = "-"
    touched: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)


class Ground:
    """A folder with a database, a receiver with one subscription, and the environment of hosts.

    `started`: the host delivers. Otherwise this process does, which does not fork.
    """

    def __init__(self, folder: Path, *, started: bool, sabotage: str = "") -> None:
        self.folder, self.started = folder, started
        self.database = folder / "hooks.db"
        self.receiver = Receiver()
        (folder / "ca.pem").write_bytes(self.receiver.ca_pem)
        facts = {
            "FORK_DATABASE": str(self.database),
            "FORK_CA": str(folder / "ca.pem"),
            "FORK_FOLDER": str(folder),
            "FORK_STARTED": "1" if started else "",
            "FORK_SABOTAGE": sabotage,
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        }
        self.environ = os.environ | facts
        self.traces = folder / "traces"
        os.environ.update({k: v for k, v in facts.items() if k != "PYTHONPATH"})
        self._hooks = host.open_dispatcher()
        url = self.receiver.url("/hook")
        self._hooks.subscribe(host.RECORDS, "any", url, expires=timedelta(days=1))
        if started:
            self._hooks.close()
        else:
            self._hooks.start()

    def popen(self, program: list[str], **options: Any) -> "subprocess.Popen[str]":
        """Watched, with what it says in `said`."""
        with (self.folder / "said").open("w") as said:
            return subprocess.Popen(
                watch.command(self.traces, program),
                env=self.environ,
                cwd=HERE,
                stderr=said,
                text=True,
                **options,
            )

    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")[-1500:]

    def close(self) -> None:
        if not self.started:
            self._hooks.flush(timeout=30)
            self._hooks.close()
        self.receiver.close()

    def judge(self, children: list[Facts], parents: list[str]) -> Result:
        """After close."""
        published = parents + [name for child in children for name in child["published"]]
        got = Counter(request.json()["data"]["name"] for request in self.receiver.requests)
        # What a parent publishes before it forks is not told by a server.
        received = Counter({n: c for n, c in got.items() if n in set(published) or "child" in n})
        result = Result(len(children), len(published), received.total())
        if received != Counter(published):
            result.misses.append("received is not what was published, once each")
        if not all(child.get("ended", True) for child in children):
            result.misses.append("a child ended badly")
        self._judge_refused(result, children)
        for process in watch.read(self.traces, self.receiver.port, "hooks.db").values():
            result.touched += process.touched
        result.misses += sorted(set(result.touched))
        with closing(sqlite3.connect(self.database)) as connection:
            [(whole,)] = connection.execute("PRAGMA integrity_check").fetchall()
        if whole != "ok":
            result.misses.append(f"the database: {whole}")
        return result

    def _judge_refused(self, result: Result, children: list[Facts]) -> None:
        asked = [answer for child in children for answer in child["refused"]]
        if asked:
            result.refused = f"{sum(asked)}/{len(asked)}"
        if not all(asked):
            result.misses.append("an engine's call was not refused in a child")


# --- The hosts. -------------------------------------------------------------------------------


def run_processes(ground: Ground, how: str) -> Result:
    process = ground.popen([sys.executable, str(HERE / "host.py"), how], stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=_SECONDS)
    ground.close()
    if process.returncode != 0:
        raise RuntimeError(f"ended with {process.returncode}: {ground.said()}")
    facts = json.loads(out)
    result = ground.judge(facts["children"], facts["published"])
    if not facts["complete"]:
        result.misses.append("the parent's flush was not complete")
    return result


@contextmanager
def running(ground: Ground, program: list[str]) -> Iterator[None]:
    """A server, until it was told to end and did."""
    process = ground.popen(program, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
        # To the server, not to strace, which ends with it.
        for child in _children_of(process.pid):
            os.kill(child, signal.SIGTERM)
        process.wait(_SECONDS)
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_SECONDS)


def _children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def ask(port: int) -> Facts:
    until = time.monotonic() + _SECONDS
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
            with closing(connection):
                connection.request("POST", "/")
                answer = connection.getresponse()
                body = answer.read()
            break
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
    if answer.status != 200:
        raise RuntimeError(f"answered {answer.status}")
    facts: Facts = json.loads(body)
    return facts


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def run_server(ground: Ground, program: list[str]) -> Result:
    port = free_port()
    command = [part.replace("PORT", str(port)) for part in program]
    try:
        with running(ground, command):
            children = [ask(port) for _ in range(REQUESTS)]
            # The host delivers only while it runs.
            names = {name for child in children for name in child["published"]}
            _wait_for(ground, names)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{error}: {ground.said()}") from error
    ground.close()
    return ground.judge(children, [])


def _wait_for(ground: Ground, names: set[str]) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if names <= {request.json()["data"]["name"] for request in ground.receiver.requests}:
            return
        time.sleep(0.05)


GUNICORN = ["gunicorn", "--workers", "2", "--bind", "127.0.0.1:PORT", "--log-level", "warning"]
UWSGI = [
    *("uwsgi", "--http-socket", "127.0.0.1:PORT", "--wsgi-file", "wsgi.py", "--master"),
    *("--processes", "2", "--enable-threads", "--need-app", "--die-on-term", "--disable-logging"),
    *("--virtualenv", sys.prefix, "--pythonpath", str(HERE)),
]


def run_celery(ground: Ground, _: object) -> Result:
    program = ["celery", "--app", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
    command = [_find(program[0]), *program[1:], "--without-gossip", "--without-mingle"]
    os.environ["FORK_FOLDER"] = str(ground.folder)
    script = (
        "import json, tasks\n"
        f"results = [tasks.publish.delay() for _ in range({REQUESTS})]\n"
        f"print(json.dumps([result.get(timeout={_SECONDS}) for result in results]))\n"
    )
    with running(ground, command):
        asked = subprocess.run(
            [sys.executable, "-c", script],
            env=ground.environ,
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=_SECONDS * 2,
        )
    ground.close()
    if asked.returncode != 0:
        raise RuntimeError(f"{asked.stderr[-600:]} {ground.said()}")
    return ground.judge(json.loads(asked.stdout), [])


def _find(program: str) -> str:
    beside = Path(sys.executable).with_name(program)
    return str(beside) if beside.exists() else shutil.which(program) or ""


# --- The rows. --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """`needs` is a program; where it is not there the row is left out, and said to be."""

    name: str
    started: bool
    run: Callable[[Ground, Any], Result]
    program: Any
    needs: str = ""


def _server(*program: str) -> list[str]:
    return [_find(program[0]), *program[1:]]


ROWS = [
    *(
        Row(f"multiprocessing {method}", True, run_processes, method)
        for method in ("fork", "forkserver", "spawn")
    ),
    Row("os.fork, then exit", True, run_processes, "os.fork"),
    Row("gunicorn", False, run_server, _server(*GUNICORN, "wsgi"), "gunicorn"),
    Row(
        "gunicorn --preload", False, run_server, _server(*GUNICORN, "--preload", "wsgi"), "gunicorn"
    ),
    Row(
        "gunicorn --preload, started",
        True,
        run_server,
        _server(*GUNICORN, "--preload", "wsgi"),
        "gunicorn",
    ),
    Row("uWSGI", False, run_server, _server(*UWSGI), "uwsgi"),
    Row("uWSGI, started", True, run_server, _server(*UWSGI), "uwsgi"),
    Row("uWSGI --lazy-apps", False, run_server, _server(*UWSGI, "--lazy-apps"), "uwsgi"),
    Row("Celery prefork", False, run_celery, None, "celery"),
]


def run(row: Row, sabotage: str = "") -> Result:
    with tempfile.TemporaryDirectory(prefix="fork-") as folder:
        ground = Ground(Path(folder), started=row.started, sabotage=sabotage)
        try:
            return row.run(ground, row.program)
        except (RuntimeError, OSError, subprocess.TimeoutExpired, AssertionError) as error:
            with suppress(Exception):
                ground.close()
            return Result(misses=[f"{type(error).__name__}: {error}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose names begin so")
    parser.add_argument("--sabotage", default="", choices=("", *SABOTAGES))
    chosen = parser.parse_args()
    if not watch.is_there():
        print("strace cannot trace here")
        return 2
    print(f"{'host':<30}{'children':>9}{'published':>11}{'received':>10}{'Forked':>8}  verdict")
    missed = ran = 0
    for row in ROWS:
        if not row.name.startswith(chosen.only):
            continue
        if row.needs and not _find(row.needs):
            print(f"{row.name:<30}{row.needs} is not there", flush=True)
            continue
        ran += 1
        result = run(row, chosen.sabotage)
        missed += bool(result.misses)
        numbers = f"{result.children:>9}{result.published:>11}{result.received:>10}"
        verdict = "; ".join(result.misses) or "all delivered, parent untouched"
        print(f"{row.name:<30}{numbers}{result.refused:>8}  {verdict}", flush=True)
    return 1 if missed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
