"""What becomes of a change: committed, rolled back, committed while nobody delivers.

A web process, a worker and a customer's endpoint, as in production, each a process. Ends with
1 when something is not as promised. ``make demo`` runs it.
"""

import json
import os
import platform
import queue
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEY = "a key that both sides know, of 24 bytes or more"
TOTAL_THAT_THE_BANK_REFUSES = "2000"
SECONDS_MAX = 60
FLASK = [sys.executable, "-m", "flask", "--app", "shop"]


class Process:
    """One that tells by a line that it is ready, and of which each line is kept."""

    def __init__(self, command: list[str], environ: dict[str, str], ready: str) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            command,
            cwd=HERE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        while ready not in (line := self.line()):
            pass
        self.ready = line

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put("(ended)")

    def line(self) -> str:
        """The next; raises queue.Empty where none comes in time."""
        line = self._lines.get(timeout=SECONDS_MAX)
        if line == "(ended)":
            raise RuntimeError(f"{self._process.args} has ended")
        return line

    def end(self) -> int:
        """As a supervisor does: SIGTERM, and what it ended with."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(SECONDS_MAX)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Demo:
    """One shop, its owner, and what was seen, line by line."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.failures = 0
        self._folder, self._stack = folder, stack
        certificate, key = folder / "cert.pem", folder / "key.pem"
        make_certificate(certificate, key)
        self._environ = {
            "SHOP_DATABASE": f"sqlite:///{folder / 'shop.db'}",
            "SHOP_DEV": "1",
            "WEBHOOKSUB_CA_BUNDLE": str(certificate),
            "RECEIVER_KEY": KEY,
        }
        command = [sys.executable, "receiver.py", str(certificate), str(key)]
        self.receiver = self.start([*command, str(folder / "seen.db")], "https://")
        shop, self._token = self.flask("open-shop", "ann").split()
        self.shop = int(shop)
        web = self.start([*FLASK, "run", "--port", "0"], "Running on")
        self._url = web.ready.split()[-1]

    def start(self, command: list[str], ready: str) -> Process:
        process = Process(command, self._environ, ready)
        self._stack.callback(process.kill)
        return process

    def worker(self) -> Process:
        return self.start([*FLASK, "webhooksub", "worker"], "delivering from")

    def flask(self, *arguments: str) -> str:
        """What a command prints."""
        environ = os.environ | self._environ
        command = [*FLASK, *arguments]
        done = subprocess.run(command, cwd=HERE, env=environ, capture_output=True, text=True)
        return done.stdout

    def post(self, path: str, document: Any) -> tuple[int, Any]:
        """Status and document of the answer."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            self._url + path, json.dumps(document).encode(), headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def order(self, *totals: str, partly: bool = False) -> tuple[int, Any]:
        wanted = {"shop": self.shop, "totals": totals, "partly": partly}
        return self.post("/orders", wanted)

    def events(self) -> int:
        with closing(sqlite3.connect(self._folder / "shop.db")) as connection:
            count: int = connection.execute("SELECT count(*) FROM webhooksub_event").fetchone()[0]
            return count

    def show(self, what: str, right: bool, seen: object = "") -> None:
        print("  ok " if right else "  NOT", f"{what}: {seen}" if seen != "" else what, flush=True)
        self.failures += not right

    # --- what is shown -----------------------------------------------------------------

    def subscribe(self) -> None:
        """Over the API, which the shop has mounted at /api."""
        wanted = {
            "resource": f"shop/{self.shop}/order",
            "modificationType": "any",
            "notificationUrl": f"{self.receiver.ready}/hook",
            "integrityKey": KEY,
            "expirationDateTime": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        }
        status, answer = self.post("/api/webhooks", wanted)
        self.show("subscribed over the API", status == 201, answer.get("id", answer))

    def without_worker(self) -> None:
        status, _ = self.order("3.30")
        waiting = json.loads(self.flask("webhooksub", "status", "--json"))
        self.show("an order was committed while no worker ran", status == 201)
        self.show("  its event waits in the outbox", waiting["outbox"] == 1, waiting["reason"])

    def arrived(self, what: str, total: str) -> None:
        """The very next notification is this order's."""
        seen = self.receiver.line()
        self.show(what, seen.startswith("create ") and f"'{total}'" in seen, seen)

    def committed(self) -> None:
        status, _ = self.order("9.90")
        self.show("an order was committed", status == 201)
        self.arrived("  it arrived, its signature verified", "9.90")

    def rolled_back(self) -> None:
        before = self.events()
        status, _ = self.order("5.00", TOTAL_THAT_THE_BANK_REFUSES)
        self.show("orders were rolled back", status == 402, f"HTTP {status}")
        self.show("  the number of events is unchanged", self.events() == before, before)
        status, answer = self.order(TOTAL_THAT_THE_BANK_REFUSES, partly=True)
        right = (status, answer) == (201, {"orders": []})
        self.show("an order was rolled back to its SAVEPOINT", right, f"HTTP {status}")
        self.show("  the number of events is unchanged", self.events() == before, before)
        status, _ = self.order("7.70")
        self.show("an order was committed after them", status == 201)
        self.arrived("  the receiver was quiet until it arrived", "7.70")


def make_certificate(certificate: Path, key: Path) -> None:
    """For localhost, and its own authority."""
    command = "openssl req -x509 -nodes -days 30 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)


@contextmanager
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> int:
    print("Flask", version("flask"), "on Python", platform.python_version())
    with new_folder() as folder, ExitStack() as stack:
        demo = Demo(folder, stack)
        demo.subscribe()
        demo.without_worker()
        worker = demo.worker()
        demo.arrived("  it arrived when a worker ran, its signature verified", "3.30")
        demo.committed()
        demo.rolled_back()
        demo.show("the worker drained on SIGTERM", worker.end() == 0)
        return 1 if demo.failures else 0


if __name__ == "__main__":
    sys.exit(main())
