"""`make browser`: examples/sockets in Chromium, with socket.io-client from npm.

    python tests/browser/browser.py FOLDER [--sabotage no-acknowledgement]

FOLDER has node_modules. Prints what came and what was acknowledged, and ends with 1 where that
is not all.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from redisd import Redis
from socketprocesses import Processes

_SECONDS = 30
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def wait_for(what: Callable[[], Any]) -> None:
    """Until it is true, or time is up: what is printed says so."""
    until = time.monotonic() + _SECONDS
    while not what() and time.monotonic() < until:
        time.sleep(0.05)


def open_page(browser: Browser, processes: Processes, tenant: str, more: str = "") -> Page:
    page = browser.new_context().new_page()
    page.goto(f"{processes.url}/?tenant={tenant}{more}")
    page.wait_for_function("socket.connected", timeout=_SECONDS * 1_000)
    return page


def heard(page: Page) -> set[int]:
    """The number of each change that the page shows."""
    return set(page.evaluate("heard.map((notification) => notification.data.n)"))


class Proof:
    """Lines that say what was wanted and what came."""

    def __init__(self) -> None:
        self.missed = False

    def say(self, what: str, came: int, wanted: int) -> None:
        self.missed |= came != wanted
        print(f"{'ok  ' if came == wanted else 'MISS'} {what}: {came} of {wanted}", flush=True)


def prove(browser: Browser, processes: Processes, sabotage: str) -> bool:
    """True: all came."""
    proof = Proof()
    mine, theirs = processes.subscribe("acme"), processes.subscribe("other")
    more = "&acknowledge=no" if sabotage == "no-acknowledgement" else ""
    page = open_page(browser, processes, "acme", more)
    other = open_page(browser, processes, "other")

    def delivered() -> int:
        return processes.states(mine).count("delivered")

    for n in range(3):
        processes.change(n)
    wait_for(lambda: delivered() == 3)
    proof.say("events", len(heard(page) & {0, 1, 2}), 3)
    proof.say("acked", delivered(), 3)

    page.evaluate("socket.disconnect()")
    time.sleep(0.5)
    for n in (3, 4):
        processes.change(n)
    wait_for(lambda: processes.states(mine).count("waiting") == 2)
    proof.say("waiting while it is not connected", processes.states(mine).count("waiting"), 2)
    page.evaluate("void socket.connect()")
    wait_for(lambda: delivered() == 5)
    proof.say("after a reconnect", len(heard(page) & {3, 4}), 2)

    processes.kill("web")
    page.wait_for_function("!socket.connected", timeout=_SECONDS * 1_000)
    processes.start_web()
    for n in (5, 6):
        processes.change(n)
    wait_for(lambda: delivered() == 7)
    proof.say("server killed between", len(heard(page)), 7)
    proof.say("acked in all", delivered(), 7)
    proof.say("another tenant's", len(heard(other)) + len(processes.states(theirs, "other")), 0)
    return not proof.missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sabotage", choices=["", "no-acknowledgement"], default="")
    given = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if chromium is None:
        print("no Chromium is found", file=sys.stderr)
        return 2
    with (
        tempfile.TemporaryDirectory() as folder,
        Redis(Path(folder)) as redis,
        Processes(Path(folder), redis.url, given.folder.absolute()) as processes,
        sync_playwright() as playwright,
    ):
        processes.start_web()
        processes.start_worker()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"Chromium {browser.version}", flush=True)
        proved = prove(browser, processes, given.sabotage)
        browser.close()
    return 0 if proved else 1


if __name__ == "__main__":
    sys.exit(main())
