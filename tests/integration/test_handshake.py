"""A URL is asked before it is sent to, in one of two ways; until it agrees it is pending."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from acme import PATH, RECORDS, Make
from evil import Evil, Peer

from webhooksub import ConfigurationError, Dispatcher, SubscriptionInfo, SubscriptionStatus

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


def allow(origin: str) -> Say:
    return lambda request: answer(f"200 OK\r\nWebHook-Allowed-Origin: {origin}")


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


def cloudevents(make: Make) -> Dispatcher:
    config = {"handshake": "cloudevents", "handshake_origin": ME}
    return make("memory://", config=config).start()


def add(hooks: Dispatcher, url: str) -> SubscriptionInfo:
    return hooks.subscribe(RECORDS, "any", url, expires=timedelta(days=1))


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


def test_cloudevents_without_our_own_name_is_refused(make: Make) -> None:
    with pytest.raises(ConfigurationError, match="handshake_origin"):
        make("memory://", config={"handshake": "cloudevents"})
