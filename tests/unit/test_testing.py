"""The receiver that tests and notebooks use is an endpoint like any other."""

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from seen import wait_until

from webhooksub import Dispatcher, VerificationError, Verifier, allow_all
from webhooksub.testing import Answer, Receiver

KEY = "k" * 32
Connect = Callable[[], http.client.HTTPSConnection]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as endpoint:
        yield endpoint


@pytest.fixture
def connect(receiver: Receiver) -> Iterator[Connect]:
    """Clients that trust the receiver's authority and nothing else."""
    trust = ssl.create_default_context(cadata=receiver.ca_pem.decode())
    with contextlib.ExitStack() as ends:

        def connect_one() -> http.client.HTTPSConnection:
            client = http.client.HTTPSConnection(
                "localhost", receiver.port, timeout=20, context=trust
            )
            ends.callback(client.close)
            return client

        yield connect_one


def post(
    client: http.client.HTTPSConnection, path: str = "/hook", body: bytes = b"{}"
) -> tuple[int, bytes]:
    client.request("POST", path, body, {"X-Name": "Taxes"})
    answer = client.getresponse()
    return answer.status, answer.read()


def test_it_keeps_each_request_as_it_came(receiver: Receiver, connect: Connect) -> None:
    before = time.time()
    assert post(connect(), "/a/b?c=%20d", b'{"n": 1}') == (200, b"")
    [request] = receiver.requests
    assert (request.method, request.path) == ("POST", "/a/b?c=%20d")
    assert request.headers["x-NAME"] == "Taxes"
    assert request.body == b'{"n": 1}'
    assert request.json() == {"n": 1}
    assert request.status == 200
    assert before <= request.received_at <= time.time()


def test_a_script_is_answered_first_then_the_standing_answer(
    receiver: Receiver, connect: Connect
) -> None:
    client = connect()
    receiver.answer(202, headers={"Retry-After": "7"}, body=b"later")
    receiver.script([500, 429])
    assert [post(client)[0] for _ in range(2)] == [500, 429]
    client.request("POST", "/hook", b"{}")
    answer = client.getresponse()
    assert (answer.status, answer.headers["Retry-After"], answer.read()) == (202, "7", b"later")
    assert [r.status for r in receiver.requests] == [500, 429, 202]


def test_a_scripted_answer_may_be_all_of_one(receiver: Receiver, connect: Connect) -> None:
    client = connect()
    receiver.script([Answer(429, headers={"Retry-After": "9"}, body=b"slowly"), 500])
    client.request("POST", "/hook", b"{}")
    answer = client.getresponse()
    assert (answer.status, answer.headers["Retry-After"], answer.read()) == (429, "9", b"slowly")
    assert [post(client) for _ in range(2)] == [(500, b""), (200, b"")]


def test_connections_are_kept_alive_and_counted(receiver: Receiver, connect: Connect) -> None:
    for client in (connect(), connect()):
        for _ in range(3):
            assert post(client)[0] == 200
    assert (receiver.connections, len(receiver.requests)) == (2, 6)


def test_many_may_connect_at_once(receiver: Receiver, connect: Connect) -> None:
    clients = [connect() for _ in range(100)]
    with ThreadPoolExecutor(100) as pool:
        assert set(pool.map(post, clients)) == {(200, b"")}
    assert receiver.connections == 100


def test_waiting_answers_the_first_requests_or_says_how_many_came(
    receiver: Receiver, connect: Connect
) -> None:
    late = threading.Timer(0.05, lambda: post(connect(), "/first"))
    late.start()
    [first] = receiver.wait_for(1)
    late.join()
    assert first.path == "/first"
    post(connect(), "/second")
    assert [r.path for r in receiver.wait_for(1)] == ["/first"]
    with pytest.raises(TimeoutError, match="2 of 3 requests"):
        receiver.wait_for(3, timeout=0.01)


def test_an_answer_takes_as_long_as_was_asked_for(receiver: Receiver, connect: Connect) -> None:
    receiver.answer(delay=0.2)
    start = time.monotonic()
    post(connect())
    assert time.monotonic() - start >= 0.2


def test_closing_ends_what_waits_for_an_answer_a_request_or_a_handshake(
    receiver: Receiver, connect: Connect
) -> None:
    threads = set(threading.enumerate())
    post(connect())
    with socket.create_connection(("127.0.0.1", receiver.port)) as mute:
        assert wait_until(lambda: receiver.connections == 2)
        receiver.answer(delay=60)
        client = connect()
        client.request("POST", "/hook", b"{}")
        receiver.wait_for(2)
        start = time.monotonic()
        receiver.close()
        receiver.close()
        with pytest.raises((http.client.HTTPException, OSError)):
            client.getresponse()
        assert mute.recv(1) == b""
        assert time.monotonic() - start < 10
        assert wait_until(lambda: not set(threading.enumerate()) - threads)


def test_nobody_answers_after_closing(receiver: Receiver, connect: Connect) -> None:
    receiver.close()
    with pytest.raises(OSError):
        post(connect())


def test_nobody_trusts_it_who_was_not_told_to(receiver: Receiver) -> None:
    client = http.client.HTTPSConnection("localhost", receiver.port, timeout=20)
    with pytest.raises(ssl.SSLCertVerificationError):
        post(client)
    assert receiver.requests == []


def test_its_certificate_outlives_a_long_session(connect: Connect) -> None:
    client = connect()
    client.connect()
    certificate = client.sock.getpeercert()
    assert ssl.cert_time_to_seconds(certificate["notAfter"]) > time.time() + 300 * 86_400


@pytest.mark.parametrize("words", [b"", b"POST /hook HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff"])
def test_a_caller_that_speaks_no_tls_disturbs_nobody(
    receiver: Receiver, connect: Connect, words: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port)) as caller:
        caller.sendall(words)
    assert post(connect())[0] == 200
    assert len(receiver.requests) == 1


def test_it_says_where_it_is_and_what_it_has(receiver: Receiver, connect: Connect) -> None:
    post(connect())
    assert re.search(r"https://localhost:\d+/: 1 requests", repr(receiver))


def test_a_dispatcher_of_the_same_process_trusts_it_and_is_verified(receiver: Receiver) -> None:
    with Dispatcher.in_memory(authorizer=allow_all, dev=True) as hooks:
        hooks.subscribe(
            "tenant/acme/sidedrawer/s1/record",
            "any",
            receiver.url("/hook"),
            expires=timedelta(days=1),
            integrity_key=KEY,
        )
        hooks.publish("tenant/acme/sidedrawer/s1/record/r9", "update", {"name": "Taxes"})
        [request] = receiver.wait_for(1)
    [notification] = Verifier(KEY, require_standard=True).verify(request.body, request.headers)
    assert receiver.notifications(KEY, require_standard=True) == [notification]
    with pytest.raises(VerificationError):
        receiver.notifications("another key, of twenty-four bytes")
    assert notification.resource_path == "tenant/acme/sidedrawer/s1/record/r9"
    assert notification.data == {"name": "Taxes"}
