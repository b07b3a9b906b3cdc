"""What an endpoint may do to us, and what becomes of the attempt: the truth table.

A delivery counts when the complete head of a final 2xx answer has come, whatever becomes of
its body; nothing that an endpoint sends or withholds costs us memory, time without limit, or
a second POST.
"""

import gzip
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from acme import PATH, RECORDS, Make
from evil import Behaviour, Evil, Peer, agree, listen, resident_bytes, trusted_context
from seen import wait_until

from webhooksub import (
    Delivery,
    DeliveryState,
    Outcome,
    SubscriptionStatus,
    ValidationError,
    _core,
)

pytestmark = pytest.mark.hostile("E")

Serve = Callable[..., Evil]
Deliver = Callable[..., Delivery]

OK = b"HTTP/1.1 200 OK\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = 1 << 20
# Many times what is read of an answer, though not so much that a failing test does harm.
FLOOD = 64 * MEGABYTE
BLOCK = bytes(64 * 1024)
LARGE = {"text": "x" * 900_000}


def says(*pieces: bytes) -> Behaviour:
    """Reads a request, sends this, hangs up."""

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)

    return behave


def says_and_waits(*pieces: bytes) -> Behaviour:
    """Reads a request, sends this, and keeps the connection open without a word."""

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)
        peer.wait()

    return behave


def floods(head: bytes, piece: bytes, total: int = FLOOD) -> Behaviour:
    """Reads a request, sends the head, and `piece` over and over."""

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(head)
        peer.flood(piece, total // len(piece))

    return behave


def drips(head: bytes, text: bytes) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(head)
        peer.drip(text, 0.1)

    return behave


def resets(*pieces: bytes) -> Behaviour:
    """Reads a request, sends this, and ends with a RST."""

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)
        # What was sent must have arrived: a RST overtakes it.
        peer.wait(0.1)
        peer.reset()

    return behave


def never_reads(peer: Peer) -> None:
    peer.wait()


def resets_before_reading(peer: Peer) -> None:
    peer.reset()


def resets_while_we_send(peer: Peer) -> None:
    peer.read_some()
    peer.reset()


@dataclass(frozen=True)
class Case:
    """A behaviour, and how its attempt ends; `status` None: no complete head."""

    name: str
    behave: Behaviour
    outcome: Outcome
    status: int | None = None
    data: object = None

    def __str__(self) -> str:
        return self.name


SUCCESS, HTTP_ERROR, REDIRECT = Outcome.SUCCESS, Outcome.HTTP_ERROR, Outcome.REDIRECT
UNKNOWN, TIMEOUT, PROTOCOL = Outcome.UNKNOWN, Outcome.TIMEOUT, Outcome.PROTOCOL_ERROR
# A libcurl before 8.6 calls a line that is too long want of memory.
CURL = tuple(int(n) for n in re.findall(r"\d+", _core.build_info()["curl"])[:3])
TOO_LONG = PROTOCOL if CURL >= (8, 6) else UNKNOWN
# From 8.17 on it refuses an answer with two different lengths before its head is complete, as
# RFC 9112 asks; the head of the others decides, and their connection is not used again.
TWO_LENGTHS = (PROTOCOL, None) if CURL >= (8, 17) else (SUCCESS, 200)

BODIES = [
    Case("no_content", says_and_waits(b"HTTP/1.1 204 No Content\r\n\r\n"), SUCCESS, 204),
    Case("204_with_a_body", says_and_waits(b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1"), SUCCESS, 204),
    Case(
        "a_status_of_999", says(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"), HTTP_ERROR, 999
    ),
    Case("a_body_until_the_end", says(OK + b"\r\nsome"), SUCCESS, 200),
    Case("a_body_cut_short", says(OK + b"Content-Length: 100\r\n\r\nshort"), SUCCESS, 200),
    Case(
        "a_cut_body_of_500", says(b"HTTP/1.1 500 E\r\nContent-Length: 9\r\n\r\nx"), HTTP_ERROR, 500
    ),
    Case("a_bad_chunk", says(CHUNKED + b"zz\r\nabc\r\n"), SUCCESS, 200),
    Case("a_chunk_of_2^64", says(CHUNKED + b"10000000000000000\r\nabc\r\n"), SUCCESS, 200),
    Case("a_negative_chunk", says(CHUNKED + b"-1\r\nabc\r\n"), SUCCESS, 200),
    Case("endless_chunks", floods(CHUNKED, b"10000\r\n" + BLOCK + b"\r\n"), SUCCESS, 200),
    Case("endless_trailers", floods(CHUNKED + b"0\r\n", b"A: b\r\n" * 1_000), SUCCESS, 200),
    Case("10_GB", floods(OK + b"Content-Length: 10737418240\r\n\r\n", BLOCK), SUCCESS, 200),
    Case("a_body_without_end", floods(OK + b"\r\n", BLOCK), SUCCESS, 200),
    Case(
        "two_lengths",
        says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab"),
        *TWO_LENGTHS,
    ),
    Case(
        "a_length_and_chunks",
        says(OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        SUCCESS,
        200,
    ),
    Case("a_length_of_-5", says(OK + b"Content-Length: -5\r\n\r\n"), PROTOCOL),
    Case(
        "a_length_of_30_digits",
        says(OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n"),
        SUCCESS,
        200,
    ),
    Case("a_length_in_words", says(OK + b"Content-Length: many\r\n\r\n"), PROTOCOL),
    Case(
        "a_dripping_body", drips(OK + b"Content-Length: 1000\r\n\r\n", b"x" * 1_000), SUCCESS, 200
    ),
]

HEADS = [
    Case("1xx_then_200", says(b"HTTP/1.1 103 Early\r\n\r\n" * 3 + OK + b"\r\n"), SUCCESS, 200),
    Case("endless_1xx", floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), PROTOCOL),
    Case("1xx_and_no_more", says(b"HTTP/1.1 102 Processing\r\n\r\n"), UNKNOWN),
    Case("101", says_and_waits(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), PROTOCOL),
    Case("endless_fields", floods(OK, b"A: b\r\n" * 1_000), PROTOCOL),
    Case("one_field_without_end", floods(OK + b"A: ", b"b" * 65_536), TOO_LONG),
    Case("a_status_line_without_end", floods(b"HTTP/1.1 200 ", b"O" * 65_536), TOO_LONG),
    Case("a_field_of_1_MB", says(OK + b"A: " + b"b" * MEGABYTE + b"\r\n\r\n"), TOO_LONG),
    Case("1,000_fields", says(OK + b"A: b\r\n" * 1_000 + b"\r\n"), SUCCESS, 200),
    Case("1,001_fields", says(OK + b"A: b\r\n" * 1_001 + b"\r\n"), PROTOCOL),
    Case("30,000_fields", says(OK + b"A: b\r\n" * 30_000 + b"\r\n"), PROTOCOL),
    Case("a_NUL_in_a_field", says(OK + b"A: b\0c\r\nContent-Length: 0\r\n\r\n"), PROTOCOL),
    Case("a_field_without_a_colon", says(OK + b"colonless\r\nContent-Length: 0\r\n\r\n"), PROTOCOL),
    Case("a_folded_field", says(OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n"), SUCCESS, 200),
    Case("lines_without_CR", says(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"), SUCCESS, 200),
    Case("garbage", says(b"\x00\xff\x16\x03 what is this\r\n\r\n"), PROTOCOL),
    Case("HTTP/0.9", says(b"<html>hello</html>"), PROTOCOL),
    Case("HTTP/1.0", says(b"HTTP/1.0 200 OK\r\n\r\nok"), SUCCESS, 200),
    Case("HTTP/1.2", says(b"HTTP/1.2 200 OK\r\n\r\n"), PROTOCOL),
    Case("HTTP/2", says(b"HTTP/2 200 OK\r\n\r\n"), PROTOCOL),
    Case("HTTP/3.7", says(b"HTTP/3.7 200 OK\r\n\r\n"), PROTOCOL),
    Case("a_status_below_100", says(b"HTTP/1.1 099 Odd\r\n\r\n"), PROTOCOL),
    Case("a_status_of_words", says(b"HTTP/1.1 good OK\r\n\r\n"), PROTOCOL),
    Case("a_head_cut_short", says(OK + b"Content-Length: 0\r\n"), UNKNOWN),
    Case("a_cut_status_line", says(b"HTTP/1.1 20"), UNKNOWN),
    Case("a_dripping_head", drips(b"", OK + b"A: " + b"b" * 1_000 + b"\r\n\r\n"), TIMEOUT),
    Case("half_a_head", says_and_waits(OK + b"A: b\r\n"), TIMEOUT),
]

CONNECTIONS = [
    Case("silence", says_and_waits(), TIMEOUT),
    Case("it_never_reads", never_reads, TIMEOUT),
    Case("it_never_reads_a_large_body", never_reads, TIMEOUT, data=LARGE),
    Case("FIN_after_the_request", says(), UNKNOWN),
    Case("RST_after_the_request", resets(), UNKNOWN),
    Case("RST_in_the_head", resets(OK + b"A: "), UNKNOWN),
    Case("RST_in_the_body", resets(OK + b"Content-Length: 100\r\n\r\nab"), SUCCESS, 200),
    Case("RST_in_a_large_request", resets_while_we_send, UNKNOWN, data=LARGE),
]

TABLE = BODIES + HEADS + CONNECTIONS
# These end by the clock, that of the whole attempt: a body has longer.
CLOCK = {"total_timeout_ms": 3_000, "body_timeout_ms": 10_000}
SLOW = {
    "a_dripping_body",
    "a_dripping_head",
    "half_a_head",
    "silence",
    "it_never_reads",
    "it_never_reads_a_large_body",
}


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_an_attempt_ends_as_the_table_says(
    case: Case, make: Make, serve: Serve, deliver: Deliver
) -> None:
    endpoint, is_slow = serve(case.behave), case.name in SLOW
    hooks = make(config=CLOCK if is_slow else {"total_timeout_ms": 5_000})
    before = resident_bytes()
    delivery = deliver(hooks, endpoint.url(), case.data)
    assert (delivery.outcome, delivery.http_status) == (case.outcome, case.status)
    delivered = case.outcome is SUCCESS
    assert delivery.state is (DeliveryState.DELIVERED if delivered else DeliveryState.DEAD)
    assert (delivery.attempts, endpoint.connections) == (1, 1)
    assert len(endpoint.requests) <= 1
    if case.outcome is not TIMEOUT:
        longest = 9_000 if is_slow else 4_500
        assert (delivery.duration_ms or 0) < longest, "it was waited for"
    # Buffers of sockets on both sides, and what the test itself sends.
    assert resident_bytes() - before < 16 * MEGABYTE
    assert endpoint.sent < FLOOD // 2, "it was listened to for too long"
    assert hooks.stats()["in_flight"] == 0


# --- The body, when the head has decided already. ---


@pytest.mark.parametrize("text", [b"5;" + b"a" * 1_000, b"1\r\na\r\n" * 200])
def test_a_body_that_drips_is_not_waited_for_to_the_end(
    text: bytes, make: Make, serve: Serve, deliver: Deliver
) -> None:
    """An endpoint could occupy a place in flight for the whole timeout of each attempt."""
    endpoint = serve(drips(CHUNKED, text))
    delivery = deliver(make(config={"total_timeout_ms": 15_000}), endpoint.url())
    assert (delivery.outcome, delivery.http_status) == (SUCCESS, 200)
    assert 1_000 < (delivery.duration_ms or 0) < 8_000


@pytest.mark.parametrize("frame", [b"Content-Length: 100\r\n\r\nab", b"\r\n"])
def test_silence_after_a_complete_head_frees_the_place_soon(
    frame: bytes, make: Make, serve: Serve
) -> None:
    """It would be held up to the total timeout, by an endpoint that has said all that counts."""
    silent, other = serve(says_and_waits(OK + frame)), serve(agree)
    hooks = make(config={"total_timeout_ms": 60_000, "body_timeout_ms": 500, "in_flight_max": 1})
    for endpoint, action in ((silent, "update"), (other, "delete")):
        hooks.subscribe(RECORDS, action, endpoint.url(), expires=timedelta(days=1))
    event = hooks.publish(PATH, "update")
    silent.wait_for(1)
    hooks.publish(PATH, "delete")
    assert other.wait_for(1, timeout=20)
    assert hooks.flush(timeout=20).complete
    [delivery] = hooks.deliveries(event=event.id)
    assert (delivery.outcome, delivery.http_status) == (SUCCESS, 200)
    assert 450 < (delivery.duration_ms or 0) < 15_000


def test_an_endless_extension_of_a_chunk_costs_no_memory(
    make: Make, serve: Serve, deliver: Deliver
) -> None:
    endpoint = serve(floods(CHUNKED + b"5;", b"a" * 65_536))
    hooks, before = make(config={"total_timeout_ms": 15_000}), resident_bytes()
    assert deliver(hooks, endpoint.url()).outcome is SUCCESS
    assert resident_bytes() - before < 16 * MEGABYTE


def test_a_compressed_bomb_is_kept_as_it_came(make: Make, serve: Serve, deliver: Deliver) -> None:
    bomb = gzip.compress(bytes(64 * MEGABYTE), 9)
    head = b"HTTP/1.1 500 E\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    endpoint = serve(says_and_waits(head + bomb[:60_000], bomb[60_000:]))
    hooks, before = make(), resident_bytes()
    delivery = deliver(hooks, endpoint.url())
    assert (delivery.outcome, delivery.http_status) == (HTTP_ERROR, 500)
    [attempt] = hooks.attempts(delivery.event_id, delivery.subscription_id)
    assert attempt.snippet == bomb[:4_096]
    assert resident_bytes() - before < 16 * MEGABYTE
    assert endpoint.requests[0].headers["accept-encoding"] is None


# --- Answers that do not wait for the request. ---


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", SUCCESS, 200),
        (b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n", HTTP_ERROR, 413),
    ],
)
@pytest.mark.parametrize("ending", ["reads_on", "RST"])
def test_an_answer_before_the_request_was_read_counts(
    answer: bytes,
    outcome: Outcome,
    status: int,
    ending: str,
    make: Make,
    serve: Serve,
    deliver: Deliver,
) -> None:
    def behave(peer: Peer) -> None:
        peer.read_head()
        peer.send(answer)
        if ending == "RST":
            peer.wait(0.3)
            peer.reset()
        while peer.read_some():
            pass

    delivery = deliver(make(), serve(behave).url(), LARGE)
    assert (delivery.outcome, delivery.http_status) == (outcome, status)


def test_a_large_body_is_not_announced_first(make: Make, serve: Serve, deliver: Deliver) -> None:
    """libcurl would ask by ``Expect: 100-continue`` and wait a second for the answer."""
    endpoint = serve(agree)
    assert deliver(make(), endpoint.url(), LARGE).outcome is SUCCESS
    assert endpoint.requests[0].headers["expect"] is None
    assert endpoint.requests[0].headers["content-length"] == str(len(endpoint.requests[0].body))


def test_what_is_still_connecting_when_the_lease_is_over_does_not_leave(
    make: Make, serve: Serve
) -> None:
    """A process that was stopped has its work taken over: resumed, it must not send it as well."""
    shakes_hands = threading.Event()

    def greets_late(peer: Peer) -> None:
        shakes_hands.wait(20)
        with trusted_context().wrap_socket(peer.socket, server_side=True) as peer.socket:
            if peer.read_request():
                peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    endpoint = serve(greets_late, plain=True)
    hooks = make(config={"heartbeat_ms": 20_000, "connect_timeout_ms": 15_000})
    hooks.subscribe(RECORDS, "update", endpoint.url(), expires=timedelta(days=1), max_retries=0)
    event = hooks.publish(PATH, "update", {"n": 1})
    assert wait_until(lambda: endpoint.connections == 1)
    hooks._engine.extend_lease(0)
    shakes_hands.set()
    assert wait_until(lambda: bool(hooks.deliveries(event=event.id)))
    [delivery] = hooks.deliveries(event=event.id)
    assert delivery.state in (DeliveryState.WAITING, DeliveryState.CLAIMED)
    assert (delivery.outcome, delivery.attempts) == (Outcome.SPILLED, 0)
    assert endpoint.requests == []

    hooks._engine.extend_lease(30_000)
    assert wait_until(lambda: hooks.deliveries(event=event.id)[0].state is DeliveryState.DELIVERED)
    assert hooks.deliveries(event=event.id)[0].attempts == 1
    assert len(endpoint.requests) == 1


# --- Connections that are used again. ---

RETRY_SOON = {"retry_steps_ms": (50,)}


def test_a_kept_connection_that_ends_after_the_request_is_one_post_per_attempt(
    make: Make, serve: Serve, deliver: Deliver
) -> None:
    """libcurl would send the request again by itself, and call both one success."""

    def behave(peer: Peer) -> None:
        while request := peer.read_request():
            if peer.number == 1 and len(endpoint.requests) == 2:
                return
            assert request
            peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    endpoint = serve(behave)
    hooks = make(config=RETRY_SOON)
    info = hooks.subscribe(
        RECORDS, "update", endpoint.url(), expires=timedelta(days=1), max_retries=3
    )
    hooks.publish(PATH, "update", {"n": 1})
    assert hooks.flush(timeout=10).delivered == 1
    event = hooks.publish(PATH, "update", {"n": 2})
    first, second, third = endpoint.wait_for(3)
    assert wait_until(lambda: hooks.deliveries(event=event.id)[0].state is DeliveryState.DELIVERED)
    [delivery] = hooks.deliveries(event=event.id)
    tried = hooks.attempts(event.id, info.id)
    assert [a.outcome for a in tried] == [Outcome.RESEND_REFUSED, SUCCESS]
    assert delivery.attempts == 2, "the second POST must be an attempt of its own"
    assert len(endpoint.requests) == 3
    assert first.id != second.id == third.id
    assert second.body == third.body


def answers(peer: Peer) -> None:
    peer.read_request()
    peer.send(NO_CONTENT)


def answers_before_it_has_read(peer: Peer) -> None:
    """So that we were waiting to write, not to read, when all was done."""
    body, length = b"", int(re.findall(rb"(?i)content-length: (\d+)", peer.read_head())[0])
    peer.send(NO_CONTENT)
    peer.wait(0.1)
    while len(body) < length:
        body += peer.read_some()


def hangs_up(peer: Peer) -> None:
    peer.socket.close()


def says_goodbye_and_hangs_up(peer: Peer) -> None:
    peer.say_goodbye()
    peer.socket.close()


@pytest.mark.parametrize("end", [hangs_up, says_goodbye_and_hangs_up, Peer.reset])
@pytest.mark.parametrize("answer", [answers, answers_before_it_has_read])
def test_a_connection_closed_between_deliveries_costs_no_attempt(
    answer: Behaviour, end: Behaviour, make: Make, serve: Serve
) -> None:
    """With TLS's own goodbye before the FIN, as most servers do it, without, or with a RST."""

    def behave(peer: Peer) -> None:
        answer(peer)
        peer.wait(0.05)
        end(peer)
        ended.set()

    ended = threading.Event()
    endpoint = serve(behave, receives=4_096)
    hooks = make()
    hooks.subscribe(RECORDS, "update", endpoint.url(), expires=timedelta(days=1))
    for _ in range(3):
        ended.clear()
        hooks.publish(PATH, "update", LARGE)
        assert hooks.flush(timeout=10).delivered == 1
        assert ended.wait(5)
        time.sleep(0.5)  # the FIN's way, and until the engine has seen it
    assert [d.attempts for d in hooks.deliveries()] == [1, 1, 1]
    assert endpoint.connections == 3


@pytest.mark.parametrize(
    "frames",
    [
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 100\r\n\r\nshort",
    ],
)
def test_a_connection_whose_answer_ends_unclearly_is_not_used_again(
    frames: bytes, make: Make, serve: Serve, deliver: Deliver
) -> None:
    """What follows could be taken for the answer to the next request."""

    def behave(peer: Peer) -> None:
        while peer.read_request():
            peer.send(OK + frames)
            if b"short" in frames:
                return

    endpoint = serve(behave)
    hooks = make()
    hooks.subscribe(RECORDS, "update", endpoint.url(), expires=timedelta(days=1))
    for n in range(2):
        hooks.publish(PATH, "update", {"n": n})
        assert hooks.flush(timeout=10).delivered == 1
    assert endpoint.connections == 2


@pytest.mark.parametrize("gap", [0.0, 0.05])
def test_an_answer_sent_in_advance_is_not_taken_for_the_next_ones(
    gap: float, make: Make, serve: Serve
) -> None:
    """Two answers to one request: the second must not decide about the next delivery."""

    def behave(peer: Peer) -> None:
        while peer.read_request():
            if len(endpoint.requests) > 1:
                peer.send(b"HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n")
                continue
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            peer.send(answer if gap else answer * 2)
            if gap:
                peer.wait(gap)
                peer.send(answer)
            sent.set()

    sent = threading.Event()
    endpoint = serve(behave)
    hooks = make()
    hooks.subscribe(RECORDS, "update", endpoint.url(), expires=timedelta(days=1))
    hooks.publish(PATH, "update", {"n": 1})
    assert hooks.flush(timeout=10).delivered == 1
    assert sent.wait(10)
    time.sleep(0.3)
    event = hooks.publish(PATH, "update", {"n": 2})
    hooks.flush(timeout=10)
    [delivery] = hooks.deliveries(event=event.id)
    assert (delivery.outcome, delivery.http_status) == (HTTP_ERROR, 500)
    assert len(endpoint.requests) == 2


# --- Statuses. ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["{url}", "//localhost:{port}/", "http://localhost:{port}/"])
def test_a_redirect_is_a_failure_and_nobody_is_asked_there(
    status: int, place: str, make: Make, serve: Serve, deliver: Deliver
) -> None:
    target = serve(listen, plain=True)
    location = place.format(url=target.url(), port=target.port).encode()
    endpoint = serve(says(b"HTTP/1.1 %d Go\r\nLocation: %s\r\n\r\n" % (status, location)))
    delivery = deliver(make(), endpoint.url())
    assert (delivery.outcome, delivery.http_status) == (REDIRECT, status)
    assert (target.connections, target.received) == (0, 0)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("location", [b"/again", b"/" + b"a" * 90_000, b"file:///etc/passwd", b""])
def test_a_redirect_to_itself_or_nowhere_is_one_request(
    location: bytes, make: Make, serve: Serve, deliver: Deliver
) -> None:
    endpoint = serve(
        says(b"HTTP/1.1 307 Go\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location)
    )
    delivery = deliver(make(), endpoint.url())
    assert (delivery.outcome, delivery.http_status) == (REDIRECT, 307)
    assert (len(endpoint.requests), endpoint.connections) == (1, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422, 425, 429, 451, 499, 500])
def test_every_other_status_is_tried_again(
    status: int, make: Make, serve: Serve, deliver: Deliver
) -> None:
    endpoint = serve(says(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status))
    delivery = deliver(make(), endpoint.url(), max_retries=3)
    assert (delivery.outcome, delivery.http_status) == (HTTP_ERROR, status)
    assert delivery.state is DeliveryState.WAITING


STEP, MOST = 60, 6 * 3_600


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([b"0"], STEP),
        ([b"5"], STEP),
        ([b"600"], 600),
        ([b" 600 "], 600),
        ([b"600.5"], STEP),
        ([b"+600"], STEP),
        ([b"-600"], STEP),
        ([b"0x600"], STEP),
        ([b"1e9"], STEP),
        ([b"1000000000"], MOST),
        ([b"9223372036854775807"], MOST),
        ([b"9" * 20], MOST),
        ([b"9" * 4_000], MOST),
        ([b"soon"], STEP),
        ([b""], STEP),
        ([b"Mon, 01 Jan 1990 00:00:00 GMT"], STEP),
        ([b"Fri, 01 Jan 2100 00:00:00 GMT"], MOST),
        ([b"Fri, 99 Jan 2100 00:00:00 GMT"], STEP),
        ([b"600", b"1200"], 1_200),
        ([b"1200", b"soon"], 1_200),
    ],
)
def test_retry_after_lengthens_the_wait_within_limits(
    values: list[bytes], seconds: int, make: Make, serve: Serve, deliver: Deliver
) -> None:
    fields = b"".join(b"Retry-After: %s\r\n" % value for value in values)
    endpoint = serve(says(b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n" + fields + b"\r\n"))
    delivery = deliver(make(), endpoint.url(), max_retries=3)
    assert delivery.next_at is not None
    waits = (delivery.next_at - delivery.updated_at).total_seconds()
    assert waits == pytest.approx(seconds, abs=1)


def test_gone_for_one_path_disables_no_sibling(make: Make, serve: Serve) -> None:
    def behave(peer: Peer) -> None:
        while request := peer.read_request():
            gone = " /old " in request.line
            status = b"410 Gone" if gone else b"200 OK"
            peer.send(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)

    endpoint, hooks = serve(behave), make()
    old, new = (
        hooks.subscribe(RECORDS, "update", endpoint.url(path), expires=timedelta(days=1))
        for path in ("/old", "/new")
    )
    for n in range(3):
        hooks.publish(PATH, "update", {"n": n})
        assert hooks.flush(timeout=10).complete
    assert wait_until(lambda: hooks.subscription(old.id).status is SubscriptionStatus.DISABLED)
    assert hooks.subscription(new.id).status is SubscriptionStatus.ACTIVE
    paths = [request.line.split()[1] for request in endpoint.requests]
    assert (paths.count("/old"), paths.count("/new")) == (1, 3)


# --- Places in flight. ---


def test_a_place_is_free_again_after_each_kind_of_end(make: Make, serve: Serve) -> None:
    """More bad connections than there may be in flight, then a good one."""
    ways: list[Behaviour] = [never_reads, resets_before_reading, says(), says(b"\0"), resets(OK)]

    def behave(peer: Peer) -> None:
        if good.is_set():
            agree(peer)
        else:
            ways[peer.number % len(ways)](peer)

    good = threading.Event()
    endpoint = serve(behave)
    settings = {"total_timeout_ms": 2_000, "in_flight_max": 4, "breaker_failures": 1_000}
    hooks = make(config=settings)
    hooks.subscribe(RECORDS, "update", endpoint.url(), expires=timedelta(days=1), max_retries=0)
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(40)])
    assert hooks.flush(timeout=40).dead == 40
    good.set()
    hooks.publish(PATH, "update", {"n": 40})
    assert hooks.flush(timeout=10).delivered == 1


def test_many_subscriptions_of_one_host_share_its_places(make: Make, serve: Serve) -> None:
    at_once, most, lock = [0], [0], threading.Lock()

    def behave(peer: Peer) -> None:
        while peer.read_request():
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            peer.wait(0.02)
            with lock:
                at_once[0] -= 1
            peer.send(OK + b"Content-Length: 0\r\n\r\n")

    endpoint, hooks = serve(behave), make(config={"in_flight_per_origin": 4})
    for n in range(50):
        hooks.subscribe(RECORDS, "update", endpoint.url(f"/{n}"), expires=timedelta(days=1))
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=20).delivered == 50
    assert 1 < most[0] <= 4
    assert endpoint.connections <= 4


def test_what_is_published_has_a_size(make: Make, serve: Serve, deliver: Deliver) -> None:
    endpoint, hooks = serve(agree), make()
    largest = b'"' + b"x" * (MEGABYTE - 2) + b'"'
    assert deliver(hooks, endpoint.url(), largest).outcome is SUCCESS
    assert largest in endpoint.requests[0].body
    assert endpoint.requests[0].headers["expect"] is None
    for data in (largest[:-1] + b'x"', b'"' + b"x" * (20 * MEGABYTE) + b'"', b""):
        with pytest.raises(ValidationError):
            hooks.publish(PATH, "update", data)
    assert len(endpoint.requests) == 1
