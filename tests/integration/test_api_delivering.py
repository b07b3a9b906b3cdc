"""The API beside a dispatcher that delivers: what owners see of it, keys that change over."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from acme import PATH, RECORDS, Make
from asking import Client, Members, content
from seen import wait_until

from webhooksub import Dispatcher, VerificationError, Verifier
from webhooksub.api import SubscriptionApi
from webhooksub.testing import Receiver

KEY = "k" * 32
SLOW = {"retry_steps_ms": (600_000,)}


@pytest.fixture
def started(url: str, make: Make) -> Iterator[Callable[..., Any]]:
    """A dispatcher that delivers, and ann's client of its API."""

    def start(**settings: Any) -> tuple[Client, Dispatcher]:
        hooks = make(url, **({"authorizer": Members()} | settings)).start()
        return Client(SubscriptionApi(hooks), "ann"), hooks

    yield start


def subscribe(ann: Client, url: str, **changes: Any) -> str:
    return ann.create(notificationUrl=url, resource=RECORDS, **changes)


def why(ann: Client, id_: str, **facts: str) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in facts.items())
    found: dict[str, Any] = content(ann.ask("GET", f"/webhooks/{id_}/explain", query=query))
    return found


def test_a_subscription_of_the_api_is_delivered_to_and_tested(
    started: Callable[..., Any], receiver: Receiver
) -> None:
    ann, hooks = started()
    id_ = subscribe(ann, receiver.url("/hook"))
    assert content(ann.ask("POST", f"/webhooks/{id_}/test")) == {"result": "delivered"}
    event = hooks.publish(PATH, "update", {"n": 1})
    assert hooks.flush(timeout=10).delivered == 1
    listed = content(ann.ask("GET", f"/webhooks/{id_}/deliveries"))
    [row] = listed["data"]
    assert (row["eventId"], row["state"], row["attempts"]) == (event.id, "delivered", 1)
    assert (row["outcome"], row["httpStatus"]) == ("delivered", 200)
    assert listed["totalCount"] == 1
    attempts = content(ann.ask("GET", f"/webhooks/{id_}/deliveries/{event.id}/attempts"))
    assert attempts["data"] == []
    replayed = ann.ask("POST", f"/webhooks/{id_}/replay", {"eventId": event.id})
    assert content(replayed, 202) == {"replayed": 1}
    assert hooks.flush(timeout=10).delivered == 1
    assert len(receiver.requests) == 3


def test_an_endpoint_that_refuses_is_told_with_its_status(
    started: Callable[..., Any], receiver: Receiver
) -> None:
    ann, hooks = started(config=SLOW)
    receiver.answer(401, body=b"SECRET words of the endpoint")
    id_ = subscribe(ann, receiver.url("/hook"))
    assert content(ann.ask("POST", f"/webhooks/{id_}/test")) == {"result": "refused"}
    event = hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    found = why(ann, id_, event=event.id)
    assert found["reason"].startswith("1 attempt, the last one answered 401; the next one is due")
    assert (found["hears"], found["code"]) == (True, "waiting")
    assert (found["attempts"], found["httpStatus"]) == (1, 401)
    assert found["until"].endswith("Z")
    lately = why(ann, id_, path=PATH, action="update")
    assert (lately["code"], lately["httpStatus"]) == ("hears", 401)
    answer = ann.ask("GET", f"/webhooks/{id_}/deliveries/{event.id}/attempts")
    [attempt] = content(answer)["data"]
    assert (attempt["n"], attempt["outcome"], attempt["httpStatus"]) == (1, "refused", 401)
    assert b"SECRET" not in answer.body
    assert b"127.0.0.1" not in answer.body


def test_what_cannot_be_reached_is_told_without_saying_why(
    started: Callable[..., Any], receiver: Receiver
) -> None:
    """A closed port, a name that is none and a forbidden address look the same."""
    ann, hooks = started(config=SLOW)
    receiver.close()
    seen = []
    for url in (
        receiver.url("/hook"),
        "https://localhost.invalid/hook",
        "https://10.0.0.1.nip.io/",
    ):
        id_ = subscribe(ann, url)
        event = hooks.publish(PATH, "update")
        hooks.flush(timeout=20)
        found = why(ann, id_, event=event.id)
        [row] = content(ann.ask("GET", f"/webhooks/{id_}/deliveries"))["data"]
        path = f"/webhooks/{id_}/deliveries/{event.id}/attempts"
        [attempt] = content(ann.ask("GET", path))["data"]
        for moment in ("eventId", "updatedAt", "nextAttemptAt"):
            row.pop(moment)
        attempt.pop("startedAt")
        reason = found["reason"].partition(";")[0]
        seen.append((found["code"], reason, row, attempt))
        ann.ask("DELETE", f"/webhooks/{id_}")
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][1] == "1 attempt, the last one had no answer"
    assert "durationMs" not in seen[0][2]


def test_a_host_that_does_not_answer_holds_its_deliveries_up(
    started: Callable[..., Any], receiver: Receiver
) -> None:
    ann, hooks = started(config=SLOW | {"breaker_failures": 1, "breaker_open_ms": 60_000})
    receiver.close()
    id_ = subscribe(ann, receiver.url("/hook"))
    hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    event = hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    found = why(ann, id_, event=event.id)
    assert found["code"] == "breaker_open"
    assert found["reason"].startswith("its host does not answer: nothing is sent there before")
    assert found["until"].endswith("Z")
    assert why(ann, id_, path=PATH, action="update")["code"] == "breaker_open"


def test_each_reason_to_hear_nothing_has_its_code(
    started: Callable[..., Any], receiver: Receiver
) -> None:
    ann, hooks = started(config={"retry_max_retries": 0})
    early = hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    id_ = subscribe(ann, receiver.url("/hook"), modificationType="update")
    assert why(ann, id_, event=early.id)["code"] == "created_later"
    assert why(ann, id_, path=PATH, action="delete")["code"] == "not_covered"
    elsewhere = "tenant/globex/sidedrawer/s1/record/r1"
    assert why(ann, id_, path=elsewhere, action="update")["code"] == "not_covered"
    ann.ask("POST", f"/webhooks/{id_}/pause")
    paused = why(ann, id_, path=PATH, action="update")
    assert (paused["hears"], paused["code"], paused["reason"]) == (
        False,
        "paused",
        "the subscription is paused",
    )
    missed = hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    assert why(ann, id_, event=missed.id)["code"] == "paused"
    ann.ask("POST", f"/webhooks/{id_}/resume")
    assert why(ann, id_, event=missed.id)["code"] == "missed"
    assert why(ann, id_, path=PATH, action="update")["code"] == "hears"
    receiver.answer(503)
    dead = hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    given_up = why(ann, id_, event=dead.id)
    assert given_up["reason"] == "given up: 1 attempt, the last one answered 503"
    receiver.answer(410)
    hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    gone = why(ann, id_, path=PATH, action="update")
    assert gone["code"] == "disabled"
    assert gone["reason"] == "the subscription is disabled: the endpoint answered 410 Gone"


def test_an_event_that_nobody_delivers_yet_is_queued(
    started: Callable[..., Any], make: Make
) -> None:
    hooks = make("memory://", authorizer=Members())
    ann = Client(SubscriptionApi(hooks), "ann")
    id_ = ann.create()
    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        event = hooks.publish(PATH, "update")
    assert why(ann, id_, event=event.id)["code"] == "queued"


def test_both_keys_sign_until_the_old_one_ends(
    started: Callable[..., Any], receiver: Receiver
) -> None:
    moved = [0]
    now = Dispatcher.in_memory(authorizer=Members()).clock
    ann, hooks = started(clock=lambda: now() + moved[0])
    id_ = subscribe(ann, receiver.url("/hook"))
    body = {"overlapSeconds": 3_600}
    new = content(ann.ask("POST", f"/webhooks/{id_}/rotate-secret", body))["integrityKey"]

    def sent() -> Any:
        before = len(receiver.requests)
        hooks.publish(PATH, "update")
        receiver.wait_for(before + 1)
        return receiver.requests[-1]

    def verifies(key: str, request: Any) -> bool:
        headers = {n: v for n, v in request.headers.items() if n.lower() != "integrityhash"}
        try:
            Verifier(key).verify(request.body, headers.items())
        except VerificationError:
            return False
        return True

    both = sent()
    assert both.headers["webhook-signature"].count("v1,") == 2
    assert verifies(KEY, both) and verifies(new, both)
    Verifier(new).verify(both.body, both.headers.items())
    old_hash = hmac.new(KEY.encode(), both.body, hashlib.sha256).hexdigest()
    assert both.headers["integrityHash"] != old_hash
    moved[0] = 3_600_001
    assert wait_until(lambda: verifies(new, last := sent()) and not verifies(KEY, last))
    assert receiver.requests[-1].headers["webhook-signature"].count("v1,") == 1
