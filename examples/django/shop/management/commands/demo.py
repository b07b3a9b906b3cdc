"""What becomes of a change: committed, rolled back, committed while nobody delivers.

A web process and a worker, as in production, and a customer's HTTPS endpoint. Ends with 1 when
something is not as promised. `make demo` gives it a file of its own; in the database of a
DATABASE_URL what it wrote stays, and it can be run again.
"""

import platform
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import connection

from shop.management.processes import post, web, worker
from shop.models import Shop
from shop.webhooks import token_for
from webhooksub import Verifier
from webhooksub.contrib.django.models import Event
from webhooksub.testing import Receiver

KEY = "a key that both sides know, of 24 bytes or more"
TOTAL_THAT_THE_BANK_REFUSES = "2000"
# What would come comes within this.
QUIET_SECONDS = 2.0


class Verdict:
    """What was seen, line by line."""

    def __init__(self) -> None:
        self.failures = 0

    def show(self, what: str, right: bool, seen: object = "") -> None:
        print("  ok " if right else "  NOT", f"{what}: {seen}" if seen != "" else what, flush=True)
        self.failures += not right


class Demo:
    """One shop, its owner, and the endpoint of a customer."""

    def __init__(self, receiver: Receiver, verdict: Verdict) -> None:
        self.receiver, self.show = receiver, verdict.show
        users = get_user_model().objects
        user = users.filter(username="ann").first()
        user = user or users.create_superuser("ann", password="ann")
        self.shop = Shop.objects.create(name="Books", owner=user)
        self.token = token_for(user)

    def subscribe(self, url: str) -> None:
        """Over the API, which the shop has mounted at /api/."""
        wanted = {
            "resource": f"shop/{self.shop.pk}/order",
            "modificationType": "any",
            "notificationUrl": self.receiver.url("/hook"),
            "integrityKey": KEY,
            "expirationDateTime": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        }
        status, answer = post(f"{url}/api/webhooks", wanted, self.token)
        self.show("subscribed over the API", status == 201, answer.get("id", answer))

    def order(self, url: str, *totals: str, partly: bool = False) -> int:
        """The status of the answer."""
        wanted = {"shop": self.shop.pk, "totals": totals, "partly": partly}
        return post(f"{url}/orders", wanted, self.token)[0]

    def committed(self, url: str) -> None:
        status = self.order(url, "9.90")
        seen = self.newest(1)
        self.show("a committed order arrived, its signature verified", status == 201, seen)

    def rolled_back(self, url: str) -> None:
        before = Event.objects.count(), len(self.receiver.requests)
        status = self.order(url, "5.00", TOTAL_THAT_THE_BANK_REFUSES)
        self.show("an order was rolled back", status == 402, f"HTTP {status}")
        self.nothing_since(*before)

    def partly_rolled_back(self, url: str) -> None:
        before = Event.objects.count(), len(self.receiver.requests)
        status = self.order(url, TOTAL_THAT_THE_BANK_REFUSES, partly=True)
        self.show("an order was rolled back to its SAVEPOINT", status == 201, f"HTTP {status}")
        self.nothing_since(*before)

    def nothing_since(self, events: int, requests: int) -> None:
        now = Event.objects.count()
        self.show("  the number of events is unchanged", now == events, now)
        time.sleep(QUIET_SECONDS)
        self.show("  the receiver is quiet", len(self.receiver.requests) == requests)

    def without_worker(self, url: str) -> None:
        requests = len(self.receiver.requests)
        status = self.order(url, "3.30")
        self.show("an order was committed while no worker ran", status == 201)
        time.sleep(QUIET_SECONDS)
        self.show("  the receiver is quiet", len(self.receiver.requests) == requests)

    def newest(self, count: int) -> str:
        """The last of `count` requests; raises VerificationError unless our key signed it."""
        request = self.receiver.wait_for(count, timeout=30)[-1]
        [notification] = Verifier(KEY).verify(request.body, request.headers)
        return f"{notification.resource_path} {notification.data}"


def run(verdict: Verdict, folder: Path) -> None:
    with Receiver() as receiver:
        authority = folder / "ca.pem"
        authority.write_bytes(receiver.ca_pem)
        environ = {"WEBHOOKSUB_CA_BUNDLE": str(authority)}
        demo = Demo(receiver, verdict)
        with web(environ) as server:
            url = server.ready
            with worker(environ) as delivering:
                demo.subscribe(url)
                demo.committed(url)
                demo.rolled_back(url)
                demo.partly_rolled_back(url)
                delivering.end()
                verdict.show("the worker drained on SIGTERM", True)
            demo.without_worker(url)
            with worker(environ) as delivering:
                verdict.show("  it arrived when a worker ran again", True, demo.newest(2))
                delivering.end()
            server.end()


class Command(BaseCommand):
    help = "Shows what becomes of committed and of rolled back changes."

    def handle(self, *_: Any, **__: Any) -> None:
        versions = f"Django {django.get_version()} on Python {platform.python_version()}"
        print(f"{versions}, {connection.display_name}")
        verdict = Verdict()
        with tempfile.TemporaryDirectory() as folder:
            run(verdict, Path(folder))
        if verdict.failures:
            sys.exit(1)
