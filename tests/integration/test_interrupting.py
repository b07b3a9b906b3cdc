"""Ctrl-C ends a wait for an answer, and leaves a dispatcher that works."""

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from acme import RECORDS, Make
from evil import Evil, Peer, agree

from webhooksub import Dispatcher, SubscriptionStatus

Ask = Callable[[Dispatcher, str], object]


def silent(peer: Peer) -> None:
    peer.read_request()
    peer.wait()


def try_it(hooks: Dispatcher, url: str) -> object:
    return hooks.send_test(url)


def subscribe(hooks: Dispatcher, url: str) -> object:
    return hooks.subscribe(RECORDS, "any", url, expires=timedelta(days=1))


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("ask", [try_it, subscribe])
def test_ctrl_c_ends_the_wait_for_an_endpoint_that_is_silent(
    ask: Ask, started: bool, make: Make
) -> None:
    hooks = make("memory://", config={"handshake": "graph", "total_timeout_ms": 60_000})
    if started:
        hooks.start()
    with Evil(silent) as endpoint, Evil(agree) as other:

        def interrupt() -> None:
            endpoint.wait_for(1)
            os.kill(os.getpid(), signal.SIGINT)

        pressing = threading.Thread(target=interrupt)
        pressing.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            ask(hooks, endpoint.url())
        assert time.monotonic() - began < 10
        pressing.join()
        assert hooks.send_test(other.url()).public == "delivered"
    pending = [info.status for info in hooks.subscriptions()]
    assert pending == ([SubscriptionStatus.PENDING] if ask is subscribe else [])
