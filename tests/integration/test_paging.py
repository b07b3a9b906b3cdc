"""Pages of events and of everybody's deliveries, as far as an actor may see them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from acme import PATH, RECORDS, Make

from webhooksub import ALL, Dispatcher, NotFound, ValidationError
from webhooksub.testing import Receiver

Ids = list[Any]


class Tenants:
    """An actor is the list of the tenants that it belongs to; None is the service itself."""

    def allows(self, actor: Any, root: tuple[str, str], operation: str) -> bool:
        return actor is None or root[1] in actor

    def roots(self, actor: Any) -> Any:
        return ALL if actor is None else [("tenant", tenant) for tenant in actor]

    def owner_id(self, actor: Any) -> str:
        return "somebody"

    def still_allowed(self, owner_id: str, root: tuple[str, str]) -> bool:
        return True


@pytest.fixture(params=["sqlite", "memory"])
def hooks(request: pytest.FixtureRequest, make: Make) -> Dispatcher:
    url = "memory://" if request.param == "memory" else ""
    return make(url, authorizer=Tenants()).start()


@pytest.fixture
def delivered(hooks: Dispatcher, receiver: Receiver) -> dict[str, Ids]:
    """Ids of events of two tenants, each delivered to two subscriptions."""
    made: dict[str, Ids] = {"acme": [], "birch": []}
    for tenant in made:
        resource = RECORDS.replace("acme", tenant)
        for path in ("/a", "/b"):
            hooks.subscribe(resource, "any", receiver.url(path), expires=timedelta(days=1))
        for n in range(3):
            made[tenant].append(hooks.publish(f"{resource}/r{n}", "update", {"n": n}).id)
    assert hooks.flush(timeout=20).delivered == 12
    return made


def walk(ask: Callable[..., Any], **options: Any) -> tuple[Ids, Ids]:
    """All there is, page by page there, and back."""
    page = ask(limit=2, **options)
    there = list(page.items)
    while page.next:
        page = ask(limit=2, cursor=page.next, **options)
        there += page.items
    back = list(page.items)
    while page.previous:
        page = ask(limit=2, cursor=page.previous, **options)
        back = [*page.items, *back]
    return there, back


def test_pages_of_events_hold_each_once_there_and_back(
    hooks: Dispatcher, delivered: dict[str, Ids]
) -> None:
    there, back = walk(hooks.event_page)
    assert [e.id for e in there] == [*delivered["acme"], *delivered["birch"]][::-1]
    assert back == there
    mine, _ = walk(hooks.event_page, root="tenant/acme")
    assert [e.id for e in mine] == delivered["acme"][::-1]
    assert walk(hooks.event_page, action="delete") == ([], [])


def test_pages_of_all_deliveries_hold_each_once_there_and_back(
    hooks: Dispatcher, delivered: dict[str, Ids]
) -> None:
    there, back = walk(hooks.delivery_page, state="delivered")
    assert len({(d.event_id, d.subscription_id) for d in there}) == len(there) == 12
    assert back == there
    page = hooks.delivery_page(limit=2)
    assert page.total is None
    of_event = hooks.delivery_page(event=delivered["acme"][0])
    assert (len(of_event.items), of_event.total) == (2, 2)


def test_what_an_actor_may_not_see_is_on_no_page(
    hooks: Dispatcher, delivered: dict[str, Ids]
) -> None:
    acme = ["acme"]
    events, _ = walk(hooks.event_page, actor=acme)
    assert [e.id for e in events] == delivered["acme"][::-1]
    assert walk(hooks.event_page, actor=acme, root="tenant/birch") == ([], [])
    deliveries, _ = walk(hooks.delivery_page, actor=acme)
    assert {d.event_id for d in deliveries} == set(delivered["acme"])
    with pytest.raises(NotFound):
        hooks.event(delivered["birch"][0], actor=acme)
    foreign = hooks.event_page(root="tenant/birch", limit=1).next
    others = hooks.delivery_page(event=delivered["birch"][0], limit=1).next
    for ask, cursor in ((hooks.event_page, foreign), (hooks.delivery_page, others)):
        assert cursor is not None
        with pytest.raises(ValidationError, match="cursor"):
            ask(actor=acme, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "AQ", "nonsense!", "A" * 44, "A" * 23])
def test_a_cursor_of_nothing_is_refused(
    hooks: Dispatcher, delivered: dict[str, Ids], cursor: str
) -> None:
    for ask in (hooks.event_page, hooks.delivery_page):
        with pytest.raises(ValidationError, match="cursor"):
            ask(cursor=cursor)


def test_an_event_is_shown_with_its_data_and_as_done(
    hooks: Dispatcher, delivered: dict[str, Ids]
) -> None:
    event = hooks.event(delivered["acme"][1])
    assert (event.paths, event.action, event.data) == (
        (PATH.rpartition("/")[0] + "/r1",),
        "update",
        b'{"n":1}',
    )
    assert event.in_outbox is False
    assert "data" not in repr(event)
    assert hooks.event_page(limit=1).items[0].in_outbox is None
