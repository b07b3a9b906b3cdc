"""What every request must be, whatever it asks for: methods, bodies, parameters, limits."""

import json
from collections.abc import Iterator

import pytest
from asking import DOCUMENT, Client, Clock, content, header, mistakes, serving

from webhooksub import StoreUnavailable
from webhooksub.api import MAX_BODY, OPERATIONS, ApiRequest
from webhooksub.api.limits import ACTORS_MAX, RequestLimit
from webhooksub.errors import LimitReached


@pytest.fixture
def ann() -> Iterator[Client]:
    with serving() as (api, _):
        yield Client(api, "ann", "/api")


def test_each_operation_has_its_own_name_and_place() -> None:
    assert len({o.operation_id for o in OPERATIONS}) == len(OPERATIONS)
    assert len({(o.method, o.path) for o in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("path", ["", "/", "webhooks", "/webhooks/", "/webhooks/a/b", "/x", "//"])
def test_a_path_that_is_none_is_not_found(ann: Client, path: str) -> None:
    assert ann.ask("GET", path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/webhooks", "GET, HEAD, POST"),
        ("POST", "/webhooks/x", "DELETE, GET, HEAD, PATCH, PUT"),
        ("DELETE", "/webhooks/resources", "GET, HEAD"),
        ("GET", "/webhooks/x/pause", "POST"),
        ("TRACE", "/webhooks/x/explain", "GET, HEAD"),
        ("get", "/webhooks", "GET, HEAD, POST"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("PUT", "/docs", "GET, HEAD"),
    ],
)
def test_another_method_hears_which_are_offered(
    ann: Client, method: str, path: str, allowed: str
) -> None:
    answer = ann.ask(method, path)
    assert answer.status == 405
    assert header(answer, "allow") == allowed


def test_a_head_is_a_get_without_its_body(ann: Client) -> None:
    got, headed = ann.ask("GET", "/webhooks"), ann.ask("HEAD", "/webhooks")
    assert (headed.status, headed.headers, headed.body) == (200, got.headers, b"")
    assert ann.ask("HEAD", "/webhooks/x").body == b""


def test_a_body_has_a_limit(ann: Client) -> None:
    text = json.dumps(DOCUMENT).encode()
    filled = text + b" " * (MAX_BODY - len(text))
    kind = "application/json"
    assert ann.ask("POST", "/webhooks", filled, content_type=kind).status == 201
    answer = ann.ask("POST", "/webhooks", filled + b" ", content_type=kind)
    assert answer.status == 413


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 201),
        ("Application/JSON", 201),
        ("application/json; charset=utf-8", 201),
        ('application/json;charset="UTF-8"', 201),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/merge-patch+json", 415),
        ("", 415),
    ],
)
def test_a_body_is_json_and_says_so(ann: Client, kind: str, status: int) -> None:
    answer = ann.ask("POST", "/webhooks", json.dumps(DOCUMENT).encode(), content_type=kind)
    assert answer.status == status
    if status == 415:
        assert header(answer, "accept-post") == "application/json"


def test_a_packed_body_is_not_unpacked(ann: Client) -> None:
    answer = ann.ask("POST", "/webhooks", DOCUMENT, content_encoding="gzip")
    assert answer.status == 415


def test_a_body_where_none_belongs_is_a_mistake(ann: Client) -> None:
    id_ = ann.create()
    assert mistakes(ann.ask("POST", f"/webhooks/{id_}/pause", {})) == [("", "unexpected")]
    assert mistakes(ann.ask("GET", "/webhooks", b"x")) == [("", "unexpected")]


def test_parameters_are_known_and_occur_once(ann: Client) -> None:
    for query, found in (
        ("stauts=active", [("stauts", "unknown")]),
        ("status=active&status=paused", [("status", "duplicate")]),
        ("status=&limit=", [("status", "empty"), ("limit", "empty")]),
        ("status=dead", [("status", "enum")]),
        ("limit=x", [("limit", "type")]),
        ("limit=-1", [("limit", "type")]),
        ("limit=٣", [("limit", "type")]),
        ("limit=0", [("limit", "range")]),
        ("limit=101", [("limit", "range")]),
        ("limit=9999999999", [("limit", "type")]),
        ("cursor=x", [("cursor", "unknown")]),
        ("cursor=" + "A" * 23, [("cursor", "unknown")]),
        ("%ff=1", [("", "format")]),
        ("resource=%ff", [("", "format")]),
        ("&".join(f"a{n}=1" for n in range(65)), [("", "format")]),
    ):
        assert mistakes(ann.ask("GET", "/webhooks", query=query)) == found, query


def test_an_explanation_needs_a_change_or_an_event(ann: Client) -> None:
    id_ = ann.create()
    path = f"/webhooks/{id_}/explain"
    assert mistakes(ann.ask("GET", path)) == [("path", "required"), ("action", "required")]
    for query, found in (
        ("path=tenant/acme/sidedrawer/s1&action=any", [("action", "enum")]),
        ("path=nonsense&action=update", [("path", "unknown")]),
        ("path=tenant/acme/sidedrawer/{sidedrawerId}&action=update", [("path", "format")]),
    ):
        answer = ann.ask("GET", path, query=query)
        assert [m[0] for m in mistakes(answer)] == [found[0][0]], query


def test_a_replay_says_what(ann: Client) -> None:
    path = f"/webhooks/{ann.create()}/replay"
    both = {"eventId": "x", "since": "2026-01-01T00:00:00Z"}
    for body, found in (
        ({}, [("", "required")]),
        ({"eventId": None}, [("", "required")]),
        ({"since": "yesterday"}, [("since", "format")]),
        ({"since": "2026-01-01"}, [("since", "format")]),
        ({"since": "2026-01-01T00:00:00"}, [("since", "format")]),
        ({"since": 5, "until": True}, [("since", "type"), ("until", "type")]),
        (both, [("eventId", "conflict")]),
        ({"since": "2026-01-01T00:00:00Z", "all": 1}, [("all", "unknown")]),
    ):
        assert mistakes(ann.ask("POST", path, body)) == found, body
    since = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00+02:00"}
    assert content(ann.ask("POST", path, since), 202) == {"replayed": 0}


# --- limits --------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}"])
def test_a_root_has_a_limit_of_subscriptions(
    url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = url.format(tmp_path_factory.mktemp("store") / "hooks.db")
    with serving(url=url, config={"subscriptions_per_root_max": 2}) as (api, _):
        bob = Client(api, "bob")
        first = bob.create()
        bob.create()
        answer = bob.ask("POST", "/webhooks", DOCUMENT)
        assert answer.status == 429
        assert header(answer, "retry-after") == "60"
        assert "subscriptions_per_root_max" in content(answer, 429)["detail"]
        elsewhere = bob.create(resource="tenant/globex/sidedrawer")
        moved = bob.ask("PATCH", f"/webhooks/{elsewhere}", {"resource": "tenant/acme/sidedrawer"})
        assert moved.status == 429
        assert bob.ask("PATCH", f"/webhooks/{first}", {"maxRetries": 1}).status == 200
        bob.ask("DELETE", f"/webhooks/{first}")
        assert bob.ask("POST", "/webhooks", DOCUMENT).status == 201


def test_a_subscription_lives_no_longer_than_the_service_allows() -> None:
    day = 86_400_000
    with serving(clock=Clock(), config={"max_lifetime_ms": day}) as (api, _):
        ann = Client(api, "ann")
        longest = DOCUMENT | {"expirationDateTime": "2027-01-16T08:00:00Z"}
        id_ = content(ann.ask("POST", "/webhooks", longest), 201)["id"]
        refused = [("expirationDateTime", "range")]
        assert mistakes(ann.ask("POST", "/webhooks", DOCUMENT)) == refused
        renewal = {"expirationDateTime": "2027-01-16T08:00:00.001Z"}
        assert mistakes(ann.ask("POST", f"/webhooks/{id_}/renew", renewal)) == refused


def test_an_actor_asks_so_often_in_a_minute() -> None:
    clock = Clock()
    with serving(clock=clock, config={"requests_per_minute_max": 60}) as (api, _):
        ann, eve = Client(api, "ann"), Client(api, "eve")
        assert [ann.ask("GET", "/webhooks").status for _ in range(61)] == [200] * 60 + [429]
        refused = ann.ask("GET", "/webhooks")
        assert header(refused, "retry-after") == "1"
        assert "requests_per_minute_max" in content(refused, 429)["detail"]
        assert eve.ask("GET", "/webhooks").status == 200
        clock.advance(2_000)
        assert [ann.ask("GET", "/webhooks").status for _ in range(3)] == [200, 200, 429]


def test_actors_that_are_remembered_are_counted() -> None:
    clock = Clock()
    limit = RequestLimit(1, clock)
    for n in range(ACTORS_MAX + 1):
        limit.take(str(n))
    limit.take("0")
    with pytest.raises(LimitReached) as caught:
        limit.take(str(ACTORS_MAX))
    assert caught.value.retry_after_s == 60


# --- what is not the client's doing ------------------------------------------------------


def test_a_store_that_does_not_answer_is_said_without_its_words(
    ann: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise StoreUnavailable("disk /var/lib/secret is full")

    monkeypatch.setattr(ann.api._hooks._store, "count_subscriptions", fail)
    answer = ann.ask("GET", "/webhooks")
    assert answer.status == 500
    assert header(answer, "retry-after") == "5"
    assert b"secret" not in answer.body
    assert "secret" in caplog.text


def test_a_defect_is_logged_and_answered(
    ann: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("the host's authorizer is broken")

    monkeypatch.setattr(ann.api._hooks.authorizer, "roots", fail)
    answer = ann.ask("GET", "/webhooks")
    assert content(answer, 500)["detail"] == "the service has a defect; its operator can see which"
    assert "the host's authorizer is broken" in caplog.text


def test_a_closed_dispatcher_answers_that_it_cannot() -> None:
    with serving() as (api, hooks):
        hooks.close()
        answer = Client(api, "ann").ask("POST", "/webhooks", DOCUMENT)
    assert answer.status == 500


def test_the_query_is_looked_at_raw(ann: Client) -> None:
    id_ = ann.create(resource="tenant/acme/sidedrawer")
    request = ApiRequest(
        "GET", "/webhooks", "resource=tenant%2Facme%2Fsidedrawer&limit=1", {}, b"", "ann"
    )
    [found] = content(ann.api.answer(request))["data"]
    assert found["id"] == id_
