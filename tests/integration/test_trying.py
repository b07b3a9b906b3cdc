"""A test notification: what arrives, what is told of it, and that nothing is kept."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from acme import KEY, RECORDS, Make
from redisd import free_port

import webhooksub
from webhooksub import (
    ALL,
    Closed,
    Dispatcher,
    NotFound,
    Outcome,
    SubscriptionInfo,
    ValidationError,
    Verifier,
)
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]


def nothing_is_kept(hooks: Dispatcher) -> bool:
    stats = hooks.stats()
    return stats["outbox"] == stats["waiting"] == stats["dead"] == 0 and not hooks.deliveries()


def test_a_subscription_gets_it_in_its_own_words_and_signed(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    info = subscribe(
        hooks, brand_code="b", action="update", delivery={"headers": {"X-Mine": "yes"}}
    )
    result = hooks.send_test(info.id)
    assert (result.outcome, result.http_status, result.public) == (
        Outcome.SUCCESS,
        200,
        "delivered",
    )
    assert result.address == "127.0.0.1"
    assert 0 <= result.duration_ms < 3_000
    [request] = receiver.requests
    [notification] = Verifier(KEY, require_standard=True).verify(
        request.body, list(request.headers.items())
    )
    assert notification.data == {"test": True}
    assert notification.subscription_id == info.id
    assert notification.resource == notification.resource_path == RECORDS
    assert (notification.modification_type, notification.brand_code) == ("update", "b")
    assert notification.id == request.headers["webhook-id"]
    assert request.headers["X-Mine"] == "yes"
    assert request.headers["integrityHash"]
    assert nothing_is_kept(hooks)


def test_it_is_an_array_where_batches_are_sent_and_bare_without_a_key(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    batch = {"maxNotifications": 10, "maxBytes": 100_000, "lingerMs": 10}
    info = subscribe(hooks, delivery={"batch": batch}, integrity_key=None)
    assert hooks.send_test(info.id).public == "delivered"
    [request] = receiver.requests
    assert [item["data"] for item in json.loads(request.body)] == [{"test": True}]
    assert "webhook-signature" not in request.headers
    assert "integrityHash" not in request.headers


def test_a_publisher_and_a_url_without_subscription_will_do(make: Make, receiver: Receiver) -> None:
    publisher = make()
    for _ in range(2):
        assert publisher.send_test(receiver.url("/new")).public == "delivered"
    first, second = receiver.requests
    assert json.loads(first.body)["data"] == {"test": True}
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    assert not publisher.stats()["delivering"]
    assert nothing_is_kept(publisher)


def test_many_at_once_are_all_answered(hooks: Dispatcher, receiver: Receiver) -> None:
    with ThreadPoolExecutor(24) as pool:
        results = list(pool.map(hooks.send_test, [receiver.url()] * 48))
    assert [result.public for result in results] == ["delivered"] * 48
    assert len(receiver.requests) == 48


@pytest.mark.parametrize("status", [301, 400, 404, 410, 429, 500])
def test_an_answer_that_is_no_2xx_is_refused_and_disables_nobody(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe, status: int
) -> None:
    receiver.answer(status)
    info = subscribe(hooks)
    result = hooks.send_test(info.id)
    assert (result.http_status, result.public) == (status, "refused")
    assert hooks.subscription(info.id).status.name == "ACTIVE"
    assert nothing_is_kept(hooks)


def test_no_answer_and_a_forbidden_address_look_the_same_to_the_public(
    make: Make, receiver: Receiver
) -> None:
    hooks = make("memory://", config={"total_timeout_ms": 3_000}).start()
    nobody = hooks.send_test(f"https://localhost:{free_port()}/")
    receiver.answer(200, delay=10)
    late = hooks.send_test(receiver.url())
    # A subscription of a time when loopback was open.
    value = webhooksub.Subscription(
        resource=RECORDS,
        modification_type="any",
        notification_url=receiver.url(),
        expires="2099-01-01T00:00:00Z",
        dev=True,
    )
    strict = make("memory://", dev=False, ca_pem=receiver.ca_pem).start()
    forbidden = strict.send_test(strict.subscribe(value).id)
    outcomes = [nobody.outcome, late.outcome, forbidden.outcome]
    assert outcomes == [Outcome.CONNECT_ERROR, Outcome.TIMEOUT, Outcome.BLOCKED_ADDRESS]
    assert {result.public for result in (nobody, late, forbidden)} == {"unreachable"}
    assert forbidden.address is None


@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "https://a b/", "://"])
def test_a_url_that_could_not_be_subscribed_is_refused(make: Make, url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make("memory://", dev=False).send_test(url)
    assert {error.field for error in caught.value.errors} == {"url"}


class ReadsOnly:
    def allows(self, actor: Any, root: tuple[str, str], operation: str) -> bool:
        return operation in ("create", "read") or bool(actor == "owner")

    def roots(self, actor: Any) -> Any:
        return ALL

    def owner_id(self, actor: Any) -> str:
        return str(actor)

    def still_allowed(self, owner_id: str, root: tuple[str, str]) -> bool:
        return True


def test_only_who_may_change_a_subscription_may_send_to_it(make: Make, receiver: Receiver) -> None:
    hooks = make("memory://", authorizer=ReadsOnly()).start()
    info = hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1), actor="owner")
    with pytest.raises(NotFound, match="no such subscription"):
        hooks.send_test(info.id, actor="guest")
    with pytest.raises(NotFound, match="no such subscription"):
        hooks.send_test("nonsense", actor="owner")
    assert receiver.requests == []
    assert hooks.send_test(info.id, actor="owner").public == "delivered"


def test_a_closed_dispatcher_refuses(make: Make, receiver: Receiver) -> None:
    hooks = make("memory://").start()
    hooks.close()
    with pytest.raises(Closed):
        hooks.send_test(receiver.url())
