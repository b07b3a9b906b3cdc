"""One SQLite file, written by web requests and a worker at once: ``make django-contention``.

    python bench/django_contention.py [--seconds 30] [--clients 4]

The shop of examples/django serves; clients order and pay, each in a transaction that reads
first; a worker delivers every change to a local HTTPS endpoint. With the settings that the
checks ask for nothing may fail. Without them `manage.py check` must refuse. Ends with 1
otherwise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from webhooksub.testing import Receiver

PROJECT = Path(__file__).parent.parent / "examples" / "django"
sys.path.insert(0, str(PROJECT))
from shop.management.processes import post, web, worker  # noqa: E402

WITHOUT = """
from config.settings import *
DATABASES["default"].pop("OPTIONS")
"""
SETUP = """
import django; django.setup()
from django.contrib.auth import get_user_model
from shop.models import Shop
from shop.webhooks import token_for
user = get_user_model().objects.create_user("ann")
print(Shop.objects.create(name="Books", owner=user).pk, token_for(user))
"""
# What is still on its way when the clients have ended.
DRAIN_SECONDS = 120


def run(*command: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
    )


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


class Clients:
    """Threads that order and pay until they are told to end."""

    def __init__(self, url: str, shop: int, token: str, many: int) -> None:
        self.url, self.shop, self.token = url, shop, token
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(many)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            made = self._post("/orders", {"shop": self.shop, "totals": ["9.90"]})
            if made is not None:
                self._post(f"/orders/{made['orders'][0]}/pay", {})

    def _post(self, path: str, document: object) -> Any:
        begun = time.monotonic()
        try:
            status, answer = post(self.url + path, document, self.token)
            word = str(status)
        except (OSError, ValueError) as error:
            word, answer = type(error).__name__, None
        with self._lock:
            self.answers[word] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
        return answer if word in ("200", "201") else None

    def end(self) -> int:
        """How many answers were errors."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return sum(n for word, n in self.answers.items() if word not in ("200", "201"))


def contend(folder: Path, seconds: float, many: int) -> bool:
    """True: no error on either side, and every event delivered."""
    with Receiver() as receiver:
        (folder / "ca.pem").write_bytes(receiver.ca_pem)
        environ = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SHOP_DATABASE": str(folder / "shop.sqlite3"),
            "SHOP_DEBUG": "1",
            "WEBHOOKSUB_CA_BUNDLE": str(folder / "ca.pem"),
        }
        succeeded(run("manage.py", "migrate", "--verbosity", "0", environ=environ))
        shop, token = succeeded(run("-c", SETUP, environ=environ)).split()
        with web(environ) as server, worker(environ) as delivering:
            wanted = {
                "resource": f"shop/{shop}/order",
                "modificationType": "any",
                "notificationUrl": receiver.url("/hook"),
                "expirationDateTime": "2039-01-01T00:00:00Z",
            }
            status, answer = post(f"{server.ready}/api/webhooks", wanted, token)
            assert status == 201, answer
            clients = Clients(server.ready, int(shop), token, many)
            time.sleep(seconds)
            errors = clients.end()
            published = sum(clients.answers.values()) - errors
            received = len(receiver.wait_for(published, timeout=DRAIN_SECONDS))
            said = delivering.end()
            server.end()
        left = json.loads(
            succeeded(run("manage.py", "webhooksub", "status", "--json", environ=environ))
        )
    failed = [line for line in said.splitlines() if "store_unavailable" in line]
    print(f"web transactions   {published:,} in {seconds:.0f} s, {many} clients")
    print(f"answers            {dict(clients.answers)}, slowest {clients.slowest:.2f} s")
    print(f"errors of the web  {errors}")
    print(f"errors of the worker {len(failed)}")
    print(f"delivered          {received:,} of {published:,}; dead {left['dead']}")
    return not errors and not failed and received == published and not left["dead"]


def check_fires(folder: Path) -> bool:
    """Without the settings the checks refuse, by their ids."""
    (folder / "without.py").write_text(WITHOUT)
    environ = {"PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}
    done = run("manage.py", "check", "--settings", "without", environ=environ)
    told = [name for name in ("webhooksub.E005", "webhooksub.E006") if name in done.stderr]
    print(f"without the settings `manage.py check` ends with {done.returncode}: {', '.join(told)}")
    return done.returncode == 1 and len(told) == 2


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--clients", type=int, default=4)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        well = contend(Path(name), given.seconds, given.clients)
        fires = check_fires(Path(name))
    return 0 if well and fires else 1


if __name__ == "__main__":
    sys.exit(main())
