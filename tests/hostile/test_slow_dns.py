"""A name server that hangs stops nobody but its own host."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.hostile("E"), pytest.mark.serial]

PUBLISH = """
import json, sys, threading, time
from datetime import timedelta
from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver

SETTINGS = {"connect_timeout_ms": 5_000, "total_timeout_ms": 8_000, "retry_steps_ms": (60_000,),
            "resolves_max": 16, "spill_after_ms": 60_000, "breaker_failures": 1_000}
records = "tenant/acme/sidedrawer/s1/record"
with Receiver() as receiver:
    hooks = Dispatcher.in_memory(authorizer=allow_all, dev=True, config=SETTINGS)
    hooks.start()
    for n in range(10):
        hooks.subscribe(records, "delete", f"https://slow{n}.example/hook",
                        expires=timedelta(days=1))
    hooks.subscribe(records, "update", receiver.url("/hook"), expires=timedelta(days=1))
    hooks.publish(records + "/r1", "delete", {})
    time.sleep(0.2)
    began = time.monotonic()
    longest = 0.0
    for n in range(50):
        at = time.monotonic()
        hooks.publish(records + "/r1", "update", {"n": n})
        receiver.wait_for(n + 1)
        longest = max(longest, time.monotonic() - at)
    threads = max(len(list(__import__("pathlib").Path("/proc/self/task").iterdir())), 0)
    at = time.monotonic()
    hooks.close(grace=0)
    print(json.dumps({"longest": longest, "threads": threads,
                      "close": time.monotonic() - at}))
"""

FEW_PLACES = """
import json, time
from datetime import timedelta
from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver

SETTINGS = {"connect_timeout_ms": 4_000, "total_timeout_ms": 8_000, "retry_steps_ms": (60_000,),
            "resolves_max": 4, "spill_after_ms": 60_000, "breaker_failures": 1_000}
records = "tenant/acme/sidedrawer/s1/record"

def measure(hooks, receiver, action):
    hooks.publish(records + "/r1", "delete", {})
    time.sleep(0.2)
    longest = 0.0
    for n in range(20):
        at, before = time.monotonic(), len(receiver.requests)
        hooks.publish(records + "/r1", action, {"n": n})
        receiver.wait_for(before + 1)
        longest = max(longest, time.monotonic() - at)
    return longest

failing = []
with Receiver() as known, Receiver() as new:
    hooks = Dispatcher.in_memory(authorizer=allow_all, dev=True, config=SETTINGS,
                                 ca_pem=known.ca_pem + new.ca_pem,
                                 on_operator_event=failing.append)
    hooks.start()
    hooks.subscribe(records, "update", known.url("/hook"), expires=timedelta(days=1))
    hooks.publish(records + "/r1", "update", {})
    known.wait_for(1)
    for n in range(6):
        hooks.subscribe(records, "delete", f"https://slow{n}.example/hook",
                        expires=timedelta(days=1))
    reached_lately = measure(hooks, known, "update")
    # Until each of them has had a place, and its thread has ended.
    while len(failing) < 6:
        time.sleep(1)
        hooks.publish(records + "/r1", "delete", {})
    time.sleep(10.5)
    hooks.subscribe(records, "create", new.url("/hook"), expires=timedelta(days=1))
    never_seen = measure(hooks, new, "create")
    hooks.close(grace=0)
    print(json.dumps({"reached lately": reached_lately, "never seen": never_seen}))
"""


def run(program: str, slow: str, preload: str, hosts: Path) -> Any:
    """What it prints, where `slow` is what becomes of the lookups of the slow names."""
    hosts.write_text("".join(f"slow{n}.example {slow}\n" for n in range(10)))
    environment = os.environ | {"LD_PRELOAD": preload, "WHS_HOSTS": str(hosts)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_lookups_that_hang_delay_no_other_origin_and_are_bounded(
    preload: str, tmp_path: Path
) -> None:
    seen = run(PUBLISH, "after 8000", preload, tmp_path / "hosts")
    assert seen["longest"] < 4.0, "somebody else's name server was waited for"
    assert seen["threads"] < 40
    assert seen["close"] < 16


def test_names_that_hang_leave_places_to_others_where_there_are_few(
    preload: str, tmp_path: Path
) -> None:
    for origin, longest in run(FEW_PLACES, "after 6000", preload, tmp_path / "hosts").items():
        assert longest < 3.6, f"{origin}: somebody else's name server was waited for"
