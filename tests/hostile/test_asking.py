"""A request that is no attempt: what it sends, what it tells of the answer, and what it refuses."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from evil import Behaviour, Evil, Peer, agree, listen

from webhooksub import Closed, Config, Outcome, ValidationError, _core, catalogs
from webhooksub.engine import make_engine

pytestmark = pytest.mark.hostile("E")

Serve = Callable[..., Evil]
PATIENT = {"connect_timeout_ms": 4_000, "total_timeout_ms": 30_000}


@pytest.fixture
def engine() -> Iterator[_core.Engine]:
    """Started, and open to loopback."""
    config = Config.of(**PATIENT)
    made = make_engine(catalogs.SIDEDRAWER, config, dev=True, spill=False, ca_pem=None)
    made.start()
    yield made
    made.close()


def says(text: bytes) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(text)

    return behave


def hangs(peer: Peer) -> None:
    peer.read_request()
    peer.wait()


def test_method_headers_and_body_are_sent_as_given(engine: _core.Engine, serve: Serve) -> None:
    endpoint = serve(agree)
    outcome, *_ = engine.ask("OPTIONS", endpoint.url("/x?y=1"), [("WebHook-Request-Origin", "me")])
    assert outcome == Outcome.SUCCESS
    engine.ask("POST", endpoint.url(), [("Content-Type", "text/plain")], b"hello")
    first, second = endpoint.requests
    assert first.line == "OPTIONS /x?y=1 HTTP/1.1"
    assert first.headers["webhook-request-origin"] == "me"
    assert first.body == b""
    assert second.line == "POST / HTTP/1.1"
    assert second.body == b"hello"


def test_the_answer_is_told_with_its_first_4_kb_and_named_fields(
    engine: _core.Engine, serve: Serve
) -> None:
    head = (
        b"HTTP/1.1 103 Early Hints\r\nWebHook-Allowed-Rate: 1\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nwebhook-allowed-origin: *\r\n"
        b"X-Other: 1\r\nContent-Length: 5000\r\n\r\n"
    )
    endpoint = serve(says(head + b"x" * 5_000))
    outcome, status, ms, address, body, fields = engine.ask("POST", endpoint.url(), [], b"")
    assert (outcome, status, address) == (Outcome.SUCCESS, 200, "127.0.0.1")
    assert ms >= 0
    assert body == b"x" * 4_096
    assert fields == {"Content-Type": "text/plain", "WebHook-Allowed-Origin": "*"}


def test_a_redirect_is_told_and_not_followed(engine: _core.Engine, serve: Serve) -> None:
    other = serve(agree)
    head = f"HTTP/1.1 307 Go\r\nLocation: {other.url()}\r\nContent-Length: 0\r\n\r\n"
    endpoint = serve(says(head.encode()))
    assert engine.ask("POST", endpoint.url(), [])[:2] == (Outcome.REDIRECT, 307)
    assert other.connections == 0


def test_an_address_that_the_guard_forbids_is_not_connected_to(serve: Serve) -> None:
    endpoint = serve(listen, plain=True)
    config = Config.of(**PATIENT)
    made = make_engine(catalogs.SIDEDRAWER, config, dev=False, spill=False, ca_pem=None)
    made.start()
    outcome, status, _, address, *_ = made.ask("POST", endpoint.url(), [])
    made.close()
    assert (outcome, status, address) == (Outcome.BLOCKED_ADDRESS, None, None)
    assert endpoint.connections == 0


def test_others_run_while_one_waits_and_closing_ends_it(engine: _core.Engine, serve: Serve) -> None:
    endpoint = serve(hangs)
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(engine.ask("POST", endpoint.url(), [])[0])
    )
    asking.start()
    endpoint.wait_for(1)
    began = time.monotonic()
    engine.close(60_000)
    asking.join(20)
    assert answers == [Outcome.CANCELLED]
    assert time.monotonic() - began < 15


def test_an_engine_that_does_not_run_raises_closed() -> None:
    config = Config.of(**PATIENT)
    made = make_engine(catalogs.SIDEDRAWER, config, dev=True, spill=False, ca_pem=None)
    with pytest.raises(Closed):
        made.ask("POST", "https://localhost/", [])
    made.start()
    made.close()
    with pytest.raises(Closed):
        made.ask("POST", "https://localhost/", [])


@pytest.mark.parametrize(
    "header", [("A\r\nB", "x"), ("A", "x\r\nB: y"), ("A", "x\0"), ("A:B", "x"), ("", "x")]
)
def test_a_header_that_is_more_than_one_line_is_refused(
    engine: _core.Engine, header: tuple[str, str]
) -> None:
    with pytest.raises(ValueError, match="not one line"):
        engine.ask("POST", "https://localhost/", [header])


def test_what_is_no_url_of_ours_is_refused(engine: _core.Engine) -> None:
    with pytest.raises(ValidationError):
        engine.ask("POST", "http://example.com/", [])
    with pytest.raises(ValueError, match="POST or OPTIONS"):
        engine.ask("GET", "https://example.com/", [])  # type: ignore[arg-type]


def test_a_url_is_checked_by_the_rules_of_subscribing() -> None:
    assert _core.check_url("https://EXAMPLE.com") == "https://example.com/"
    for bad in ("http://example.com/", "https://127.0.0.1/", "https://example.com:444/", "x"):
        with pytest.raises(ValidationError):
            _core.check_url(bad)
    assert _core.check_url("https://example.com:444/", ports=(444,))
    assert _core.check_url("https://localhost:1/", dev=True)
