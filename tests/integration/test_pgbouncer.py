"""Dispatchers and publishers behind PgBouncer, which lends connections for a transaction each."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from acme import PATH, Make
from pgbouncer import PgBouncer
from postgres import shared_server
from seen import wait_until
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from webhooksub import (
    ConfigurationError,
    DeliveryState,
    Dispatcher,
    OutboxFull,
    StoreUnavailable,
    SubscriptionInfo,
)
from webhooksub.config import StoreConfig
from webhooksub.dispatcher import system_clock
from webhooksub.store import migrations, open_store
from webhooksub.testing import Receiver

pytestmark = pytest.mark.stores("postgresql")

Subscribe = Callable[..., SubscriptionInfo]
# Nothing is found by polling while a test waits.
NEVER_POLLS = 60_000


@pytest.fixture
def pooler(kit: Any) -> Iterator[PgBouncer]:
    """With one connection: what kept it, or wanted another one meanwhile, would stand still."""
    with PgBouncer(shared_server(), kit.schema, size=1) as made:
        yield made


@pytest.fixture
def behind(kit: Any, pooler: PgBouncer, make: Make) -> Make:
    """Dispatchers that know of the pooler, and listen past it; they are closed before it."""

    def make_one(**config: Any) -> Dispatcher:
        known = {"pooled": True, "listen_url": kit.url}
        return make(pooler.url, config=known | config)

    return make_one


def numbers(receiver: Receiver) -> Counter[int]:
    return Counter(request.json()["data"]["n"] for request in receiver.requests)


def lent(pooler: PgBouncer) -> tuple[int, int]:
    """How many connections of ours the pooler has, and how many of the server it lends."""
    clients = [client for client in pooler.show("CLIENTS") if client["database"] == "shop"]
    servers = [server for server in pooler.show("SERVERS") if server["database"] == "shop"]
    return len(clients), len(servers)


def test_an_event_is_published_tried_again_and_delivered(
    behind: Make, receiver: Receiver, subscribe: Subscribe, pooler: PgBouncer
) -> None:
    hooks = behind().start()
    info = subscribe(hooks)
    receiver.script([503, 503, 204])
    hooks.publish(PATH, "update", {"n": 1})
    receiver.wait_for(3, timeout=20)
    assert hooks.flush(timeout=20).complete
    assert numbers(receiver) == {1: 3}
    [delivery] = hooks.deliveries(subscription=info.id)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 3)
    clients, servers = lent(pooler)
    assert clients > servers == 1


def test_who_listens_past_the_pooler_is_woken(
    behind: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks, publisher = behind(poll_ms=NEVER_POLLS).start(), behind()
    subscribe(hooks)
    hooks.flush(timeout=10)
    for n in range(5):
        publisher.publish(PATH, "update", {"n": n})
        receiver.wait_for(n + 1, timeout=10)
    assert numbers(receiver) == Counter(range(5))


def test_who_does_not_listen_finds_events_by_polling(
    behind: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks, publisher = behind(listen_url=None).start(), behind()
    subscribe(hooks)
    publisher.publish(PATH, "update", {"n": 1})
    receiver.wait_for(1, timeout=10)


def test_an_event_joins_a_transaction_that_goes_through_the_pooler(
    behind: Make, receiver: Receiver, subscribe: Subscribe, pooler: PgBouncer
) -> None:
    """Often enough that a driver would prepare its statement."""
    hooks, publisher = behind(poll_ms=NEVER_POLLS).start(), behind()
    subscribe(hooks)
    hooks.flush(timeout=10)
    with pooler.connect() as host:
        for n in range(8):
            publisher.publish(PATH, "update", {"n": n}, connection=host)
            publisher.publish(PATH, "update", {"k": 1}, idempotency_key="k", connection=host)
            host.commit() if n % 2 else host.rollback()
            hooks.stats()  # another transaction on the one connection
    publisher.wake()
    receiver.wait_for(5, timeout=10)
    assert hooks.flush(timeout=10).complete
    found = [request.json()["data"] for request in receiver.requests]
    assert sorted(data["n"] for data in found if "n" in data) == [1, 3, 5, 7]
    assert [data["k"] for data in found if "k" in data] == [1]


@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_a_transaction_that_is_under_way_needs_no_second_connection(
    behind: Make, pooler: PgBouncer
) -> None:
    """In a pool that others have taken as well all of them would wait for each other."""
    publisher = behind(outbox_rows_max=4)
    with pooler.connect() as host:
        publisher.publish(PATH, "update", {"n": 0}, connection=host)  # whose first use it is
        host.commit()
        for n in range(1, 4):
            time.sleep(1.1)  # what is known of the outbox is old
            host.execute("SELECT 1")
            publisher.publish(PATH, "update", {"n": n}, connection=host)
            host.commit()
        host.execute("SELECT 1")
        with pytest.raises(OutboxFull):
            publisher.publish(PATH, "update", {"n": 4}, connection=host)
        host.rollback()


def test_a_session_of_sqlalchemy_wakes_by_its_commit(
    behind: Make, receiver: Receiver, subscribe: Subscribe, pooler: PgBouncer
) -> None:
    hooks, publisher = behind(poll_ms=NEVER_POLLS).start(), behind()
    subscribe(hooks)
    hooks.flush(timeout=10)
    url = pooler.url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url, connect_args={"prepare_threshold": None})
    with Session(engine) as session:
        publisher.publish(PATH, "update", {"n": 1}, connection=session)
        session.rollback()
        publisher.publish(PATH, "update", {"n": 2}, connection=session)
        session.commit()
    engine.dispose()
    receiver.wait_for(1, timeout=10)
    assert numbers(receiver) == {2: 1}


def test_two_dispatchers_share_the_work(
    behind: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    publisher = behind()
    sharing = [behind(claim_events=5, poll_ms=20).start() for _ in range(2)]
    subscribe(publisher)
    # Who finds an event first is left to the scheduler.
    for published in range(200, 4_200, 200):
        for first in range(published - 200, published, 20):
            publisher.publish_many([(PATH, "update", {"n": n}) for n in range(first, first + 20)])
        receiver.wait_for(published, timeout=40)
        assert wait_until(lambda: publisher.stats()["outbox"] == 0, 40)
        assert numbers(receiver) == Counter(range(published))
        shares = [hooks.stats()["delivered"] for hooks in sharing]
        assert sum(shares) == published
        if min(shares) >= 20:
            return
    raise AssertionError(shares)


def test_what_one_held_that_fell_silent_is_delivered_by_another(
    behind: Make, kit: Any, receiver: Receiver, subscribe: Subscribe
) -> None:
    quick = {"heartbeat_ms": 100, "in_flight_per_subscription": 1, "spill_after_ms": 60_000}
    dead = behind(**quick).start()
    subscribe(dead)
    receiver.answer(delay=0.3)
    dead.publish_many([(PATH, "update", {"n": n}) for n in range(20)])
    receiver.wait_for(1)
    living = behind(**quick).start()
    kit.die(dead._store)
    receiver.answer(delay=0)
    assert wait_until(lambda: living.stats()["outbox"] == 0, 40)
    assert set(numbers(receiver)) == set(range(20))


def test_a_pooler_that_begins_anew_and_sessions_that_are_ended_stop_nobody(
    behind: Make, receiver: Receiver, subscribe: Subscribe, pooler: PgBouncer, kit: Any
) -> None:
    hooks = behind().start()
    subscribe(hooks)

    def begin_pooler_anew() -> None:
        pooler.stop()
        pooler.start()

    def end_sessions() -> None:
        [server] = [one for one in pooler.show("SERVERS") if one["database"] == "shop"]
        kit.sql("SELECT pg_terminate_backend(?)", server["remote_pid"])

    def publish(n: int) -> bool:
        """Whoever is told that it failed says it again: whether it had committed is not known."""
        try:
            hooks.publish(PATH, "update", {"n": n}, idempotency_key=str(n))
        except StoreUnavailable:
            return False
        return True

    for n, interrupt in enumerate((begin_pooler_anew, end_sessions) * 2):
        interrupt()
        assert wait_until(lambda n=n: publish(n), 10)
        receiver.wait_for(n + 1, timeout=10)
    assert numbers(receiver) == Counter(range(4))


def test_the_command_line_needs_no_second_connection(
    kit: Any, pooler: PgBouncer, tmp_path: Path
) -> None:
    def run(*arguments: str) -> Any:
        environ = {"WEBHOOKSUB_DATABASE": pooler.url, "WEBHOOKSUB_POOLED": "true"}
        done = subprocess.run(
            [sys.executable, "-m", "webhooksub", *arguments, "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env=os.environ | environ | {"WEBHOOKSUB_LISTEN_URL": kit.url},
        )
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    assert run("migrate")["schema_version"] == 1
    assert run("migrate")["schema_version"] == 1
    kit.store().publish(kit.events(3))
    assert run("status")["outbox"] == 3
    assert run("prune", "--older-than", "30d")["events"] == 0
    findings = {one["name"] for one in run("doctor")["findings"]}
    assert {"PostgreSQL", "clock", "durability"} <= findings


def test_a_migration_that_waits_for_dispatchers_needs_no_second_connection(
    behind: Make, pooler: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind().start()
    next_version = SimpleNamespace(MIN_READER=2, upgrade=lambda connection: None)
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, next_version])
    store: Any = open_store(pooler.url, StoreConfig(pooled=True), system_clock)
    with closing(store), pytest.raises(ConfigurationError, match="and somebody delivers: .*pid"):
        store.migrate()


def test_a_driver_that_prepares_is_what_pooled_is_for(pooler: PgBouncer) -> None:
    """Or else the other tests would show nothing."""
    given = {"autocommit": True, "prepare_threshold": 0}
    with pooler.connect(**given) as one, pooler.connect(**given) as two:
        one.execute("SELECT 1")
        with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
            two.execute("SELECT 1")
