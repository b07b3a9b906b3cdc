"""A database with a past: a service's day of webhooks, really delivered, to endpoints that are
good, slow, broken or gone.

    python demo_database.py demo.db

The dispatcher's clock begins a day ago and is moved on, so that retries fall due; all else is
as ever: a SQLite file, HTTPS, signatures.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from webhooksub import Dispatcher, Event, SubscriptionInfo, allow_all
from webhooksub.testing import Answer, Clock, Receiver

KEY = "a-secret-of-24-or-more-bytes"
HOURS = 24
TENANTS = ("acme", "birch", "cedar", "delta", "elm")


class Past(Clock):
    """Begins a day ago; a test's clock moves on only."""

    def __call__(self) -> int:
        return super().__call__() - HOURS * 3_600_000


class Day:
    """The service, its customers' endpoints, and what happens to them."""

    def __init__(self, hooks: Dispatcher, clock: Past, endpoints: dict[str, Receiver]) -> None:
        self.hooks, self.clock, self.endpoints = hooks, clock, endpoints
        self.subscriptions = {tenant: self.subscribe(tenant) for tenant in endpoints}
        self.published: list[Event] = []

    def subscribe(self, tenant: str, modification_type: str = "any") -> SubscriptionInfo:
        return self.hooks.subscribe(
            records(tenant),
            modification_type,
            self.endpoints[tenant].url("/hook?token=of-the-customer"),
            expires=timedelta(days=365),
            integrity_key=KEY,
            max_retries=4,
        )

    def pass_an_hour(self, hour: int) -> None:
        """More happens by day than by night. In steps, so that each retry comes in its time."""
        for quarter in range(4):
            for n in range(quarter, 4 + 2 * (8 <= hour < 18), 4):
                self.publish(f"h{hour}n{n}", ("create", "update", "update", "delete")[quarter])
            self.hooks.flush(timeout=60)
            self.clock.advance(minutes=15)
        self.hooks.flush(timeout=60)

    def publish(self, name: str, action: str) -> None:
        for tenant in self.endpoints:
            path = f"{records(tenant)}/{name}"
            self.published.append(self.hooks.publish(path, action, {"name": f"Folder {name}"}))

    def happen(self, hour: int) -> None:
        """What the second notebook finds."""
        birch, cedar = self.endpoints["birch"], self.endpoints["cedar"]
        if hour == 6:  # a key was changed on the other side
            cedar.answer(401, body=b"signature does not match")
        if hour == 9:  # a deployment
            birch.script([503] * 8)
        if hour == 12:
            self.hooks.pause(self.subscriptions["delta"].id)
        if hour == 15:  # the endpoint was taken away
            self.endpoints["elm"].script([Answer(410)])
        if hour == 18:
            self.hooks.resume(self.subscriptions["delta"].id)


def records(tenant: str) -> str:
    return f"tenant/{tenant}/sidedrawer/s1/record"


@contextmanager
def service(path: Path) -> Iterator[Day]:
    """A dispatcher on a new file, and an endpoint for each tenant."""
    clock = Past()
    with ExitStack() as ends:
        endpoints = {tenant: ends.enter_context(Receiver()) for tenant in TENANTS}
        url = f"sqlite:///{path}"
        hooks = Dispatcher(url, authorizer=allow_all, dev=True, clock=clock)
        yield Day(ends.enter_context(hooks), clock, endpoints)


def make(path: str | Path) -> list[Event]:
    """Writes the file anew; answers what was published, as the service's own log would."""
    for suffix in ("", "-wal", "-shm", ".dispatcher"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    log = logging.getLogger("webhooksub")
    before = log.level
    log.setLevel(logging.CRITICAL)  # what goes wrong here is meant to
    try:
        with service(Path(path)) as day:
            for hour in range(HOURS):
                day.happen(hour)
                day.pass_an_hour(hour)
            day.subscribe("acme", "delete")  # too late for all that was published
            return day.published
    finally:
        log.setLevel(before)


if __name__ == "__main__":
    print(len(make(sys.argv[1])), "events")
