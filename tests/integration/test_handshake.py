"""A URL is asked before it is sent to, in one of two ways; until it agrees it is pending."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from acme import PATH, RECORDS, Make
from evil import Evil, Peer

from webhooksub import ConfigurationError, Dispatcher, SubscriptionInfo, SubscriptionStatus
from webhooksub.handshake import keep_allowed, limit, split_allowed

ME = "hooks.acme.example"
PENDING, ACTIVE = SubscriptionStatus.PENDING, SubscriptionStatus.ACTIVE
Say = Callable[[Any], bytes]


def answer(head: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def token_of(request: Any) -> str:
    [token] = parse_qs(urlsplit(request.line.split()[1]).query)["validationToken"]
    return token


def echo(request: Any) -> bytes:
    return answer("200 OK\r\nContent-Type: text/plain; charset=utf-8", token_of(request))


def allow(origin: str, rate: str | None = None) -> Say:
    more = "" if rate is None else f"\r\nWebHook-Allowed-Rate: {rate}"
    return lambda request: answer(f"200 OK\r\nWebHook-Allowed-Origin: {origin}{more}")


class Endpoint:
    """Answers a question by `say`, and takes every notification."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.server = Evil(self._behave)

    def _behave(self, peer: Peer) -> None:
        while request := peer.read_request():
            asked = request.line.startswith("OPTIONS") or "validationToken" in request.line
            peer.send(self.say(request) if asked else answer("204 No Content"))

    def lines(self) -> list[str]:
        return [request.line for request in self.server.requests]


@pytest.fixture
def endpoint() -> Any:
    one = Endpoint(echo)
    yield one
    one.server.close()


def graph(make: Make, **settings: Any) -> Dispatcher:
    return make(config={"handshake": "graph"} | settings).start()


def cloudevents(make: Make, url: str = "memory://") -> Dispatcher:
    config = {"handshake": "cloudevents", "handshake_origin": ME}
    return make(url, config=config).start()


def add(hooks: Dispatcher, url: str, **fields: Any) -> SubscriptionInfo:
    return hooks.subscribe(RECORDS, "any", url, expires=timedelta(days=1), **fields)


def test_graph_a_url_that_echoes_the_token_becomes_active_and_hears(
    make: Make, endpoint: Endpoint
) -> None:
    hooks = graph(make)
    info = add(hooks, endpoint.server.url("/hook?tenant=1"))
    assert (info.status, info.status_reason) == (ACTIVE, None)
    [asked] = endpoint.server.requests
    assert asked.line.startswith("POST /hook?tenant=1&validationToken=")
    assert asked.headers["content-type"] == "text/plain; charset=utf-8"
    assert asked.body == b""
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 1
    assert endpoint.lines()[1] == "POST /hook?tenant=1 HTTP/1.1"


WRONG: dict[str, Say] = {
    "another token": lambda r: answer("200 OK\r\nContent-Type: text/plain", "x" * 43),
    "more than the token": lambda r: answer(
        "200 OK\r\nContent-Type: text/plain", token_of(r) + "!"
    ),
    "another type": lambda r: answer("200 OK\r\nContent-Type: text/html", token_of(r)),
    "no type": lambda r: answer("200 OK", token_of(r)),
    "another status": lambda r: answer("202 OK\r\nContent-Type: text/plain", token_of(r)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_graph_another_answer_leaves_it_pending_and_unheard(
    make: Make, endpoint: Endpoint, wrong: str
) -> None:
    endpoint.say = WRONG[wrong]
    hooks = graph(make)
    info = add(hooks, endpoint.server.url())
    assert info.status is PENDING
    assert "answered something else" in str(info.status_reason)
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 0
    assert len(endpoint.server.requests) == 1
    endpoint.say = echo
    assert hooks.resume(info.id).status is ACTIVE


def test_pausing_and_resuming_leads_nobody_around_it(make: Make, endpoint: Endpoint) -> None:
    endpoint.say = WRONG["another token"]
    hooks = graph(make)
    info = add(hooks, endpoint.server.url())
    hooks.pause(info.id)
    assert hooks.resume(info.id).status is PENDING
    assert hooks.renew(info.id, timedelta(days=2)).status is PENDING


def test_another_url_has_to_agree_anew_and_another_date_has_not(
    make: Make, endpoint: Endpoint
) -> None:
    hooks = graph(make)
    info = add(hooks, endpoint.server.url("/one"))
    assert hooks.renew(info.id, timedelta(days=2)).status is ACTIVE
    assert len(endpoint.server.requests) == 1
    endpoint.say = WRONG["another token"]
    moved = hooks.update(info.id, notification_url=endpoint.server.url("/two"))
    assert moved.status is PENDING
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 0
    assert [line.split("?")[0] for line in endpoint.lines()] == ["POST /one", "POST /two"]


@pytest.mark.parametrize("origin", [ME, ME.upper(), "*"])
def test_cloudevents_a_url_that_allows_our_origin_becomes_active(
    make: Make, endpoint: Endpoint, origin: str
) -> None:
    endpoint.say = allow(origin)
    assert add(cloudevents(make), endpoint.server.url("/x")).status is ACTIVE
    [asked] = endpoint.server.requests
    assert asked.line == "OPTIONS /x HTTP/1.1"
    assert asked.headers["webhook-request-origin"] == ME


@pytest.mark.parametrize("origin", ["other.example", f"{ME}.evil.example", ""])
def test_cloudevents_no_consent_is_read_from_a_status(
    make: Make, endpoint: Endpoint, origin: str
) -> None:
    endpoint.say = allow(origin)
    assert add(cloudevents(make), endpoint.server.url()).status is PENDING


def test_cloudevents_notifications_name_the_origin_that_was_allowed(
    make: Make, endpoint: Endpoint
) -> None:
    endpoint.say = allow(ME)
    hooks = cloudevents(make)
    info = add(hooks, endpoint.server.url(), integrity_key="k" * 32)
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 1
    assert hooks.send_test(info.id).public == "delivered"
    assert [r.headers.get_all("webhook-request-origin") for r in endpoint.server.requests] == [
        [ME]
    ] * 3


def test_graph_notifications_name_no_origin(make: Make, endpoint: Endpoint) -> None:
    hooks = graph(make)
    add(hooks, endpoint.server.url())
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 1
    assert {r.headers["webhook-request-origin"] for r in endpoint.server.requests} == {None}


@pytest.mark.parametrize("store", ["", "memory://"])
def test_cloudevents_no_more_is_sent_than_the_url_allows(
    make: Make, endpoint: Endpoint, store: str
) -> None:
    """120 in a minute are two in a second, of which two may come at once."""
    endpoint.say = allow("*", "120")
    hooks = cloudevents(make, store)
    info = add(hooks, endpoint.server.url())
    assert info.allowed_per_minute == 120
    began = time.monotonic()
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(5)])
    endpoint.server.wait_for(6, timeout=20)
    assert time.monotonic() - began > 1.4


def test_cloudevents_what_was_allowed_is_kept_as_long_as_the_url(
    make: Make, endpoint: Endpoint
) -> None:
    endpoint.say = allow("*", "60")
    hooks = cloudevents(make, "")
    own = {"ratePerSecond": 0.5, "headers": {"X-Mine": "1"}}
    info = add(hooks, endpoint.server.url(), delivery=own)
    hooks.close()
    hooks = cloudevents(make, "")
    info = hooks.renew(info.id, timedelta(days=2))
    assert info.allowed_per_minute == 60
    assert info.subscription is not None
    assert info.subscription.delivery == own, "it is not the owner's word"
    info = hooks.update(info.id, delivery={})
    assert (info.allowed_per_minute, info.subscription.delivery) == (60, {})
    endpoint.say = allow("*", "*")
    info = hooks.update(info.id, notification_url=endpoint.server.url("/other"))
    assert (info.status, info.allowed_per_minute) == (ACTIVE, None)


@pytest.mark.parametrize(
    ("own", "allowed", "rate"),
    [
        ({}, 60, 1.0),
        ({}, 1, 0.016666),
        ({}, 100, 1.666666),
        ({}, 999_999_999, 1_000.0),
        ({"ratePerSecond": 0.5}, 60, 0.5),
        ({"ratePerSecond": 5}, 60, 1.0),
    ],
)
def test_the_smaller_of_both_rates_is_kept(own: dict[str, Any], allowed: int, rate: float) -> None:
    options = json.dumps(own)
    kept = keep_allowed(options, allowed)
    assert json.loads(limit(kept)) == {"ratePerSecond": rate}
    assert json.loads(split_allowed(kept)[0]) == own
    assert limit(options) == options


@pytest.mark.parametrize("rate", ["0", "-1", "1.5", "60 per minute", "many", "9" * 10, "\xb2"])
def test_cloudevents_a_rate_that_is_none_is_no_consent(
    make: Make, endpoint: Endpoint, rate: str
) -> None:
    endpoint.say = allow("*", rate)
    assert add(cloudevents(make), endpoint.server.url()).status is PENDING


def test_one_that_cannot_be_reached_is_told_no_more_than_that(make: Make) -> None:
    with Evil(lambda peer: None) as gone:
        url = gone.url()
        hooks = graph(make)
        info = add(hooks, url)
    assert info.status is PENDING
    assert info.status_reason == "the URL does not agree: it cannot be reached"


def test_a_publisher_asks_too_and_off_asks_nobody(make: Make, endpoint: Endpoint) -> None:
    assert add(make("memory://"), endpoint.server.url()).status is ACTIVE
    assert endpoint.server.requests == []
    publisher = make("memory://", config={"handshake": "graph"})
    assert add(publisher, endpoint.server.url()).status is ACTIVE
    assert len(endpoint.server.requests) == 1


@pytest.mark.parametrize(
    "origin", [None, "me example", "me\r\nX-Evil: 1", "a" * 254, "\xe9.example"]
)
def test_cloudevents_without_our_own_name_is_refused(make: Make, origin: str | None) -> None:
    config = {"handshake": "cloudevents"} | ({} if origin is None else {"handshake_origin": origin})
    with pytest.raises(ConfigurationError, match="handshake_origin"):
        make("memory://", config=config)
