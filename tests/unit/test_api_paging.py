"""Lists: page by page, there and back, by what they hold."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import Client, Clock, content, serving
from hypothesis import given, settings
from hypothesis import strategies as st

DAY = 86_400_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "memory"])
def ann(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Client]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'hooks.db'}"
    with serving(url=url, clock=clock) as (api, _):
        yield Client(api, "ann", "/api/v1")


def ids(page: Any) -> list[str]:
    return [row["id"] for row in page["data"]]


def test_pages_hold_everything_once_there_and_back(ann: Client) -> None:
    made = [ann.create() for _ in range(7)]
    page = content(ann.ask("GET", "/webhooks", query="limit=3"))
    assert page["previousPage"] is None
    there, pages = ids(page), [page]
    while page["hasMore"]:
        assert page["nextPage"].startswith("/api/v1/webhooks?limit=3&cursor=")
        page = ann.follow(page["nextPage"])
        pages.append(page)
        there += ids(page)
    assert there == made
    assert page["nextPage"] is None
    assert {p["totalCount"] for p in pages} == {7}
    back = ids(page)
    while page["previousPage"] is not None:
        page = ann.follow(page["previousPage"])
        back = ids(page) + back
    assert back == made


def test_a_page_stays_where_it_is_while_others_end_and_come(ann: Client) -> None:
    made = [ann.create() for _ in range(4)]
    page = content(ann.ask("GET", "/webhooks", query="limit=2"))
    ann.ask("DELETE", f"/webhooks/{made[1]}")
    ann.ask("DELETE", f"/webhooks/{made[2]}")
    made.append(ann.create())
    assert ids(ann.follow(page["nextPage"])) == [made[3], made[4]]


def test_a_list_is_narrowed_by_what_its_rows_hold(ann: Client, clock: Clock) -> None:
    plain = ann.create()
    branded = ann.create(brandCode="a&b=c/ü")
    elsewhere = ann.create(resource="tenant/acme/network/auth0|12")
    paused = ann.create()
    ann.ask("POST", f"/webhooks/{paused}/pause")
    short = ann.create(expirationDateTime="2027-01-16T00:00:00Z")
    clock.advance(DAY)

    def found(query: str) -> list[str]:
        page = content(ann.ask("GET", "/webhooks", query=query))
        assert page["totalCount"] == len(page["data"])
        return ids(page)

    assert found("brandCode=a%26b%3Dc/%C3%BC") == [branded]
    assert found("resource=tenant/acme/network/auth0%7C12") == [elsewhere]
    assert found("status=paused") == [paused]
    assert found("status=expired") == [short]
    assert found("status=active") == [plain, branded, elsewhere]
    assert found("status=ACTIVE&brandCode=nobody") == []


def test_a_link_keeps_what_the_list_was_narrowed_by(ann: Client) -> None:
    made = [ann.create(brandCode="a&b=c/ü") for _ in range(3)]
    ann.create()
    page = content(ann.ask("GET", "/webhooks", query="limit=2&brandCode=a%26b%3Dc/%C3%BC"))
    rest = ann.follow(page["nextPage"])
    assert (ids(rest), rest["totalCount"]) == (made[2:], 3)


@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_deliveries_are_paged_the_newest_first(tmp_path: Path) -> None:
    with serving(url=f"sqlite:///{tmp_path / 'hooks.db'}") as (api, hooks):
        ann = Client(api, "ann")
        paths = [f"tenant/acme/sidedrawer/s1/record/r{n}" for n in range(7)]
        events = [hooks.publish(path, "update").id for path in paths]
        id_, other = ann.create(), ann.create()
        since = {"since": "2020-01-01T00:00:00Z"}
        for one in (id_, other):
            replayed = ann.ask("POST", f"/webhooks/{one}/replay", since)
            assert content(replayed, 202) == {"replayed": 7}
        page = content(ann.ask("GET", f"/webhooks/{id_}/deliveries", query="limit=3"))
        found = [row["eventId"] for row in page["data"]]
        while page["hasMore"]:
            page = ann.follow(page["nextPage"])
            found += [row["eventId"] for row in page["data"]]
        assert found == events[::-1]
        assert page["totalCount"] == 7
        back = [row["eventId"] for row in page["data"]]
        while page["previousPage"]:
            page = ann.follow(page["previousPage"])
            back = [row["eventId"] for row in page["data"]] + back
        assert back == found
        narrowed = ann.ask("GET", f"/webhooks/{id_}/deliveries", query="state=dead")
        assert content(narrowed)["totalCount"] == 0
        later = "since=2099-01-01T00:00:00Z"
        assert content(ann.ask("GET", f"/webhooks/{id_}/deliveries", query=later))["data"] == []
        stranger = page["nextPage"].rpartition("cursor=")[2]
        third = ann.create()
        refused = ann.ask("GET", f"/webhooks/{third}/deliveries", query=f"cursor={stranger}")
        assert refused.status == 400


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 12), limit=st.integers(1, 5))
def test_any_page_size_shows_each_row_once(count: int, limit: int) -> None:
    with serving() as (api, _):
        ann = Client(api, "ann")
        made = [ann.create() for _ in range(count)]
        page = content(ann.ask("GET", "/webhooks", query=f"limit={limit}"))
        found = ids(page)
        while page["nextPage"]:
            page = ann.follow(page["nextPage"])
            assert page["previousPage"] is not None
            found += ids(page)
        assert found == made
