"""One test for each step of an event's life and for each promise.

``make prove-foundation`` runs them all, then once more under each sabotage, which must turn
exactly its own test red.
"""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from seen import PATH, rows, wait_until
from sqlalchemy import create_engine

from webhooksub import Dispatcher
from webhooksub.testing import Receiver

Make = Callable[..., Dispatcher]
Subscribe = Callable[..., str]


# --- the nine steps ------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_step_1_publish_returns_only_after_the_commit(make: Make, database: Path) -> None:
    hooks = make()
    hooks.publish(PATH, "update", {"n": 0})
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    returned = threading.Event()

    def publish() -> None:
        hooks.publish(PATH, "update", {"n": 1})
        returned.set()

    thread = threading.Thread(target=publish)
    thread.start()
    early = returned.wait(2)
    other.execute("COMMIT")
    other.close()
    thread.join(10)
    assert not early, "publish answered while its transaction could not commit"
    assert returned.is_set()
    assert rows(database, "select count(*) from webhooksub_event") == [(2,)]


def test_step_2_what_a_transaction_took_back_is_never_sent(
    make: Make, database: Path, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection, connection.begin():
        savepoint = connection.begin_nested()
        hooks.publish(PATH, "update", {"kept": False}, connection=connection)
        savepoint.rollback()
        hooks.publish(PATH, "update", {"kept": True}, connection=connection)
    engine.dispose()
    hooks.flush(timeout=10)
    time.sleep(0.3)
    assert [r.json()["data"] for r in receiver.requests] == [{"kept": True}]


def test_step_3_a_later_subscription_does_not_hear_an_earlier_event(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make()
    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        hooks.publish(PATH, "update", {"n": 1})
    subscribe(hooks)
    hooks.start()
    hooks.publish(PATH, "update", {"n": 2})
    assert hooks.flush(timeout=10).complete
    assert [r.json()["data"] for r in receiver.requests] == [{"n": 2}]


def test_step_4_a_queued_fan_out_holds_its_data_once(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    receiver.answer(delay=2.0)
    hooks = make(spill_after_ms=60_000, in_flight_per_origin=1).start()
    for n in range(100):
        subscribe(hooks, f"/hook/{n}")
    hooks.publish(PATH, "update", {"text": "x" * 100_000})
    assert wait_until(lambda: hooks.stats()["in_flight"] == 1)
    stats = hooks.stats()
    assert stats["queued"] >= 90
    assert stats["queued_bytes"] < 1_000_000, "a body was made for each subscription"


def test_step_5_what_cannot_start_soon_becomes_a_waiting_row(
    make: Make, database: Path, receiver: Receiver, subscribe: Subscribe
) -> None:
    receiver.answer(delay=30)
    hooks = make(in_flight_per_origin=1, in_flight_per_subscription=1).start()
    subscribe(hooks)
    for n in range(5):
        hooks.publish(PATH, "update", {"n": n})
    waiting = "select count(*) from webhooksub_delivery where state in (1, 2)"
    assert wait_until(lambda: rows(database, waiting)[0][0] >= 4, 8)


def test_step_6_an_attempt_reserves_its_report_before_it_starts(
    make: Make, database: Path, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make(report_slots=8, spill_after_ms=60_000).start()
    subscribe(hooks)
    receiver.answer(delay=0.3)
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(60)])
    assert wait_until(lambda: len(receiver.requests) > 0)
    seen_before = len(receiver.requests)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    receiver.answer(delay=0)
    time.sleep(2)
    during = len(receiver.requests) - seen_before
    other.execute("COMMIT")
    other.close()
    assert during <= 24, f"{during} attempts without a place for their reports"
    assert hooks.flush(timeout=20).complete
    assert len({r.headers["webhook-id"] for r in receiver.requests}) == 60


def test_step_7_a_failure_is_tried_again_by_the_schedule(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    receiver.script([500, 200])
    hooks = make().start()
    subscription = subscribe(hooks)
    event = hooks.publish(PATH, "update", {"n": 1})
    assert wait_until(lambda: len(receiver.requests) == 2)
    hooks.flush(timeout=10)
    [delivery] = hooks.deliveries()
    assert (delivery.state.name, delivery.attempts) == ("DELIVERED", 2)
    statuses = [a.http_status for a in hooks.attempts(event.id, subscription)]
    assert statuses == [500, 200]


def test_step_8_a_dispatcher_that_was_declared_dead_settles_nothing(
    make: Make, database: Path, receiver: Receiver, subscribe: Subscribe
) -> None:
    receiver.answer(delay=2)
    hooks = make(heartbeat_ms=60_000).start()
    subscribe(hooks)
    hooks.publish(PATH, "update", {"n": 1})
    assert wait_until(lambda: len(receiver.requests) == 1)
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("delete from webhooksub_dispatcher")
    settled = "select count(*) from webhooksub_delivery"
    wait_until(lambda: hooks.stats()["fenced"] or rows(database, settled) != [(0,)])
    assert rows(database, settled) == [(0,)]
    assert rows(database, "select count(*) from webhooksub_outbox") == [(1,)]


PUBLISH_AND_DIE = """
import os, signal, sys, time
from datetime import timedelta
from webhooksub import Dispatcher, allow_all
hooks = Dispatcher(sys.argv[1], authorizer=allow_all, dev=True, ca_pem=sys.argv[3].encode())
hooks.subscribe("tenant/acme/sidedrawer/s1/record", "any", sys.argv[2],
                expires=timedelta(days=1), integrity_key="k" * 32)
hooks.start()
hooks.publish_many([("tenant/acme/sidedrawer/s1/record/r1", "update", {"n": n})
                    for n in range(20)])
print("acknowledged", flush=True)
time.sleep(float(sys.argv[4]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def die_after_publishing(database: Path, receiver: Receiver, seconds: float = 0.2) -> None:
    command = [sys.executable, "-c", PUBLISH_AND_DIE, f"sqlite:///{database}"]
    command += [receiver.url("/hook"), receiver.ca_pem.decode(), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == "acknowledged\n"


def test_step_9_the_work_of_a_dead_dispatcher_is_done_by_the_next(
    make: Make, database: Path, receiver: Receiver
) -> None:
    receiver.answer(delay=5)
    die_after_publishing(database, receiver)
    receiver.answer(delay=0)
    receiver.requests.clear()
    hooks = make().start()
    hooks.flush(timeout=10)
    assert {r.json()["data"]["n"] for r in receiver.requests} == set(range(20))
    assert hooks.stats()["outbox"] == 0
