"""A dispatcher that stood still: it goes on where it may, and nowhere else."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hand import SETTINGS, Hand
from seen import rows, wait_until

from webhooksub import ConfigurationError, Dispatcher, allow_all
from webhooksub.testing import Receiver

Lead = Callable[..., Hand]

LONGER_THAN_THE_LEASE = SETTINGS["lease_ms"] / 1_000 + 0.5
# Few at once, so that most have not begun when it is stopped.
ONE_BY_ONE = {"in_flight_per_subscription": 2, "spill_after_ms": 60_000}


def numbers(receiver: Receiver) -> list[int]:
    return sorted(request.json()["data"]["n"] for request in receiver.requests)


def stop_between_writes(hand: Hand, database: Path) -> None:
    """Where it holds no lock of SQLite's, which nobody else could then take."""
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as other:
        for _ in range(100):
            hand.stop()
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                hand.resume()
                time.sleep(0.001)
            else:
                other.execute("ROLLBACK")
                return
    raise AssertionError("it writes without a pause")


@contextmanager
def stopped_amid_work(
    hand: Hand, receiver: Receiver, database: Path, events: int
) -> Iterator[None]:
    """With some delivered and the others queued; resumed at the end."""
    receiver.answer(delay=0.02)
    hand.publish(*range(events))
    assert receiver.wait_for(10)
    stop_between_writes(hand, database)
    yield
    hand.resume()


def test_stopped_past_its_lease_and_resumed_it_goes_on_and_repeats_nothing(
    lead: Lead, receiver: Receiver, database: Path
) -> None:
    hand = lead(**ONE_BY_ONE)
    with stopped_amid_work(hand, receiver, database, 100):
        time.sleep(LONGER_THAN_THE_LEASE)
        second = Dispatcher(f"sqlite:///{database}", authorizer=allow_all, dev=True)
        with pytest.raises(ConfigurationError, match=rf"delivers from this file.*pid {hand.pid}"):
            second.start()
        second.close()
    assert hand.flush()
    assert numbers(receiver) == list(range(100))
    assert "fenced" not in hand.told()


def test_past_its_lease_it_starts_nothing_until_the_store_has_heard_from_it(
    lead: Lead, receiver: Receiver, database: Path
) -> None:
    hand = lead(**ONE_BY_ONE)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        with stopped_amid_work(hand, receiver, database, 100):
            other.execute("PRAGMA busy_timeout = 5000")
            other.execute("BEGIN IMMEDIATE")
            time.sleep(LONGER_THAN_THE_LEASE)
        begun = len(receiver.requests) + ONE_BY_ONE["in_flight_per_subscription"]
        time.sleep(1)
        assert len(receiver.requests) <= begun
        other.execute("COMMIT")
    assert hand.flush()
    assert numbers(receiver) == list(range(100))


def test_declared_dead_while_it_was_stopped_it_settles_nothing_and_ends(
    lead: Lead, receiver: Receiver, database: Path
) -> None:
    hand = lead(**ONE_BY_ONE)
    with stopped_amid_work(hand, receiver, database, 100):
        settled = rows(database, "SELECT count(*) FROM webhooksub_delivery")
        with closing(sqlite3.connect(database)) as other, other:
            other.execute("UPDATE webhooksub_dispatcher SET state = 3")
    assert wait_until(lambda: bool(hand.stats()["fenced"]))
    begun = len(receiver.requests)
    assert begun < 100
    assert rows(database, "SELECT count(*) FROM webhooksub_delivery") == settled
    hand.close()
    after = lead()
    assert after.flush()
    assert set(numbers(receiver)) == set(range(100))
    assert len(receiver.requests) <= 100 + begun - settled[0][0]


def test_events_that_kill_their_dispatcher_are_quarantined_alone(
    lead: Lead, receiver: Receiver, database: Path
) -> None:
    publisher = Dispatcher(f"sqlite:///{database}", authorizer=allow_all)
    innocent = range(40)
    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        publisher.publish_many([event(n) for n in innocent[:20]])
    killers = publisher.publish_many([event(n, kills=True) for n in (1_000, 1_001)])
    publisher.publish_many([event(n) for n in innocent[20:]])
    publisher.close()
    left = "SELECT count(*) FROM webhooksub_outbox WHERE dispatcher IS NULL OR dispatcher <> 0"
    for deaths in range(20):
        hand = lead()
        assert wait_until(lambda hand=hand: hand.dies(0.05) or rows(database, left) == [(0,)], 60)
        if not hand.dies(0):
            break
        assert deaths < 12, "it does not stop dying"
    assert hand.flush()
    assert set(numbers(receiver)) == set(innocent)
    quarantined = rows(
        database,
        "SELECT hex(e.id) FROM webhooksub_event e JOIN webhooksub_outbox o ON o.event_seq = e.seq"
        " WHERE o.dispatcher = 0 ORDER BY e.seq",
    )
    assert quarantined == [(killer.id.replace("-", "").upper(),) for killer in killers]
    assert hand.stats()["quarantined"] == 2


def event(n: int, **more: object) -> tuple[str, str, dict[str, object]]:
    return "tenant/acme/sidedrawer/s1/record/r1", "update", {"n": n} | more
