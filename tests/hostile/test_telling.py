"""What a tenant is told of a failure: one word, whatever is behind it."""

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import trustme
from acme import PATH, RECORDS, Make
from evil import Behaviour, Evil, Peer, context_of

from webhooksub import Dispatcher, Outcome, Subscription, SubscriptionStatus
from webhooksub.api import ApiRequest, SubscriptionApi

pytestmark = pytest.mark.hostile("S")

Serve = Callable[..., Evil]

# Numbers that differ from one subscription to the next, whatever became of it.
PASSING = re.compile(r'"[0-9a-f]{8}-[0-9a-f-]{27}"|"\d{4}-\d\d-\d\dT[^"]*"|https://[^"]*')


def says_nothing(peer: Peer) -> None:
    peer.read_request()
    peer.wait()


def ends(peer: Peer) -> None:
    peer.read_request()


def resets(peer: Peer) -> None:
    peer.reset()


def babbles(peer: Peer) -> None:
    peer.send(b"\0\1\2 what is this\r\n\r\n")
    peer.wait(1)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Places:
    """URLs that lead to nothing, each in its own way."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    def forbidden(self) -> str:
        return f"https://localhost:{self._server(ends).port}/"

    def closed(self) -> str:
        return f"https://localhost:{closed_port()}/"

    def unknown_name(self) -> str:
        return "https://no-such-name.invalid/"

    def connects_and_is_silent(self) -> str:
        return self._server(says_nothing, plain=True).url()

    def speaks_no_tls(self) -> str:
        return self._server(babbles, plain=True).url()

    def has_a_strange_certificate(self) -> str:
        leaf = trustme.CA().issue_cert("localhost")
        tls = context_of(leaf.private_key_and_cert_chain_pem.bytes())
        return self._server(ends, tls=tls).url()

    def speaks_old_tls(self) -> str:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        return self._server(ends, tls=tls).url()

    def never_answers(self) -> str:
        return self._server(says_nothing).url()

    def ends_without_an_answer(self) -> str:
        return self._server(ends).url()

    def resets_the_connection(self) -> str:
        return self._server(resets).url()

    def answers_no_http(self) -> str:
        return self._server(babbles).url()

    def _server(self, behave: Behaviour, **settings: Any) -> Evil:
        return self._serve(behave, **settings)


WAYS = [name for name in vars(Places) if not name.startswith("_")]
SECONDS = {"connect_timeout_ms": 400, "total_timeout_ms": 600}
# Where it matters which of the two ends an attempt, or that neither does.
MORE_SECONDS = {"connect_timeout_ms": 3_000, "total_timeout_ms": 4_000}


@pytest.fixture
def places(serve: Serve) -> Places:
    return Places(serve)


def told(hooks: Dispatcher, method: str, path: str) -> str:
    """An answer of the API to a tenant, without what passes."""
    answer = SubscriptionApi(hooks).answer(ApiRequest(method, path, "", {}, b"", "tenant"))
    assert answer.status == 200
    return PASSING.sub("*", answer.body.decode())


def deliver_to(hooks: Dispatcher, url: str) -> tuple[str, str]:
    """Ids of a subscription and of the event that it did not get. The value is made as if for
    development, because what is forbidden there must be forbidden at the connection as well."""
    value = Subscription(
        resource=RECORDS,
        modification_type="any",
        notification_url=url,
        expires="2099-01-01T00:00:00Z",
        max_retries=0,
        dev=True,
    )
    info = hooks.subscribe(value)
    event = hooks.publish(PATH, "update")
    assert hooks.flush(timeout=20).complete
    return info.id, event.id


def everything_told(hooks: Dispatcher, url: str) -> dict[str, str]:
    id_, event = deliver_to(hooks, url)
    one = f"/webhooks/{id_}"
    return {
        "deliveries": told(hooks, "GET", f"{one}/deliveries"),
        "attempts": told(hooks, "GET", f"{one}/deliveries/{event}/attempts"),
        "test": told(hooks, "POST", f"{one}/test"),
        "subscription": told(hooks, "GET", one),
        "explanation": hooks.explain(PATH, "update", subscription=id_, event=event)[0].reason,
    }


@pytest.fixture
def reference(make: Make, places: Places) -> Iterator[dict[str, str]]:
    """What is told where a port is closed."""
    yield everything_told(make(config=SECONDS), places.closed())


@pytest.mark.parametrize("way", WAYS)
def test_no_failure_can_be_told_from_another(
    way: str, reference: dict[str, str], make: Make, places: Places
) -> None:
    hooks = make(config=SECONDS, dev=way != "forbidden")
    url = getattr(places, way)()
    assert everything_told(hooks, url) == reference
    assert '"outcome":"unreachable"' in reference["deliveries"].replace(" ", "")
    assert json.loads(reference["test"]) == {"result": "unreachable"}
    assert "durationMs" not in "".join(reference.values())


def test_the_operator_is_told_which_it_was(make: Make, places: Places) -> None:
    outcomes = {}
    for way in WAYS:
        hooks = make(config=MORE_SECONDS, dev=way != "forbidden")
        id_, event = deliver_to(hooks, getattr(places, way)())
        [delivery] = hooks.deliveries(event=event, subscription=id_)
        [attempt] = hooks.attempts(event, id_)
        assert delivery.outcome is attempt.outcome
        assert (delivery.public, attempt.public) == ("unreachable", "unreachable")
        outcomes[way] = delivery.outcome
    assert outcomes == {
        "forbidden": Outcome.BLOCKED_ADDRESS,
        "closed": Outcome.CONNECT_ERROR,
        "unknown_name": Outcome.DNS_ERROR,
        "connects_and_is_silent": Outcome.CONNECT_TIMEOUT,
        "speaks_no_tls": Outcome.TLS_HANDSHAKE,
        "has_a_strange_certificate": Outcome.TLS_CERTIFICATE,
        "speaks_old_tls": Outcome.TLS_HANDSHAKE,
        "never_answers": Outcome.TIMEOUT,
        "ends_without_an_answer": Outcome.UNKNOWN,
        "resets_the_connection": Outcome.UNKNOWN,
        "answers_no_http": Outcome.PROTOCOL_ERROR,
    }


@pytest.mark.parametrize("handshake", ["graph", "cloudevents"])
def test_a_handshake_tells_no_more(handshake: str, make: Make, places: Places) -> None:
    settings = SECONDS | {"handshake": handshake, "handshake_origin": "hooks.acme.example"}
    hooks, reasons = make(config=settings), set()
    for way in WAYS:
        if way == "forbidden":
            continue
        url = getattr(places, way)()
        info = hooks.subscribe(RECORDS, "any", url, expires=timedelta(days=1))
        assert info.status is SubscriptionStatus.PENDING
        reasons.add(info.status_reason)
    assert reasons == {"the URL does not agree: it cannot be reached"}


def test_a_subscription_that_was_disabled_tells_no_more(make: Make, places: Places) -> None:
    told_of = set()
    for way in ("closed", "has_a_strange_certificate", "never_answers"):
        hooks = make(config=SECONDS | {"disable_after_ms": 1, "retry_steps_ms": (20,)})
        url = getattr(places, way)()
        info = hooks.subscribe(RECORDS, "any", url, expires=timedelta(days=1), max_retries=9)
        hooks.publish(PATH, "update")
        hooks.flush(timeout=20)
        while hooks.subscription(info.id).status is not SubscriptionStatus.DISABLED:
            hooks.publish(PATH, "update")
            hooks.flush(timeout=20)
        told_of.add(told(hooks, "GET", f"/webhooks/{info.id}"))
    [one] = told_of
    assert "the endpoint could not be reached" in one


def test_an_answer_is_told_with_its_status(make: Make, serve: Serve) -> None:
    def refuses(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 418 No\r\nContent-Length: 6\r\n\r\nsecret")

    hooks = make(config=MORE_SECONDS)
    shown = everything_told(hooks, serve(refuses).url())
    [delivery] = json.loads(shown["deliveries"].replace("*", '"*"'))["data"]
    assert (delivery["outcome"], delivery["httpStatus"]) == ("refused", 418)
    assert "secret" not in "".join(shown.values())
    assert "127.0.0.1" not in "".join(shown.values())
