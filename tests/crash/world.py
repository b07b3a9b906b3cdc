"""What the killed process and those who judge it agree on: drawers, subscriptions, settings.

Each drawer has its own number of subscriptions, and so its own fan-out. An event's data holds
a number that no other event of its round has; the ends of the proof meet in it.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from webhooksub import Dispatcher, allow_all

TENANT = "tenant/acme"
KEY = "k" * 32
# The most notifications in one POST.
BATCH = 20
# The places for reports: as many attempts may be lost sight of by a kill, and no more.
REPORT_SLOTS = 128

SETTINGS: dict[str, Any] = {
    "heartbeat_ms": 300,
    "lease_ms": 1_500,
    "takeover_ms": 2_500,
    "poll_ms": 50,
    "report_slots": REPORT_SLOTS,
    "in_flight_per_origin": 32,
    "in_flight_per_subscription": 4,
    "retry_steps_ms": (50,),
    "retry_jitter": 0,
    "breaker_open_ms": 500,
    "spill_after_ms": 300,
    # A receiver that a busy machine makes slow is no unclear answer.
    "connect_timeout_ms": 30_000,
    "total_timeout_ms": 60_000,
    "subscriptions_per_root_max": 100_000,
    # Here it is not an event that ends the process.
    "quarantine_claims": 1_000_000,
}


@dataclass(frozen=True)
class Drawer:
    """`path` of its endpoint; `share` of the events go to it."""

    name: str
    subscriptions: int
    path: str
    share: float
    fields: dict[str, Any]

    @property
    def resource(self) -> str:
        return f"{TENANT}/sidedrawer/{self.name}/record"


_BATCHED = {"delivery": {"batch": {"maxNotifications": BATCH, "lingerMs": 5}}}

DRAWERS: dict[str, Drawer] = {
    drawer.name: drawer
    for drawer in (
        *(Drawer(f"batched{n}", 1, "/take", 15, _BATCHED) for n in range(5)),
        *(Drawer(f"one{n}", 1, "/take", 5, {}) for n in range(3)),
        # Slower than it is published to: at any moment some are on their way.
        Drawer("slow", 1, "/slow", 5, {}),
        Drawer("flaky", 1, "/flaky", 3, {"max_retries": 100}),  # fails now and then
        Drawer("refusing", 1, "/refuse", 2, {"max_retries": 0}),  # dead letters
        Drawer("away", 1, "", 2, {"max_retries": 100}),  # nobody listens: it waits
        Drawer("hundred", 100, "/take", 0.3, _BATCHED),
        Drawer("crowd", 10_000, "/take", 0, {}),
    )
}


def drawers(fan_out: int) -> list[Drawer]:
    """Those of a round whose largest fan-out is this."""
    return [drawer for drawer in DRAWERS.values() if drawer.subscriptions <= fan_out]


def open_dispatcher(url: str, ca_pem: bytes, **settings: Any) -> Dispatcher:
    return Dispatcher(
        url,
        authorizer=allow_all,
        dev=True,
        ca_pem=ca_pem,
        config=SETTINGS | settings,
    )


def subscribe_all(hooks: Dispatcher, fan_out: int, url: str, away: str) -> None:
    """By several threads, which the writer's group commit makes fast."""

    def wanted() -> Iterator[tuple[Drawer, str]]:
        for drawer in drawers(fan_out):
            at = url + drawer.path if drawer.path else away + "/away"
            yield from ((drawer, at) for _ in range(drawer.subscriptions))

    def subscribe(one: tuple[Drawer, str]) -> None:
        drawer, at = one
        hooks.subscribe(
            drawer.resource,
            "any",
            at,
            expires=timedelta(days=1),
            integrity_key=KEY,
            **drawer.fields,
        )

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(subscribe, wanted()))
