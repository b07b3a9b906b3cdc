"""Answers that ask for more: another request, another place, a memory of them; and endings."""

import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from acme import PATH, RECORDS, Make
from evil import Behaviour, Evil, Peer, agree, listen
from seen import wait_until

from webhooksub import Delivery, DeliveryState, Outcome

pytestmark = pytest.mark.hostile("E")

Serve = Callable[..., Evil]
Deliver = Callable[..., Delivery]

DAY = timedelta(days=1)
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"


def says(*pieces: bytes) -> Behaviour:
    """Reads a request, sends this, hangs up."""

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)

    return behave


# --- Framing that no two readers agree about. ---

SUCCESS, PROTOCOL, UNKNOWN = Outcome.SUCCESS, Outcome.PROTOCOL_ERROR, Outcome.UNKNOWN

FRAMING = {
    "a list of equal lengths": (OK + b"Content-Length: 2, 2\r\n\r\nab", {SUCCESS, PROTOCOL}),
    "a list of other lengths": (OK + b"Content-Length: 2, 3\r\n\r\nab", {SUCCESS, PROTOCOL}),
    "a signed length": (OK + b"Content-Length: +2\r\n\r\nab", {SUCCESS, PROTOCOL}),
    "a hex length": (OK + b"Content-Length: 0x2\r\n\r\nab", {SUCCESS, PROTOCOL}),
    "chunked twice": (
        OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        {SUCCESS, PROTOCOL},
    ),
    "chunked, not last": (
        OK + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        {SUCCESS, PROTOCOL, UNKNOWN},
    ),
    "an unknown coding": (
        OK + b"Transfer-Encoding: xchunked\r\n\r\nab",
        {SUCCESS, PROTOCOL, UNKNOWN},
    ),
    "a coding by a tab": (OK + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", {SUCCESS}),
    "a space before the colon": (OK + b"Content-Length : 2\r\n\r\nab", {SUCCESS, PROTOCOL}),
    "a field without a name": (OK + b": x\r\n" + EMPTY, {SUCCESS, PROTOCOL}),
    "folded at once": (OK + b" folded: x\r\n" + EMPTY, {SUCCESS, PROTOCOL, UNKNOWN}),
    "a folded length": (OK + b"Content-Length:\r\n 2\r\n\r\nab", {SUCCESS, PROTOCOL}),
    "8 bits": (OK + b"X-\xff\xfe: \x80\x90\r\n" + EMPTY, {SUCCESS, PROTOCOL}),
    "a bare CR": (OK + b"A: b\rContent-Length: 5\r\n" + EMPTY, {SUCCESS, PROTOCOL}),
    "a NUL in a name": (OK + b"A\0B: c\r\n" + EMPTY, {PROTOCOL}),
    "a NUL in the status": (b"HTTP/1.1 200 O\0K\r\n" + EMPTY, {PROTOCOL}),
    "a blank line first": (b"\r\n" + OK + EMPTY, {PROTOCOL}),
    "a status of two digits": (b"HTTP/1.1 20 OK\r\n" + EMPTY, {PROTOCOL}),
    "a status with a sign": (b"HTTP/1.1 +20 OK\r\n" + EMPTY, {PROTOCOL}),
    "a request for an answer": (b"POST / HTTP/1.1\r\n" + EMPTY, {PROTOCOL}),
    "TLS in TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 4, {PROTOCOL, UNKNOWN}),
    "HTTP/2 frames": (b"\0\0\x12\x04\0\0\0\0\0" * 4, {PROTOCOL, UNKNOWN}),
}


@pytest.mark.parametrize("name", FRAMING)
def test_an_answer_of_doubtful_framing_is_one_request_and_no_crash(
    name: str, make: Make, serve: Serve, deliver: Deliver
) -> None:
    """libcurl's generations read some of them differently; none is asked again by itself."""
    answer, outcomes = FRAMING[name]
    endpoint = serve(says(answer))
    delivery = deliver(make(config={"total_timeout_ms": 3_000}), endpoint.url())
    assert delivery.outcome in outcomes
    assert (len(endpoint.requests), endpoint.connections, delivery.attempts) == (1, 1, 1)


def test_a_head_that_goes_on_with_the_answer_before_is_read_alone(
    make: Make, serve: Serve, deliver: Deliver
) -> None:
    """Its first field begins like the rest of a folded one, and there was a field before: what a
    libcurl before 8.1.1 did with that is seen by a sanitizer (``make asan-python``)."""

    fields = iter((b"X-Before: x\r\n", b" folded: y\r\n"))

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK, next(fields), EMPTY)

    endpoint = serve(behave)
    hooks = make()
    first = deliver(hooks, endpoint.url())
    assert first.outcome is SUCCESS
    hooks.unsubscribe(first.subscription_id)
    second = deliver(hooks, endpoint.url())
    assert second.outcome in {SUCCESS, PROTOCOL, UNKNOWN}
    assert len(endpoint.requests) == 2


# --- Answers that ask for another request. ---

AGAIN = {
    "Basic": b"401 No\r\nWWW-Authenticate: Basic realm=x",
    "Digest": b'401 No\r\nWWW-Authenticate: Digest realm="x", nonce="y"',
    "Negotiate": b"401 No\r\nWWW-Authenticate: Negotiate",
    "NTLM": b"401 No\r\nWWW-Authenticate: NTLM",
    "Bearer": b"401 No\r\nWWW-Authenticate: Bearer",
    "a proxy's": b"407 No\r\nProxy-Authenticate: Basic realm=x",
    "408": b"408 Late",
    "417": b"417 No",
    "421": b"421 Misdirected",
    "425": b"425 Early",
    "426": b"426 Upgrade\r\nUpgrade: h2c\r\nConnection: Upgrade",
    "429": b"429 Slow\r\nRetry-After: 0",
    "503": b"503 Busy\r\nRetry-After: 0",
    "a refresh": b"200 OK\r\nRefresh: 0; url=/again",
    "a location": b"201 Made\r\nLocation: /again",
}


@pytest.mark.parametrize("name", AGAIN)
def test_no_answer_makes_a_second_request(
    name: str, make: Make, serve: Serve, deliver: Deliver
) -> None:
    """Also on a connection that is kept for more."""

    def behave(peer: Peer) -> None:
        while peer.read_request():
            peer.send(b"HTTP/1.1 " + AGAIN[name] + b"\r\n" + EMPTY)

    endpoint = serve(behave)
    hooks = make()
    for _ in range(2):
        before = len(endpoint.requests)
        delivery = deliver(hooks, endpoint.url())
        assert delivery.http_status == int(AGAIN[name][:3])
        hooks.unsubscribe(delivery.subscription_id)
        time.sleep(0.1)
        assert len(endpoint.requests) == before + 1
    assert {request.headers["authorization"] for request in endpoint.requests} == {None}


def test_nothing_of_an_answer_is_remembered_for_the_next(make: Make, serve: Serve) -> None:
    """No cookie, no other place by Alt-Svc, no policy: tenants share the engine."""
    elsewhere = serve(listen, plain=True)

    def behave(peer: Peer) -> None:
        while peer.read_request():
            peer.send(
                OK,
                b"Set-Cookie: tenant=acme; Path=/\r\n",
                b"Set-Cookie: other=1; Domain=localhost\r\n",
                f'Alt-Svc: http/1.1="localhost:{elsewhere.port}"; ma=3600\r\n'.encode(),
                b"Strict-Transport-Security: max-age=1000; includeSubDomains\r\n",
                b"Clear-Site-Data: *\r\n",
                EMPTY,
            )

    endpoint = serve(behave)
    hooks = make()
    for path in ("/one", "/two"):
        hooks.subscribe(RECORDS, "update", endpoint.url(path), expires=DAY, max_retries=0)
    for n in range(3):
        hooks.publish(PATH, "update", {"n": n})
        assert hooks.flush(timeout=10).delivered == 2
    names = {"content-type", "user-agent", "webhook-id", "webhook-timestamp", "host", "accept"}
    names |= {"content-length"}
    assert {n.lower() for r in endpoint.requests for n in r.headers} == names
    assert (elsewhere.connections, elsewhere.received) == (0, 0)


# --- Endings. ---


def half_closes(peer: Peer) -> None:
    peer.read_request()
    peer.socket.shutdown(socket.SHUT_WR)
    peer.wait()


def says_goodbye_and_stays(peer: Peer) -> None:
    peer.read_request()
    peer.say_goodbye()
    peer.wait()


def half_closes_before_it_reads(peer: Peer) -> None:
    peer.socket.shutdown(socket.SHUT_WR)
    peer.wait()


@pytest.mark.parametrize(
    "behave", [half_closes, says_goodbye_and_stays, half_closes_before_it_reads]
)
def test_an_end_of_one_direction_is_an_end(
    behave: Behaviour, make: Make, serve: Serve, deliver: Deliver
) -> None:
    """Nothing can come any more: it is not waited for."""
    endpoint = serve(behave)
    delivery = deliver(make(config={"total_timeout_ms": 20_000}), endpoint.url())
    assert delivery.outcome is Outcome.UNKNOWN
    assert (delivery.duration_ms or 0) < 10_000


def test_an_answer_before_the_request_counts_for_no_request(
    make: Make, serve: Serve, deliver: Deliver
) -> None:
    """It was sent before anybody asked: whatever becomes of it, there is one POST at most."""

    def behave(peer: Peer) -> None:
        peer.send(OK + EMPTY)
        peer.read_request()
        peer.wait(0.2)

    endpoint = serve(behave)
    delivery = deliver(make(), endpoint.url())
    assert delivery.attempts == 1
    assert len(endpoint.requests) <= 1


# --- Endpoints that come and go. ---


def test_one_that_alternates_is_delivered_to_and_stops_no_sibling(make: Make, serve: Serve) -> None:
    """A status says something of one subscription, nothing of its host."""
    turns: dict[str, int] = {}

    def behave(peer: Peer) -> None:
        while request := peer.read_request():
            turns[request.id] = turns.get(request.id, 0) + 1
            bad = " /shaky " in request.line and turns[request.id] == 1
            peer.send(b"HTTP/1.1 %s\r\n" % (b"503 Busy" if bad else b"200 OK") + EMPTY)

    endpoint = serve(behave)
    hooks = make(config={"retry_steps_ms": (50,), "breaker_failures": 2, "breaker_open_ms": 60_000})
    for path in ("/shaky", "/steady"):
        hooks.subscribe(RECORDS, "update", endpoint.url(path), expires=DAY)
    for n in range(10):
        hooks.publish(PATH, "update", {"n": n})
    assert wait_until(
        lambda: [d.state for d in hooks.deliveries()] == [DeliveryState.DELIVERED] * 20
    )
    assert hooks.stats()["origins_blocked"] == 0
    shaky = [r for r in endpoint.requests if " /shaky " in r.line]
    assert sorted(turns[r.id] for r in shaky) == [2] * 20


def test_one_that_comes_back_is_tried_by_one_request_and_then_by_all(
    make: Make, serve: Serve
) -> None:
    """While it is away it is left alone, but for a probe now and then."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    hooks = make(
        config={
            "retry_steps_ms": (100,),
            "breaker_failures": 3,
            "breaker_open_ms": 400,
            "in_flight_per_origin": 8,
        }
    )
    url = f"https://localhost:{port}/"
    hooks.subscribe(RECORDS, "update", url, expires=DAY, max_retries=100)
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(30)])
    assert wait_until(lambda: hooks.stats()["origins_blocked"] == 1)
    at_once: list[int] = []
    under_way = threading.Semaphore(0)
    lock, now = threading.Lock(), [0]

    def behave(peer: Peer) -> None:
        while peer.read_request():
            with lock:
                now[0] += 1
                at_once.append(now[0])
            under_way.release()
            peer.wait(0.05)
            with lock:
                now[0] -= 1
            peer.send(OK + EMPTY)

    endpoint = serve(behave, port=port)
    assert wait_until(
        lambda: [d.state for d in hooks.deliveries()] == [DeliveryState.DELIVERED] * 30, 30
    )
    assert at_once[0] == 1, "the first is a probe, alone"
    assert max(at_once) <= 8
    assert len({request.id for request in endpoint.requests}) == 30
    assert hooks.stats()["origins_blocked"] == 0


def test_agreeing_endpoints_are_told_nothing_more(make: Make, serve: Serve) -> None:
    """The control: a request for each event, and its fields."""
    endpoint, hooks = serve(agree), make()
    fields: dict[str, Any] = {"expires": DAY, "integrity_key": "k" * 32}
    hooks.subscribe(RECORDS, "update", endpoint.url(), **fields)
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 1
    [request] = endpoint.requests
    assert request.headers["host"] == f"localhost:{endpoint.port}"
    assert {name.lower() for name in request.headers} == {
        "host",
        "accept",
        "content-type",
        "content-length",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "integrityhash",
    }


def test_each_header_has_a_line_of_its_own_and_none_comes_twice(make: Make, serve: Serve) -> None:
    """Byte by byte: ours first, then what the subscription wants, also instead of libcurl's."""
    heads: list[bytes] = []

    def behave(peer: Peer) -> None:
        heads.append(peer.read_head())
        peer.send(OK + EMPTY)
        peer.wait()

    endpoint, hooks = serve(behave), make(config={"traceparent": True})
    theirs = {"Accept": "text/plain; q=1", "X-Empty": "", "X-Mine": "a;b: c,"}
    plain = {"expires": DAY, "integrity_key": "k" * 32}
    hooks.subscribe(RECORDS, "update", endpoint.url("/a"), delivery={"headers": theirs}, **plain)
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 1
    lines = heads[0].decode().removesuffix("\r\n\r\n").split("\r\n")
    names = [line.split(":")[0] for line in lines[1:]]
    ours = ["Content-Type", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature"]
    ours += ["integrityHash", "traceparent"]
    assert lines[0] == "POST /a HTTP/1.1"
    assert names == ["Host", *ours, *theirs, "Content-Length"]
    assert lines[-4:-1] == ["Accept: text/plain; q=1", "X-Empty:", "X-Mine: a;b: c,"]
    assert lines[2] == "Content-Type: application/json"
