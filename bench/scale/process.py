"""A dispatcher or a publisher in a process of its own: started by :class:`Process`.

    python bench/scale/process.py ORDERS        with JSON

It begins at a line of its standard input, and a dispatcher ends at the next.
"""

import json
import logging
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import psycopg
from endpoint import Endpoint
from product import make_events

from webhooksub import Dispatcher, allow_all

CONNECTIONS = 64
CAPS: dict[str, Any] = {
    "in_flight_max": CONNECTIONS,
    "in_flight_per_origin": CONNECTIONS,
    "in_flight_reserved_per_origin": 0,
    "in_flight_per_subscription": CONNECTIONS,
    "spill_after_ms": 600_000,
    "poll_ms": 50,
    "claim_events": 500,
}
# As a busy service publishes: what comes together is one call.
TOGETHER = 100
# Who publishes as fast as is delivered has so many on the way, and looks after so many calls.
UNDER_WAY, LOOK_EVERY = 2_000, 5


def dispatcher(url: str, there: Endpoint, config: dict[str, Any] = CAPS) -> Dispatcher:
    ca_pem = there.ca.read_bytes()
    return Dispatcher(url, authorizer=allow_all, dev=True, ca_pem=ca_pem, config=config)


class Process:
    """Ready when it is made; :meth:`begin` begins."""

    def __init__(self, url: str, there: Endpoint, **orders: Any) -> None:
        orders |= {"database": url, "url": there.url, "ca": str(there.ca)}
        path = os.pathsep.join(sys.path[1:])
        self._process: Any = subprocess.Popen(
            [sys.executable, __file__, json.dumps(orders)],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    def _line(self) -> str:
        line: str = self._process.stdout.readline()
        if not line:
            raise SystemExit("bench: a process has ended by itself")
        return line

    def begin(self) -> None:
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def seq(self) -> int:
        """Of a dispatcher that was told to begin."""
        return int(self._line())

    def end(self) -> dict[str, Any]:
        """Told to end, or waited for: what it did."""
        printed: str = self._process.communicate("end\n")[0]
        result: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return result

    def kill(self) -> None:
        """By SIGKILL, if it lives."""
        self._process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, stat[11:13])) / os.sysconf("SC_CLK_TCK")


# --- inside it -----------------------------------------------------------------------


def deliver(orders: dict[str, Any], there: Endpoint) -> dict[str, Any]:
    hooks = dispatcher(orders["database"], there, orders.get("config", CAPS))
    ready()
    with hooks:
        print(hooks._loop.seq, flush=True)  # type: ignore[union-attr]
        sys.stdin.readline()
        delivered = hooks.stats()["delivered"]
    return {"delivered": delivered}


def publish(orders: dict[str, Any], there: Endpoint) -> dict[str, Any]:
    """For some seconds after a warm-up, so many a second, or as many as are delivered."""
    hooks = dispatcher(orders["database"], there)
    [events] = make_events(TOGETHER)
    rate, warm_up, seconds = orders.get("rate"), orders["warm_up"], orders["seconds"]
    ready()
    count, late, began = 0, 0.0, time.perf_counter()
    warm: tuple[int, float] | None = None
    with psycopg.connect(orders["conninfo"], autocommit=True) as connection:
        while (now := time.perf_counter() - began) < warm_up + seconds:
            if warm is None and now >= warm_up:
                warm = count, now
            if rate:
                ahead = count / rate - now
                late = max(late, -ahead)
                time.sleep(max(0.0, ahead))
            elif count % (TOGETHER * LOOK_EVERY) == 0:
                _wait_for_room(connection)
            hooks.publish_many(events)
            count += TOGETHER
    hooks.close()
    before, at = warm or (0, 0.0)
    return {"per_second": (count - before) / (now - at), "late": late}


def _wait_for_room(connection: psycopg.Connection) -> None:
    count = "SELECT count(*) < %s FROM webhooksub_outbox"
    while connection.execute(count, (UNDER_WAY,)).fetchone() != (True,):
        time.sleep(0.005)


def ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def main() -> None:
    orders = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.ERROR)
    warnings.simplefilter("ignore", RuntimeWarning)  # of publishing before anybody delivers
    there = Endpoint(orders["url"], 0, Path(orders["ca"]))
    act = publish if "seconds" in orders else deliver
    print(json.dumps(act(orders, there)))


if __name__ == "__main__":
    main()
