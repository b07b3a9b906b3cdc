"""Subscriptions through the API: written, read, changed, ended."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import DOCUMENT, NOBODY, Client, Clock, content, header, mistakes, serving

from webhooksub import Dispatcher, SubscriptionStatus
from webhooksub.events import Outcome
from webhooksub.store.base import Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "memory"])
def both(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Iterator[tuple[Client, Dispatcher]]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'hooks.db'}"
    with serving(url=url, clock=clock) as (api, hooks):
        yield Client(api, "ann", "/api"), hooks


@pytest.fixture
def ann(both: tuple[Client, Dispatcher]) -> Client:
    return both[0]


def store_of(hooks: Dispatcher) -> Store:
    return hooks._store


def test_what_is_created_is_answered_and_found(ann: Client) -> None:
    answer = ann.ask("POST", "/webhooks", DOCUMENT | {"maxRetries": 0, "brandCode": "b"})
    made = content(answer, 201)
    assert made.pop("warnings") == ["maxRetries 0: one attempt only"]
    assert header(answer, "location") == f"/api/webhooks/{made['id']}"
    read = ann.ask("GET", f"/webhooks/{made['id']}")
    assert content(read) == made
    assert header(read, "etag") == header(answer, "etag")
    assert header(read, "cache-control") == "no-store"
    assert (made["owner"], made["status"], made["hasIntegrityKey"]) == ("ann", "active", True)
    assert "integrityKey" not in made
    assert made["expirationDateTime"] == "2099-07-07T14:40:40-03:00"


def test_every_mistake_comes_at_once(ann: Client) -> None:
    sample = {
        "modificationType": "Create",
        "notificationUrl": "string",
        "resource": "tenant/{tenantId}/sidedrawer",
        "expirationDateTime": "2029-07-07T14:40:40-03:00",
        "often": True,
    }
    answer = ann.ask("POST", "/webhooks", sample)
    assert sorted(mistakes(answer)) == [
        ("notificationUrl", "scheme"),
        ("often", "unknown"),
        ("resource", "unbound"),
    ]
    assert header(answer, "content-type") == "application/problem+json"


def test_what_was_read_is_put_back_and_the_key_still_works(
    both: tuple[Client, Dispatcher],
) -> None:
    ann, hooks = both
    id_ = ann.create(delivery={"headers": {"X-A": "b"}, "ratePerSecond": 5})
    read = ann.ask("GET", f"/webhooks/{id_}")
    put = content(ann.ask("PUT", f"/webhooks/{id_}", content(read)))
    assert put.pop("warnings") == []
    assert put == content(read)
    [record] = store_of(hooks).subscriptions(roots=None)
    assert record.keys == (b"k" * 32,)


def test_a_disabled_one_is_put_back_with_its_reason(both: tuple[Client, Dispatcher]) -> None:
    ann, hooks = both
    id_ = ann.create()
    [record] = store_of(hooks).subscriptions(roots=None)
    for outcome, told in (
        (Outcome.GONE, "the endpoint answered 410 Gone"),
        (Outcome.HTTP_ERROR, "the endpoint answered nothing but errors"),
        (Outcome.BLOCKED_ADDRESS, "the endpoint could not be reached"),
        (Outcome.CONNECT_ERROR, "the endpoint could not be reached"),
    ):
        changes = {
            "status": int(SubscriptionStatus.DISABLED),
            "status_reason": outcome.name.lower(),
        }
        store_of(hooks).update_subscription(record.id, changes)
        read = content(ann.ask("GET", f"/webhooks/{id_}"))
        assert (read["status"], read["statusReason"]) == ("disabled", told)
        assert content(ann.ask("PUT", f"/webhooks/{id_}", read))["status"] == "disabled"


def test_what_the_service_made_is_not_changed_by_a_put(ann: Client) -> None:
    id_ = ann.create()
    read = content(ann.ask("GET", f"/webhooks/{id_}"))
    answer = ann.ask("PUT", f"/webhooks/{id_}", read | {"owner": "eve", "status": "paused"})
    assert sorted(mistakes(answer)) == [("owner", "read_only"), ("status", "read_only")]


def test_a_patch_changes_what_it_names_and_takes_away_by_null(ann: Client) -> None:
    id_ = ann.create(brandCode="b", delivery={"headers": {"X-A": "1", "X-B": "2"}})
    patch = {"brandCode": None, "maxRetries": 3, "delivery": {"headers": {"X-A": None, "X-C": "3"}}}
    for kind in ("application/json", "application/merge-patch+json"):
        answer = ann.ask("PATCH", f"/webhooks/{id_}", json.dumps(patch).encode(), content_type=kind)
        changed = content(answer)
        assert "brandCode" not in changed
        assert changed["maxRetries"] == 3
        assert changed["delivery"] == {"headers": {"X-B": "2", "X-C": "3"}}
        assert changed["hasIntegrityKey"]


@pytest.mark.parametrize("cleared", [None, ""])
def test_a_patch_clears_the_key_by_null_and_by_nothing(ann: Client, cleared: str | None) -> None:
    id_ = ann.create()
    changed = content(ann.ask("PATCH", f"/webhooks/{id_}", {"integrityKey": cleared}))
    assert not changed["hasIntegrityKey"]


def test_a_patch_is_as_strict_as_a_document(ann: Client) -> None:
    id_ = ann.create()
    for body, found in (
        (b'{"maxRetries": 1, "maxRetries": 2}', [("", "json")]),
        (b"[]", [("", "type")]),
        (b"", [("", "json")]),
        (b'{"maxRetries": 1e999}', [("", "json")]),
        (b"[" * 200 + b"]" * 200, [("", "json")]),
        (b'{"often": 1, "id": "x"}', [("id", "read_only"), ("often", "unknown")]),
        (b'{"brandCode": "\\ud800"}', [("", "json")]),
        (b'{"status": "paused"}', [("status", "read_only")]),
    ):
        answer = ann.ask("PATCH", f"/webhooks/{id_}", body, content_type="application/json")
        assert sorted(mistakes(answer)) == found, body


def test_it_is_paused_and_resumed(ann: Client) -> None:
    id_ = ann.create()
    assert content(ann.ask("POST", f"/webhooks/{id_}/pause"))["status"] == "paused"
    assert content(ann.ask("POST", f"/webhooks/{id_}/resume"))["status"] == "active"


def test_it_is_renewed_also_after_it_expired(ann: Client, clock: Clock) -> None:
    id_ = ann.create(expirationDateTime="2027-02-01T00:00:00Z")
    clock.advance(30 * 86_400_000)
    assert content(ann.ask("GET", f"/webhooks/{id_}"))["status"] == "expired"
    path = f"/webhooks/{id_}/renew"
    renewed = content(ann.ask("POST", path, {"expirationDateTime": "2099-01-01T00:00:00+02:00"}))
    assert renewed["status"] == "active"
    assert renewed["expirationDateTime"] == "2099-01-01T00:00:00+02:00"
    past = ann.ask("POST", path, {"expirationDateTime": "2001-01-01T00:00:00Z"})
    assert mistakes(past) == [("expirationDateTime", "range")]
    assert mistakes(ann.ask("POST", path, {"expires": 1})) == [
        ("expirationDateTime", "required"),
        ("expires", "unknown"),
    ]


def test_what_was_deleted_is_not_there(ann: Client) -> None:
    id_ = ann.create()
    answer = ann.ask("DELETE", f"/webhooks/{id_}")
    assert (answer.status, answer.body) == (204, b"")
    assert ann.ask("GET", f"/webhooks/{id_}") == ann.ask("GET", f"/webhooks/{NOBODY}")
    assert ann.ask("DELETE", f"/webhooks/{id_}").status == 404


# --- If-Match ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "action", "body"),
    [
        ("PUT", "", DOCUMENT),
        ("PATCH", "", {"maxRetries": 1}),
        ("DELETE", "", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/renew", {"expirationDateTime": "2099-01-01T00:00:00Z"}),
        ("POST", "/rotate-secret", None),
    ],
)
def test_a_change_of_what_was_changed_since_is_refused(
    ann: Client, method: str, action: str, body: object
) -> None:
    id_ = ann.create()
    old = header(ann.ask("GET", f"/webhooks/{id_}"), "etag")
    changed = ann.ask("PATCH", f"/webhooks/{id_}", {"brandCode": "new"}, if_match=old)
    new = header(changed, "etag")
    assert content(changed)["brandCode"] == "new"
    path, sent = f"/webhooks/{id_}{action}", b"" if body is None else body
    for stale in (old, f"W/{new}", '"other"', ""):
        assert ann.ask(method, path, sent, if_match=stale).status == 412, stale
    assert ann.ask(method, path, sent, if_match=f"{old}, {new}").status in (200, 204)


def test_any_revision_will_do_for_a_star(ann: Client) -> None:
    id_ = ann.create()
    assert ann.ask("POST", f"/webhooks/{id_}/pause", if_match="*").status == 200
    assert ann.ask("DELETE", f"/webhooks/{id_}", if_match="*").status == 204
    assert ann.ask("DELETE", f"/webhooks/{id_}", if_match="*").status == 404


def test_a_tag_changes_when_the_subscription_expires(ann: Client, clock: Clock) -> None:
    id_ = ann.create(expirationDateTime="2027-02-01T00:00:00Z")
    before = header(ann.ask("GET", f"/webhooks/{id_}"), "etag")
    clock.advance(30 * 86_400_000)
    assert header(ann.ask("GET", f"/webhooks/{id_}"), "etag") != before


# --- Idempotency-Key ---------------------------------------------------------------------


def test_a_creation_asked_for_twice_is_one(both: tuple[Client, Dispatcher]) -> None:
    ann, _ = both
    answers = [ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a-1") for _ in range(3)]
    quoted = ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key='"a-1"')
    assert {content(a, 201)["id"] for a in [*answers, quoted]} == {content(answers[0], 201)["id"]}
    assert content(ann.ask("GET", "/webhooks"))["totalCount"] == 1
    other = ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a-2")
    assert content(other, 201)["id"] != content(quoted, 201)["id"]


def test_a_key_that_meant_something_else_is_a_conflict(ann: Client) -> None:
    id_ = content(ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a"), 201)["id"]
    for changed in ({"maxRetries": 1}, {"integrityKey": "z" * 32}, {"integrityKey": ""}):
        answer = ann.ask("POST", "/webhooks", DOCUMENT | changed, idempotency_key="a")
        assert answer.status == 409, changed
    ann.ask("DELETE", f"/webhooks/{id_}")
    assert ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a").status == 409


def test_a_key_is_its_owner_s_alone(both: tuple[Client, Dispatcher]) -> None:
    ann, _ = both
    bob = Client(ann.api, "bob")
    first = content(ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a"), 201)
    second = content(bob.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a"), 201)
    assert (first["owner"], second["owner"]) == ("ann", "bob")


def test_a_key_is_forgotten_after_its_time(ann: Client, clock: Clock) -> None:
    first = content(ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a"), 201)
    clock.advance(86_400_000)
    second = content(ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a"), 201)
    assert first["id"] != second["id"]
    third = content(ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key="a"), 201)
    assert second["id"] == third["id"]


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "ä", "a\tb"])
def test_an_unfit_key_is_a_mistake(ann: Client, key: str) -> None:
    answer = ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key=key)
    assert mistakes(answer) == [("Idempotency-Key", "format")]


# --- secrets -----------------------------------------------------------------------------


def test_a_rotated_key_is_shown_once_and_the_old_one_lives_on(
    both: tuple[Client, Dispatcher], clock: Clock
) -> None:
    ann, hooks = both
    id_ = ann.create()
    answer = ann.ask("POST", f"/webhooks/{id_}/rotate-secret", {"overlapSeconds": 60})
    shown = content(answer)
    assert shown["integrityKey"].startswith("whsec_")
    assert shown["oldKeyUntil"] == "2027-01-15T08:01:00.000Z"
    read = ann.ask("GET", f"/webhooks/{id_}")
    assert shown["integrityKey"] not in read.body.decode()
    assert header(read, "etag") == header(answer, "etag")
    [record] = store_of(hooks).subscriptions(roots=None)
    assert record.keys[1:] == (b"k" * 32,)
    assert record.keys_until == clock.now + 60_000
    clock.advance(60_000)
    [record] = store_of(hooks).subscriptions(roots=None)
    assert len(record.keys) == 1
    assert record.keys_until is None


def test_a_key_of_one_s_own_is_not_shown_again(ann: Client) -> None:
    id_ = ann.create(integrityKey="")
    body = {"integrityKey": "z" * 32, "overlapSeconds": 0}
    answer = ann.ask("POST", f"/webhooks/{id_}/rotate-secret", body)
    assert content(answer) == {"oldKeyUntil": None}
    assert content(ann.ask("GET", f"/webhooks/{id_}"))["hasIntegrityKey"]


def test_too_many_keys_in_force_are_refused_until_one_ends(ann: Client, clock: Clock) -> None:
    path = f"/webhooks/{ann.create()}/rotate-secret"
    for _ in range(9):
        assert ann.ask("POST", path, {"overlapSeconds": 60}).status == 200
    assert ann.ask("POST", path, {"overlapSeconds": 60}).status == 429
    clock.advance(60_000)
    assert ann.ask("POST", path, {"overlapSeconds": 60}).status == 200


def test_a_whole_number_may_be_written_with_a_fraction_of_nothing(ann: Client) -> None:
    path = f"/webhooks/{ann.create()}/rotate-secret"
    assert ann.ask("POST", path, {"overlapSeconds": 60.0}).status == 200
    assert mistakes(ann.ask("POST", path, {"overlapSeconds": 60.5})) == [("overlapSeconds", "type")]


def test_a_wrong_rotation_names_its_mistakes_without_the_key(ann: Client) -> None:
    path = f"/webhooks/{ann.create()}/rotate-secret"
    answer = ann.ask("POST", path, {"integrityKey": 7, "overlapSeconds": -1, "x": 1})
    assert mistakes(answer) == [
        ("integrityKey", "type"),
        ("overlapSeconds", "range"),
        ("x", "unknown"),
    ]
    canary = "CANARY" * 60
    answer = ann.ask("POST", path, {"integrityKey": canary})
    assert mistakes(answer) == [("integrityKey", "format")]
    assert b"CANARY" not in answer.body


# --- what there is to subscribe to ---------------------------------------------------------


def test_the_catalog_tells_what_each_resource_hears(ann: Client) -> None:
    listed = content(ann.ask("GET", "/webhooks/resources"))
    assert (listed["totalCount"], listed["hasMore"], listed["nextPage"]) == (13, False, None)
    rows = {row["resource"]: row for row in listed["data"]}
    plan = rows["tenant/{tenantId}/sidedrawer/{sidedrawerId}/plan-request/{planRequestId}"]
    assert plan["modificationTypes"] == ["any", "create", "update", "delete"]
    assert [covered["modificationTypes"] for covered in plan["covers"]] == [
        ["create", "update", "delete"],
        ["update"],
    ]
    licenses = rows["subscription/{subscriptionid}/license"]
    assert licenses["modificationTypes"] == ["any", "create", "update"]
