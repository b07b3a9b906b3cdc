"""The operator's proxy: everything goes through it, and it is the guard."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import trustme
from acme import PATH, RECORDS, Make
from evil import Behaviour, Evil, Peer, agree, context_of, listen

from webhooksub import Config, ConfigurationError, Delivery, Dispatcher, Outcome

pytestmark = pytest.mark.hostile("S")

Serve = Callable[..., Evil]
Deliver = Callable[..., Delivery]

# Nobody but the proxy could know where it is.
HOST = "only-the-proxy-knows.hooks.example"
AGREED = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: ours\r\nRetry-After: 9\r\n\r\n"


class Proxy:
    """CONNECTs to `endpoint` whatever the name is, unless `refuses` says what it answers."""

    def __init__(self, serve: Serve, endpoint: Evil) -> None:
        self._endpoint = endpoint
        self.refuses: list[bytes] = []
        self.heads: list[str] = []
        self.server = serve(self._behave, plain=True)
        self.url = f"http://127.0.0.1:{self.server.port}"

    def _behave(self, peer: Peer) -> None:
        head = peer.read_head()
        if not head:
            return
        self.heads.append(head.decode())
        if self.refuses:
            peer.send(self.refuses.pop(0))
            return
        with socket.create_connection(("127.0.0.1", self._endpoint.port)) as onward:
            peer.send(AGREED)
            back = threading.Thread(target=copy, args=(onward, peer.socket))
            back.start()
            copy(peer.socket, onward)
            back.join()


def copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while some := source.recv(65_536):
            sink.sendall(some)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def endpoint(serve: Serve, authority: trustme.CA) -> Evil:
    leaf = authority.issue_cert(HOST)
    return serve(agree, tls=context_of(leaf.private_key_and_cert_chain_pem.bytes()))


@pytest.fixture
def proxy(serve: Serve, endpoint: Evil) -> Proxy:
    return Proxy(serve, endpoint)


@pytest.fixture
def behind(make: Make, authority: trustme.CA, proxy: Proxy, endpoint: Evil) -> Iterator[Any]:
    """Dispatchers that are not open to loopback, behind the proxy."""

    def make_one(**config: Any) -> Dispatcher:
        given = {"proxy": proxy.url, "ports": (endpoint.port,)} | config
        return make(dev=False, ca_pem=authority.cert_pem.bytes(), config=given)

    yield make_one


def test_a_delivery_goes_through_the_proxy_which_alone_looks_up_the_name(
    behind: Callable[..., Dispatcher], proxy: Proxy, endpoint: Evil, deliver: Deliver
) -> None:
    hooks = behind()
    for _ in range(2):
        fields = {"integrity_key": "k" * 32, "max_retries": 3}
        delivered = deliver(hooks, endpoint.url("/x", host=HOST), **fields)
        assert (delivered.outcome, delivered.http_status) == (Outcome.SUCCESS, 204)
        hooks.unsubscribe(delivered.subscription_id)
    [head] = proxy.heads
    assert head.startswith(f"CONNECT {HOST}:{endpoint.port} HTTP/1.1\r\n")
    assert "webhook" not in head.lower()
    assert "integrityhash" not in head.lower()
    first, second = endpoint.requests
    assert first.line == second.line == "POST /x HTTP/1.1"
    assert first.headers["webhook-signature"]
    assert endpoint.connections == 1


def test_the_environment_cannot_lead_around_it(
    behind: Callable[..., Dispatcher],
    proxy: Proxy,
    endpoint: Evil,
    deliver: Deliver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "*")
    assert deliver(behind(), endpoint.url(host=HOST)).outcome is Outcome.SUCCESS
    assert len(proxy.heads) == 1


def says(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 3\r\nRetry-After: 3600\r\n\r\nno\n".encode()


@pytest.mark.parametrize(
    "refusal",
    [
        says("407 Proxy Authentication Required"),
        says("502 Bad Gateway"),
        says("403 Forbidden"),
        says("302 Found"),
        b"",
        b"220 this is no HTTP\r\n\r\n",
    ],
)
def test_a_proxy_that_refuses_is_not_charged_to_the_endpoint(
    refusal: bytes, behind: Callable[..., Dispatcher], proxy: Proxy, endpoint: Evil
) -> None:
    """The breaker would stay open for a minute, and the subscription be disabled at once."""
    hooks = behind(
        breaker_failures=1, breaker_open_ms=60_000, disable_after_ms=1, retry_steps_ms=(50,)
    )
    proxy.refuses += [refusal] * 3
    url = endpoint.url(host=HOST)
    info = hooks.subscribe(RECORDS, "update", url, expires=timedelta(days=1), max_retries=9)
    event = hooks.publish(PATH, "update")
    endpoint.wait_for(1)
    assert hooks.flush(timeout=10).complete
    attempts = hooks.attempts(event.id, info.id)
    assert [a.outcome for a in attempts] == [Outcome.LOCAL_ERROR] * 3 + [Outcome.SUCCESS]
    assert all(a.http_status is None and a.address is None for a in attempts[:3])
    assert hooks.subscription(info.id).status.name == "ACTIVE"
    assert len(endpoint.requests) == 1


def test_a_proxy_that_is_not_there_or_says_nothing_is_not_charged_either(
    behind: Callable[..., Dispatcher], serve: Serve, endpoint: Evil, deliver: Deliver
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"http://127.0.0.1:{server.getsockname()[1]}"
    dumb = f"http://127.0.0.1:{serve(listen, plain=True).port}"
    for place in (gone, dumb, "http://no-such-name.invalid:3128"):
        hooks = behind(proxy=place, connect_timeout_ms=300)
        assert deliver(hooks, endpoint.url(host=HOST)).outcome is Outcome.LOCAL_ERROR
    assert endpoint.connections == 0


def test_what_fails_behind_the_tunnel_is_the_endpoints(
    behind: Callable[..., Dispatcher], endpoint: Evil, deliver: Deliver
) -> None:
    other = endpoint.url(host="another.hooks.example")
    assert deliver(behind(), other).outcome is Outcome.TLS_CERTIFICATE


def answers(status: int) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())

    return behave


def test_an_endpoint_that_answers_502_itself_is_charged(
    make: Make, serve: Serve, authority: trustme.CA, deliver: Deliver
) -> None:
    leaf = authority.issue_cert(HOST)
    tls = context_of(leaf.private_key_and_cert_chain_pem.bytes())
    endpoint = serve(answers(502), tls=tls)
    proxy = Proxy(serve, endpoint)
    config = {"proxy": proxy.url, "ports": (endpoint.port,)}
    hooks = make(dev=False, ca_pem=authority.cert_pem.bytes(), config=config)
    delivered = deliver(hooks, endpoint.url(host=HOST))
    assert (delivered.outcome, delivered.http_status) == (Outcome.HTTP_ERROR, 502)


def test_a_test_notification_goes_the_same_way(
    behind: Callable[..., Dispatcher], proxy: Proxy, endpoint: Evil
) -> None:
    hooks = behind()
    proxy.refuses.append(says("502 Bad Gateway"))
    refused = hooks.send_test(endpoint.url(host=HOST))
    assert (refused.public, refused.http_status) == ("unreachable", None)
    assert hooks.send_test(endpoint.url(host=HOST)).public == "delivered"
    assert len(proxy.heads) == 2


@pytest.mark.parametrize(
    "text",
    [
        "proxy:3128",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://proxy",
        "http://:3128",
        "http://user:secret@proxy:3128",
        "http://proxy:3128/path",
        "http://proxy:3128?x",
        "http://proxy:0",
        "http://proxy:99999",
        "http://pro xy:3128",
        "http://proxy:3128\r\n",
        "x" * 999,
        "",
    ],
)
def test_what_is_no_proxy_is_refused_without_telling_its_secret(text: str) -> None:
    with pytest.raises(ConfigurationError, match="http://host:port") as caught:
        Config.of(proxy=text)
    assert "secret" not in str(caught.value)


def test_a_proxy_may_be_a_name_or_an_address() -> None:
    assert Config.of(proxy="http://Proxy:3128/").http.proxy == "http://proxy:3128"
    assert Config.of(proxy="http://[::1]:3128").http.proxy == "http://[::1]:3128"
    assert Config.of(proxy=None).http.proxy is None
