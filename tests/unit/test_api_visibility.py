"""What an actor may not see is byte-identical to what does not exist."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from asking import DOCUMENT, NOBODY, Client, content, header, serving

from webhooksub import ConfigurationError, Dispatcher, allow_all
from webhooksub.api import OPERATIONS, Operation

NO_ID = ["not-an-id", "..", "ä", "%", "a b", "https:", "01a211b6569e7388bbc0cbc79a07168a"]
OF_ONE = [operation for operation in OPERATIONS if "{id}" in operation.path]


@pytest.fixture(params=["sqlite", "memory"])
def three(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Client, Client, Dispatcher]]:
    """A member, an outsider, and the dispatcher."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'hooks.db'}"
    with serving(url=url) as (api, hooks):
        yield Client(api, "ann"), Client(api, "eve"), hooks


@pytest.mark.parametrize("operation", OF_ONE, ids=lambda o: o.operation_id)
@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_an_outsider_hears_the_same_of_a_subscription_as_of_none(
    three: tuple[Client, Client, Dispatcher], operation: Operation
) -> None:
    ann, eve, hooks = three
    id_ = ann.create()
    event = hooks.publish("tenant/acme/sidedrawer/s1/record/r1", "update").id
    bodies = [b"", b"{", b"{}", DOCUMENT, {"expirationDateTime": "2099-01-01T00:00:00Z"}]
    etag = header(ann.ask("GET", f"/webhooks/{id_}"), "etag")
    for body in bodies if operation.body else [b""]:
        for headers in ({}, {"if_match": etag}, {"if_match": '"x"'}, {"if_match": "*"}):
            given = {"content_type": "application/json"} | headers
            answers = {
                eve.ask(
                    operation.method,
                    operation.path.replace("{id}", one).replace("{eventId}", event),
                    body,
                    **given,
                )
                for one in (id_, NOBODY, *NO_ID)
            }
            assert [answer.status for answer in answers] == [404]
    assert content(ann.ask("GET", f"/webhooks/{id_}"))["status"] == "active"


def test_no_answer_says_again_what_was_asked_for(
    three: tuple[Client, Client, Dispatcher],
) -> None:
    ann, eve, _ = three
    canary = "CANARY-1"
    for actor in (ann, eve):
        for answer in (
            actor.ask("GET", f"/webhooks/{canary}"),
            actor.ask("GET", f"/{canary}"),
            actor.ask("POST", "/webhooks", DOCUMENT | {"resource": f"{canary}/x"}),
            actor.ask("POST", "/webhooks", DOCUMENT | {"resource": f"tenant/{canary}/sidedrawer"}),
            actor.ask("GET", "/webhooks", query=f"cursor={canary}"),
            actor.ask("GET", "/webhooks", query=f"status={canary}"),
            actor.ask("PUT", "/webhooks/resources", {canary: 1}),
        ):
            assert answer.status in (400, 404, 405)
            assert canary not in answer.body.decode()


def test_lists_and_counts_hold_only_what_the_actor_may_see(
    three: tuple[Client, Client, Dispatcher],
) -> None:
    ann, eve, _ = three
    bob = Client(ann.api, "bob")
    for _ in range(3):
        ann.create()
    bob.create(resource="tenant/globex/sidedrawer")
    eve.create(resource="tenant/evil/sidedrawer")
    for actor, count in ((ann, 3), (bob, 4), (eve, 1), (Client(ann.api, "nobody"), 0)):
        listed = content(actor.ask("GET", "/webhooks"))
        assert (listed["totalCount"], len(listed["data"])) == (count, count)
    asked = content(eve.ask("GET", "/webhooks", query="resource=tenant/acme/sidedrawer/s1/record"))
    assert (asked["totalCount"], asked["data"], asked["hasMore"]) == (0, [], False)


def test_who_may_not_subscribe_there_hears_of_nothing(
    three: tuple[Client, Client, Dispatcher],
) -> None:
    ann, eve, _ = three
    refused = eve.ask("POST", "/webhooks", DOCUMENT)
    assert refused == eve.ask("GET", f"/webhooks/{NOBODY}")
    id_ = eve.create(resource="tenant/evil/sidedrawer")
    moved = eve.ask("PATCH", f"/webhooks/{id_}", {"resource": "tenant/acme/sidedrawer"})
    assert moved == refused


def test_a_cursor_of_others_is_no_cursor(three: tuple[Client, Client, Dispatcher]) -> None:
    ann, eve, _ = three
    for _ in range(2):
        ann.create()
    link = content(ann.ask("GET", "/webhooks", query="limit=1"))["nextPage"]
    cursor = link.rpartition("cursor=")[2]
    assert ann.follow(link)["data"]
    of_nothing = eve.ask("GET", "/webhooks", query="cursor=AQGiEb4n7XJDvREznjsh4R4")
    assert eve.ask("GET", "/webhooks", query=f"cursor={cursor}") == of_nothing
    assert of_nothing.status == 400


@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_an_event_of_others_is_no_event(three: tuple[Client, Client, Dispatcher]) -> None:
    ann, eve, hooks = three
    id_ = eve.create(resource="tenant/evil/sidedrawer")
    event = hooks.publish("tenant/acme/sidedrawer/s1/record/r1", "update").id
    for answers in (
        {eve.ask("GET", f"/webhooks/{id_}/deliveries/{e}/attempts") for e in (event, NOBODY, "x")},
        {eve.ask("GET", f"/webhooks/{id_}/explain", query=f"event={e}") for e in (event, NOBODY)},
        {eve.ask("POST", f"/webhooks/{id_}/replay", {"eventId": e}) for e in (event, NOBODY, "x")},
    ):
        assert [answer.status for answer in answers] == [404]
    with pytest.raises(LookupError):
        hooks.deliveries(event=event, actor="eve")


def test_nobody_is_asked_to_say_who_they_are(
    three: tuple[Client, Client, Dispatcher],
) -> None:
    nobody = Client(three[0].api, None)
    answer = nobody.ask("GET", "/webhooks")
    assert answer.status == 401
    assert header(answer, "www-authenticate") == "Bearer"
    assert answer == three[0].api.unauthenticated()


def test_the_host_says_who_asks_or_is_a_notebook() -> None:
    for settings, fine in (
        ({}, False),
        ({"authorizer": allow_all}, False),
        ({"dev": True}, False),
        ({"authorizer": allow_all, "dev": True}, True),
    ):
        with serving(**settings) as (api, _):
            api.check_mountable(has_actor=True)
            if fine:
                api.check_mountable(has_actor=False)
                assert Client(api, None).ask("GET", "/webhooks").status == 200
            else:
                with pytest.raises(ConfigurationError, match="actor"):
                    api.check_mountable(has_actor=False)


def test_a_new_owner_of_a_tenant_sees_what_is_there(
    three: tuple[Client, Client, Dispatcher],
) -> None:
    ann, eve, hooks = three
    id_ = ann.create(expirationDateTime="2099-01-01T00:00:00Z")
    hooks.authorizer.tenants["eve"].add("acme")  # type: ignore[attr-defined]
    assert content(eve.ask("GET", f"/webhooks/{id_}"))["owner"] == "ann"
    hooks.renew(id_, timedelta(days=1), actor="eve")
