"""What a bad endpoint costs others: nothing."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
from acme import PATH, Make
from evil import Evil, Peer
from redisd import free_port
from seen import wait_until

from webhooksub import Dispatcher, SubscriptionInfo
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]

OTHER = "tenant/other/sidedrawer/s1/record"


def answer_late_at_slow(peer: Peer) -> None:
    while request := peer.read_request():
        if "/slow" in request.line:
            peer.wait()
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")


def answer_500_at_bad(peer: Peer) -> None:
    while request := peer.read_request():
        status = b"500 No" if "/bad" in request.line else b"204 No Content"
        length = b"" if status.startswith(b"204") else b"Content-Length: 0\r\n"
        peer.send(b"HTTP/1.1 " + status + b"\r\n" + length + b"\r\n")


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port where nobody listens."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", free_port()))
        yield port


@pytest.fixture
def nowhere(taken: socket.socket) -> str:
    """An endpoint that refuses connections."""
    return f"https://localhost:{taken.getsockname()[1]}/"


@pytest.fixture
def silent() -> Iterator[str]:
    """An endpoint whose connections hang: its backlog is full, and nobody accepts."""
    with socket.socket() as listener, contextlib.ExitStack() as callers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"https://localhost:{listener.getsockname()[1]}/"


def serve(peer: Peer) -> None:
    while peer.read_request():
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")


def publish(hooks: Dispatcher, count: int, path: str = PATH) -> None:
    hooks.publish_many([(path, "update", {"n": n}) for n in range(count)])


def test_a_dead_origin_costs_one_claim_for_each_probe(
    make: Make, subscribe: Subscribe, nowhere: str, url: str
) -> None:
    hooks = make(url, config={"breaker_open_ms": 300, "retry_steps_ms": (60_000,)}).start()
    subscribe(hooks, url=nowhere)
    publish(hooks, 500)
    assert wait_until(lambda: hooks.stats()["attempts"] >= 15, 20)
    stats = hooks.stats()
    assert stats["origins_blocked"] == 1
    # What did not start was written once; what came back to be a probe was tried.
    assert stats["spilled"] <= 500 - 5
    assert stats["waiting"] + stats["in_flight"] + stats["claimed"] in (500, 501)


def test_connections_that_hang_are_not_held_against_who_is_sent_to_next(
    make: Make, receiver: Receiver, subscribe: Subscribe, silent: str, url: str
) -> None:
    hooks = make(url, config={"connect_timeout_ms": 3_000, "retry_steps_ms": (60_000,)}).start()
    subscribe(hooks, url=silent)
    subscribe(hooks, resource=OTHER)
    publish(hooks, 20)
    assert wait_until(lambda: hooks.stats()["origins_blocked"] == 1, 20)
    assert wait_until(lambda: hooks.stats()["in_flight"] == 0, 20)
    publish(hooks, 10, OTHER + "/r1")
    receiver.wait_for(10, 30)
    assert wait_until(lambda: hooks.stats()["delivered"] == 10)


def test_a_dead_origin_that_lives_again_gets_all_that_waited(
    make: Make, subscribe: Subscribe, taken: socket.socket, nowhere: str, url: str
) -> None:
    hooks = make(url, config={"breaker_open_ms": 300}).start()
    subscribe(hooks, url=nowhere)
    publish(hooks, 300)
    assert wait_until(lambda: hooks.stats()["waiting"] >= 299, 10)
    port = taken.getsockname()[1]
    taken.close()
    with Evil(serve, port=port) as endpoint:
        assert wait_until(lambda: hooks.stats()["delivered"] == 300, 20)
        assert len({request.id for request in endpoint.requests}) == 300


def test_what_waits_for_a_dead_origin_goes_at_once_to_the_url_that_replaces_it(
    make: Make, receiver: Receiver, subscribe: Subscribe, nowhere: str, url: str
) -> None:
    config = {"breaker_open_ms": 60_000, "retry_steps_ms": (50,)}
    hooks = make(url, config=config).start()
    info = subscribe(hooks, url=nowhere)
    publish(hooks, 300)
    assert wait_until(lambda: hooks.stats()["waiting"] == 300, 10)
    hooks.update(info.id, notification_url=receiver.url("/hook"))
    assert len(receiver.wait_for(300, timeout=15)) == 300


def test_more_than_the_queue_holds_for_a_dead_origin_stands_before_nobody(
    make: Make, receiver: Receiver, subscribe: Subscribe, nowhere: str, url: str
) -> None:
    hooks = make(url, config={"queue_deliveries_max": 50}).start()
    subscribe(hooks, url=nowhere)
    subscribe(hooks, resource=OTHER)
    publish(hooks, 1_000)
    publish(hooks, 20, OTHER + "/r1")
    assert len(receiver.wait_for(20, timeout=25)) == 20


def test_a_slow_one_s_backlog_is_not_carried_to_and_fro(
    make: Make, receiver: Receiver, subscribe: Subscribe, url: str
) -> None:
    hooks = make(url, config={"spill_after_ms": 100, "total_timeout_ms": 20_000}).start()
    subscribe(hooks)
    receiver.answer(delay=0.5)
    publish(hooks, 2_000)
    receiver.wait_for(40, timeout=20)
    # Claimed in all: twice the first share, until it is known how slow it is, and a few more.
    assert hooks.stats()["spilled"] < 2_000 + 2 * 1_024 + 400
    assert hooks.stats()["delivered"] >= 30


def test_a_slow_one_holds_its_neighbours_on_the_same_host_up_no_longer(
    make: Make, receiver: Receiver, subscribe: Subscribe, url: str
) -> None:
    hooks = make(url, config={"spill_after_ms": 200, "total_timeout_ms": 60_000}).start()
    with Evil(answer_late_at_slow) as endpoint:
        subscribe(hooks, url=endpoint.url("/slow"))
        subscribe(hooks, resource=OTHER, url=endpoint.url("/quick"))
        publish(hooks, 500)
        endpoint.wait_for(6)
        for n in range(1, 21):
            hooks.publish(OTHER + "/r1", "update", {"n": n})
            assert wait_until(lambda n=n: hooks.stats()["delivered"] == n, 10)


def test_one_that_answers_500_holds_its_neighbours_on_the_same_host_up_no_longer(
    make: Make, receiver: Receiver, subscribe: Subscribe, url: str
) -> None:
    hooks = make(url).start()
    with Evil(answer_500_at_bad) as endpoint:
        subscribe(hooks, url=endpoint.url("/bad"))
        subscribe(hooks, resource=OTHER, url=endpoint.url("/good"))
        publish(hooks, 300)
        for n in range(1, 21):
            hooks.publish(OTHER + "/r1", "update", {"n": n})
            assert wait_until(lambda n=n: hooks.stats()["delivered"] == n, 10)
        assert hooks.stats()["origins_blocked"] == 0
