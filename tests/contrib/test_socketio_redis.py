"""SOCKET subscriptions with several processes: a real Redis between them, one of them killed."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from members import Members
from redisd import Redis, free_port
from socketed import Client, WsgiService, tenant_of, wait_for
from socketprocesses import Processes

from webhooksub import ConfigurationError, Dispatcher
from webhooksub.contrib.socketio import Sockets


def is_no_loss_of_redis(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Cannot receive from redis")


@pytest.fixture(autouse=True, scope="module")
def silence_listeners_for_good() -> None:
    """python-socketio has no end for its threads that listen to Redis: they outlive these tests
    and log for ever that it is gone, which later tests must not take for their own errors."""
    logging.getLogger("socketio.server").addFilter(is_no_loss_of_redis)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path) as server:
        yield server


@pytest.fixture
def processes(tmp_path: Path, redis: Redis) -> Iterator[Processes]:
    """The example's worker and one web process."""
    with Processes(tmp_path, redis.url) as running:
        running.start_web()
        running.start_worker()
        yield running


def delivered(processes: Processes, subscription: str, many: int) -> Callable[[], bool]:
    return lambda: processes.states(subscription) == ["delivered"] * many


def test_a_worker_reaches_the_clients_of_every_web_process(processes: Processes) -> None:
    other = free_port()
    processes.start_web("other", other)
    mine, theirs = processes.subscribe("acme"), processes.subscribe("other")
    with (
        Client(processes.url, "acme") as here,
        Client(f"http://127.0.0.1:{other}", "other") as there,
    ):
        for n in range(3):
            processes.change(n)
        processes.change(9, "other")
        wait_for(delivered(processes, mine, 3))
        wait_for(lambda: processes.states(theirs, "other") == ["delivered"])
        assert (sorted(here.numbers), there.numbers) == ([0, 1, 2], [9])


def test_what_happens_while_a_web_process_is_dead_arrives_when_it_is_back(
    processes: Processes,
) -> None:
    subscription = processes.subscribe("acme")
    processes.start_web("other", other := free_port())
    with Client(processes.url, "acme") as client:
        processes.change(1)
        wait_for(delivered(processes, subscription, 1))
        processes.kill("web")
        mine, processes.port = processes.port, other
        processes.change(2)
        processes.kill("worker")
        processes.change(3)
        processes.start_worker()
        time.sleep(0.5)
        processes.port = mine
        processes.start_web()
        wait_for(delivered(processes, subscription, 3))
        assert set(client.numbers) == {1, 2, 3}


def test_one_process_may_both_serve_and_deliver(redis: Redis) -> None:
    sockets = Sockets(redis=redis.url)
    with Dispatcher("memory://", authorizer=Members(), sockets=sockets) as hooks:
        hooks.subscribe(
            "tenant/acme/sidedrawer",
            "any",
            connection_type="SOCKET",
            notification_messages="changed",
            expires=timedelta(days=1),
            actor="acme",
        )
        with (
            WsgiService(sockets, hooks, tenant_of) as served,
            Client(served.url, "acme") as client,
        ):
            hooks.publish("tenant/acme/sidedrawer/s1", "update", {"n": 1})
            wait_for(lambda: client.numbers == [1])
            assert hooks.flush(5).delivered == 1


def test_a_redis_that_does_not_answer_is_said_at_the_start(tmp_path: Path) -> None:
    sockets = Sockets(redis=f"redis://127.0.0.1:{free_port()}/0")
    hooks = Dispatcher(f"sqlite:///{tmp_path / 'hooks.db'}", authorizer=Members(), sockets=sockets)
    with pytest.raises(ConfigurationError, match="redis"):
        hooks.start()
    hooks.close()
