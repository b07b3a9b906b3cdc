"""What a bad endpoint costs others: nothing."""

import socket
from collections.abc import Callable, Iterator

import pytest
from acme import PATH, Make
from evil import Evil, Peer
from seen import wait_until

from webhooksub import Dispatcher, SubscriptionInfo
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]

OTHER = "tenant/other/sidedrawer/s1/record"


@pytest.fixture(params=["sqlite", "memory"])
def url(request: pytest.FixtureRequest) -> str:
    """Of either kind of store, for `make`."""
    return "memory://" if request.param == "memory" else ""


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port where nobody listens."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        yield port


@pytest.fixture
def nowhere(taken: socket.socket) -> str:
    """An endpoint that refuses connections."""
    return f"https://localhost:{taken.getsockname()[1]}/"


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
    assert len(receiver.wait_for(20, timeout=10)) == 20
