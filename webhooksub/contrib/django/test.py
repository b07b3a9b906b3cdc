"""For tests of projects: what did this code publish?

::

    class OrderTests(AssertPublishes, TestCase):
        def test_a_paid_order_is_told(self):
            with self.assertPublishes("shop/1/order/7", "update"):
                order.pay()

Events are looked for in the test's own transaction: nobody delivers them, and what was rolled
back was not published.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import TestCase

from django.db.models import Max

from ...events import Action
from . import database
from .dispatcher import hooks
from .models import Event

#: Any data is right.
ANY: Any = type("Any", (), {"__repr__": lambda _: "anything"})()


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """One event, as subscribers would hear of it."""

    paths: tuple[str, ...]
    action: str
    data: Any
    open_id: str | None

    @property
    def path(self) -> str:
        return self.paths[0]

    def __str__(self) -> str:
        return f"{self.action} {' '.join(self.paths)} {json.dumps(self.data)}"


class AssertPublishes(TestCase):
    """Mixed into a test class of Django's, before it."""

    @classmethod
    def tearDownClass(cls) -> None:
        """Also ends our own connections to a server: it would not drop the test database."""
        super().tearDownClass()
        if database.on_server(database.connection()):
            hooks.close()

    @contextmanager
    def assertPublishes(
        self,
        path: str | None = None,
        action: str | None = None,
        data: Any = ANY,
        *,
        count: int | None = None,
    ) -> Iterator[list[PublishedEvent]]:
        """The block publishes a change of `path` with this `action` and `data`.

        `count`: so many events of that kind, neither more nor fewer; without it at least one.
        Gives the list of everything that was published, filled when the block ends.
        """
        everything: list[PublishedEvent] = []
        last = _last_seq()
        yield everything
        everything += _published_since(last)
        fitting = [
            event
            for event in everything
            if path in (None, *event.paths)
            and action in (None, event.action)
            and (data is ANY or event.data == data)
        ]
        right = len(fitting) >= 1 if count is None else len(fitting) == count
        if not right:
            wanted = f"{action or 'any change'} of {path or 'anything'}"
            wanted += "" if data is ANY else f" with {json.dumps(data, default=str)}"
            shown = "".join(f"\n  {event}" for event in everything) or " nothing"
            many = "" if count is None else f", and {count} wanted"
            self.fail(f"{len(fitting)} events are {wanted}{many}; published:{shown}")

    @contextmanager
    def assertPublishesNothing(self) -> Iterator[None]:
        """The block publishes no event, or rolls back what it published."""
        last = _last_seq()
        yield
        if found := _published_since(last):
            self.fail("published:" + "".join(f"\n  {event}" for event in found))


def _last_seq() -> int:
    return Event.objects.aggregate(last=Max("seq"))["last"] or 0


def _published_since(last: int) -> list[PublishedEvent]:
    return [
        PublishedEvent(
            paths=tuple(row.paths.split("\n")),
            action=Action(row.action).name.lower(),
            data=None if row.data is None else json.loads(bytes(row.data)),
            open_id=row.open_id,
        )
        for row in Event.objects.filter(seq__gt=last).order_by("seq")
    ]
