"""Many threads at once on the same objects: with no GIL they truly run at once."""

import itertools
import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from webhooksub import Catalog, Dispatcher, Subscription, _core, allow_all, catalogs
from webhooksub.config import Config
from webhooksub.engine import make_engine
from webhooksub.testing import Receiver

THREADS = 8
RECORDS = "tenant/acme/sidedrawer/s1/record"
KEY = "k" * 32


def together(work: Callable[[int], None]) -> None:
    """Runs work(0), work(1) … in as many threads, which begin at the same moment."""
    gate = threading.Barrier(THREADS)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            gate.wait(30)
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []


def hook(url: str = "https://h.example/hook") -> Subscription:
    return Subscription(
        resource=RECORDS,
        modification_type="any",
        notification_url=url,
        expires="2100-01-01T00:00:00Z",
        integrity_key=KEY,
        dev=True,
    )


def event(seq: int) -> tuple[Any, ...]:
    """As the engine takes it: an update of one record."""
    return (seq, _core.uuid7(seq), 2, (f"{RECORDS}/r{seq}",), None, b"{}", seq, 9, None)


@pytest.fixture
def engine() -> Iterator[_core.Engine]:
    """Not started, open to loopback."""
    made = make_engine(catalogs.SIDEDRAWER, Config(), dev=True, spill=False, ca_pem=None)
    yield made
    made.close()


def test_one_subscription_is_read_by_many() -> None:
    shared = hook()
    text = shared.to_json()

    def work(number: int) -> None:
        for _ in range(200):
            assert shared.to_json() == text
            assert shared == shared.replace(notification_url=shared.notification_url)
            assert pickle.loads(pickle.dumps(shared)) == shared.replace(integrity_key=None)
            assert KEY not in repr(shared)

    together(work)


def test_one_catalog_is_asked_by_many() -> None:
    catalog = Catalog(catalogs.SIDEDRAWER.rows)

    def work(number: int) -> None:
        for _ in range(200):
            path = f"{RECORDS}/r{number}"
            assert catalog.check([path]) == "tenant/acme"
            assert catalog.covers(RECORDS, "any", [path], "update")
            assert catalog == catalogs.SIDEDRAWER

    together(work)


def test_subscriptions_come_and_go_while_others_match(engine: _core.Engine) -> None:
    engine.put_subscription(1, _core.uuid7(1), 1, 1, hook(), (KEY.encode(),))
    path = f"{RECORDS}/r1"

    def work(number: int) -> None:
        seq = number + 2
        for _ in range(200):
            if number % 2:
                one = hook(f"https://h{number}.example/hook")
                engine.put_subscription(seq, _core.uuid7(seq), 1, 1, one, (KEY.encode(),))
                assert engine.remove_subscription(seq)
            else:
                found = [seq for seq, _ in engine.match([path], "update", 10)]
                assert 1 in found
                assert len(set(found)) == len(found) <= 1 + THREADS // 2

    together(work)
    assert engine.match([path], "update", 10) == [(1, 0)]


def answer_together(engine: _core.Engine, reports: _core.Reports) -> int:
    """How many of the threads were those that answered."""
    answered: list[int] = []

    def work(number: int) -> None:
        assert len(reports.deliveries(1)) in (0, 1)
        assert reports.attempts() == reports.subscriptions() == []
        try:
            engine.settled(reports)
        except ValueError:
            return
        answered.append(number)

    together(work)
    return len(answered)


def test_reports_that_all_answer_are_answered_once(engine: _core.Engine) -> None:
    rounds = 30
    with Receiver() as receiver:
        one = hook(receiver.url("/hook"))
        engine.put_subscription(1, _core.uuid7(1), 1, 1, one, (KEY.encode(),))
        engine.start()
        engine.extend_lease(60_000)
        for seq in range(1, rounds + 1):
            assert engine.push([event(seq)]) == [1]
            reports = engine.take_reports(10, 20_000)
            assert reports is not None
            assert answer_together(engine, reports) == 1
            assert len(reports) == 0
        assert engine.wait_idle(10_000)


def test_many_publish_through_one_dispatcher() -> None:
    each = 25
    sent = itertools.count()
    with (
        Receiver() as receiver,
        Dispatcher.in_memory(authorizer=allow_all, dev=True) as hooks,
    ):
        url = receiver.url("/hook")
        hooks.subscribe(RECORDS, "any", url, expires=timedelta(days=1), integrity_key=KEY)

        def work(number: int) -> None:
            for n in range(each):
                hooks.publish(f"{RECORDS}/r{number}-{n}", "update", {"n": next(sent)})
                hooks.stats()

        together(work)
        assert hooks.flush(timeout=60).delivered == THREADS * each
        numbers = {request.json()["data"]["n"] for request in receiver.requests}
        assert numbers == set(range(THREADS * each))
