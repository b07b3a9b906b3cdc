"""A dispatcher in somebody's process: forks, exits, threads, forgotten objects."""

import gc
import os
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acme import PATH, Make
from commands import Running
from seen import wait_until

from webhooksub import Dispatcher, Forked, SubscriptionInfo, allow_all
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]

BEGIN = """
import os, sys, threading, time
from datetime import timedelta
from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver
receiver = Receiver()
receiver.answer(delay=90)
hooks = Dispatcher(sys.argv[1], authorizer=allow_all, dev=True,
                   config={"total_timeout_ms": 90_000, "grace_ms": 90_000}).start()
hooks.subscribe("tenant/acme/sidedrawer/s1/record", "any", receiver.url("/hook"),
                expires=timedelta(days=1))
hooks.publish_many([("tenant/acme/sidedrawer/s1/record/r1", "update", n) for n in range(500)])
receiver.wait_for(1, timeout=30)
print("in flight", flush=True)
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise RuntimeError('unhandled')", 1),
        ("threading.Thread(target=sys.exit).start()", 0),
        ("import atexit; atexit.register(hooks.stats)", 0),
        ("import atexit; atexit.register(hooks.flush, 0.1)", 0),
        ("import atexit; atexit.register(hooks.close, 0.5)", 0),
        ("del hooks", 0),
        ("hooks.close(grace=0); del receiver", 0),
        ("hooks.self = hooks; del hooks", 0),
    ],
)
def test_an_interpreter_ends_promptly_with_work_in_flight(
    tmp_path: Path, ending: str, code: int
) -> None:
    url = f"sqlite:///{tmp_path}/hooks.db"
    with Running("-X", "dev", "-c", BEGIN + ending, url, folder=tmp_path) as process:
        process.wait_to_say("in flight")
        assert process.wait() == code, process.said
    publisher = Dispatcher(url, authorizer=allow_all)
    left = publisher.counts()
    publisher.close()
    assert left["outbox"] + left["waiting"] == 500, left


def test_a_forked_child_publishes_and_may_not_deliver(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        words = []
        for use in (hooks.flush, lambda: hooks.publish(PATH, "update", {"by": "child"})):
            try:
                use()
                words.append("done")
            except Forked:
                words.append("forked")
            except BaseException as error:
                words.append(repr(error))
        os.write(writing, " ".join(words).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "forked done"
    hooks.publish(PATH, "update", {"by": "parent"})
    assert hooks.flush(timeout=10).delivered == 2


@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_a_publisher_works_on_in_a_forked_child(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    publisher = make()
    subscribe(publisher)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            publisher.publish(PATH, "update", {"by": "child"})
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0
    publisher.publish(PATH, "update", {"by": "parent"})
    publisher.start()
    assert publisher.flush(timeout=10).delivered == 2
    assert {r.json()["data"]["by"] for r in receiver.requests} == {"child", "parent"}


def test_threads_publish_while_subscriptions_change(
    hooks: Dispatcher, receiver: Receiver, subscribe: Subscribe
) -> None:
    steady = subscribe(hooks)
    failures: list[BaseException] = []

    def publish(worker: int) -> None:
        try:
            for n in range(25):
                hooks.publish(PATH, "update", {"worker": worker, "n": n})
        except BaseException as error:
            failures.append(error)

    def change() -> None:
        try:
            for n in range(10):
                info = subscribe(hooks, f"/other/{n}")
                hooks.pause(info.id)
                hooks.unsubscribe(info.id)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=publish, args=(w,)) for w in range(8)]
    threads += [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hooks.flush(timeout=20)
    assert failures == []
    mine = [r.json() for r in receiver.requests if r.path == "/hook"]
    assert len({body["id"] for body in mine}) == len(mine) == 200
    assert hooks.subscription(steady.id)


def test_a_closed_dispatcher_leaves_nothing_behind(make: Make, kit: Any) -> None:
    before = set(threading.enumerate())
    hooks = make().start()
    during = set(threading.enumerate()) - before
    assert len(during) == (3 if kit.kind == "postgresql" else 2), "it also listens"
    hooks.close()
    assert wait_until(lambda: not any(thread.is_alive() for thread in during))


def test_one_whose_callback_does_not_return_closes_and_gives_back_what_it_had(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    held, free = threading.Event(), threading.Event()

    def block(event: object) -> None:
        held.set()
        free.wait(60)

    hooks = make(config={"retry_steps_ms": (60_000,)})
    hooks._on_operator_event = block
    subscribe(hooks.start())
    receiver.script([500])
    hooks.publish(PATH, "update", {"n": 0})
    assert held.wait(20)
    receiver.wait_for(1)
    hooks.publish(PATH, "update", {"n": 1})
    receiver.wait_for(2)
    assert wait_until(lambda: hooks.counters()["delivered"] == 1)
    hooks.close(grace=0.1)
    assert not hooks.delivers
    again = make().start()
    assert again.flush(timeout=20).waiting == 1
    assert len(again.deliveries(state="delivered")) == 1, "it was written down"
    assert [r.json()["data"]["n"] for r in receiver.requests] == [0, 1]
    free.set()


def test_a_forgotten_publisher_is_collected(make: Make) -> None:
    class Told:
        def __call__(self, event: object) -> None:
            """Nothing."""

    told = Told()
    hooks = Dispatcher("memory://", authorizer=make().__dict__["_authorizer"])
    hooks._on_operator_event = told
    seen = weakref.ref(told)
    del hooks, told
    gc.collect()
    assert seen() is None


INTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
    run = interpreters.exec
except ModuleNotFoundError:
    import _xxsubinterpreters as interpreters
    run = interpreters.run_string
config = "isolated" if sys.argv[2] == "isolated" else "legacy"
if sys.version_info >= (3, 13):
    id_ = interpreters.create(config)
else:
    id_ = interpreters.create(isolated=config == "isolated")
try:
    failed = run(id_, f"import {sys.argv[1]}")
    if failed is not None:
        print(failed.type.__name__, failed.msg)
except getattr(interpreters, "RunFailedError", ()) as error:
    print(error)
"""


@pytest.mark.parametrize("module", ["webhooksub", "webhooksub._core"])
@pytest.mark.parametrize("config", ["isolated", "legacy"])
def test_a_sub_interpreter_is_told_that_it_cannot(module: str, config: str) -> None:
    command = [sys.executable, "-c", INTERPRETERS, module, config]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No module named '_xxsubinterpreters'" in done.stderr:
        pytest.skip("this Python gives no interpreters")
    assert "ImportError" in done.stdout, done.stdout + done.stderr
    # Ours, or Python's own for one that shares no GIL.
    assert re.search("webhooksub.* (in a sub-interpreter|in subinterpreters)", done.stdout)


def test_a_child_forked_while_the_parent_writes_finds_the_database_free(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.02):
            hooks.publish_many([(PATH, "update", {"by": "parent"})] * 200)

    writing = threading.Thread(target=write)
    writing.start()
    codes = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                hooks.publish(PATH, "update", {"by": "child"})
                code = 0
            finally:
                os._exit(code)
        codes.append(os.waitpid(child, 0)[1])
    stop.set()
    writing.join()
    assert codes == [0] * 10
