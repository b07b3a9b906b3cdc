"""The host's code that does not return: others are delivered, nothing is lost, close() ends."""

import os

import pytest
from misused import run

pytestmark = pytest.mark.timeout(240)

# Whatever blocks: `held` says that it does, `free` ends it. BY: by news of this kind alone.
BLOCKED = """
held, free, told, BY = threading.Event(), threading.Event(), [], None

def block():
    if not free.is_set():
        held.set()
        free.wait(150)

def numbers():
    return sorted(r.json()["data"]["n"] for r in receiver.requests if r.path == "/hook")

def ours():
    return {t.name for t in threading.enumerate() if t.name.startswith("webhooksub-")} \\
        - {"webhooksub-receiver"}

class Operator:
    def __call__(self, event):
        told.append(event.kind)
        if BY in (None, event.kind):
            block()

class Authorizer(type(allow_all)):
    def still_allowed(self, owner_id, root):
        if WHO == "operator" and not told:
            raise RuntimeError("the directory is down")     # which the operator is told
        if WHO == "authorizer":
            block()
        return True

class Watcher:
    def publishing(self, event_ids):
        import contextlib
        return contextlib.nullcontext()
    def settled(self, deliveries):
        block()

QUICK = {"poll_ms": 30, "grace_ms": 700, "recheck_ms": 100, "retry_steps_ms": (50,)}

def begin():
    settings = {"authorizer": Authorizer(), "dev": True, "config": QUICK}
    if WHO == "operator": settings["on_operator_event"] = Operator()
    hooks = Dispatcher(f"sqlite:///{sys.argv[1]}/hooks.db", **settings)
    if WHO == "watcher": hooks.watch(Watcher())
    return hooks.start()

def begin_and_block():
    hooks = begin()
    subscribe(hooks, receiver.url("/hook"))
    publish(hooks, 0)
    assert held.wait(30)
    return hooks
"""

DELIVERED_MEANWHILE = """
hooks = begin_and_block()
for n in range(1, 20): publish(hooks, n)
receiver.wait_for(20, timeout=30)          # by the engine, which needs no Python
subscribe(hooks, receiver.url("/other"))
assert not hooks.flush(timeout=0.5).complete
free.set()
assert hooks.flush(timeout=30).complete
assert numbers() == list(range(20)), numbers()      # once each
hooks.close()
receiver.close()
print("done")
"""

CLOSED_MEANWHILE = """
hooks = begin_and_block()
receiver.wait_for(1)
receiver.answer(500)
for n in range(1, 4): publish(hooks, n)
receiver.wait_for(4, timeout=30)
began = time.monotonic()
def flush():
    try:
        hooks.flush()
    except Closed:
        pass                               # the store was closed before it counted
waiting = threading.Thread(target=flush)
waiting.start()
hooks.close()
assert time.monotonic() - began < 60, time.monotonic() - began
waiting.join(30)
assert not waiting.is_alive()
assert not hooks.delivers
expect(Closed, lambda: publish(hooks, 9))
# What it has is free at once, and settled as far as it was known.
WHO = "nobody"
receiver.answer(200)
with begin() as again:
    assert again.flush(timeout=60).complete
    until = time.monotonic() + 30
    while len(numbers()) < 7 and time.monotonic() < until: time.sleep(0.05)
    assert [n for n in set(numbers())] == [0, 1, 2, 3], numbers()
    assert numbers().count(0) == 1, numbers()
    assert again.stats()["waiting"] == again.stats()["quarantined"] == 0, again.stats()
    free.set()                             # its thread ends, and touches nothing any more
    until = time.monotonic() + 30
    while len([t for t in threading.enumerate() if t.name == "webhooksub-delivery"]) > 1:
        assert time.monotonic() < until, ours()
        time.sleep(0.02)
    publish(again, 10)
    assert again.flush(timeout=30).complete
assert numbers()[-1] == 10
assert not ours(), ours()
receiver.close()
print("done")
"""

WHOM = ["operator", "authorizer", "watcher"]


@pytest.mark.parametrize("who", WHOM)
def test_others_are_delivered_while_a_callback_blocks(tmp_path: os.PathLike[str], who: str) -> None:
    run(f"WHO = {who!r}\n{BLOCKED}{DELIVERED_MEANWHILE}", tmp_path)


@pytest.mark.parametrize("who", WHOM)
def test_close_ends_while_a_callback_blocks_and_the_next_one_delivers_what_is_left(
    tmp_path: os.PathLike[str], who: str
) -> None:
    said = run(f"WHO = {who!r}\n{BLOCKED}{CLOSED_MEANWHILE}", tmp_path)
    assert "a callback has not returned" in said
    assert "Traceback" not in said


EXITS = """
hooks = begin_and_block()
print("done", flush=True)
"""


@pytest.mark.parametrize("who", WHOM)
def test_an_interpreter_ends_while_a_callback_blocks(tmp_path: os.PathLike[str], who: str) -> None:
    run(f"WHO = {who!r}\n{BLOCKED}{EXITS}", tmp_path, seconds=100)


CTRL_C = """
hooks = begin_and_block()
def press():
    time.sleep(0.4)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press).start()
began = time.monotonic()
expect(KeyboardInterrupt, lambda: hooks.close(grace=100))
assert time.monotonic() - began < 60, time.monotonic() - began
WHO = "nobody"
with begin() as again:
    publish(again, 1)
    assert again.flush(timeout=30).complete
assert set(numbers()) == {0, 1}, numbers()
receiver.close()
print("done")
"""


def test_ctrl_c_ends_the_grace_of_a_callback(tmp_path: os.PathLike[str]) -> None:
    run(f"WHO = 'operator'\n{BLOCKED}{CTRL_C}", tmp_path)


# On the thread that writes for all: nobody may wait for the host's code there.
UNRESOLVED = """
from webhooksub import Catalog
other, BY = Catalog.of("tenant/{tenantId}/order/{orderId}"), "unresolved"
hooks = begin()
subscribe(hooks, receiver.url("/hook"), max_retries=0)
assert hooks.flush(timeout=10).complete
# Published here, so that the writer's thread finds out that its path is not known.
began = time.monotonic()
hooks._publication._catalog = other
hooks.publish("tenant/acme/order/o1", "create")
hooks._publication._catalog = hooks.catalog
assert held.wait(30), told
publish(hooks, 1)
assert time.monotonic() - began < 60, time.monotonic() - began
receiver.wait_for(1, timeout=30)
hooks.close()
free.set()
receiver.close()
print("done")
"""


def test_publishing_waits_for_no_callback(tmp_path: os.PathLike[str]) -> None:
    run(f"WHO = 'operator'\n{BLOCKED}{UNRESOLVED}", tmp_path)


CLOSES_ITSELF = """
ended = threading.Event()
def told(event):
    if event.kind == "failing" and not ended.is_set():
        hooks.close()
        ended.set()

receiver.script([400])
hooks = make(on_operator_event=told, config={"poll_ms": 30, "grace_ms": 700}).start()
subscribe(hooks, receiver.url("/hook"))
publish(hooks, 0)
assert ended.wait(30)
until = time.monotonic() + 20
while time.monotonic() < until and any(
        t.name == "webhooksub-delivery" for t in threading.enumerate()):
    time.sleep(0.02)
assert not [t for t in threading.enumerate() if t.name == "webhooksub-delivery"]
expect(Closed, lambda: publish(hooks, 1))
hooks.close()
with make() as again:
    publish(again, 2)
    assert again.flush(timeout=30).complete
assert {"n": 2} in [r.json()["data"] for r in receiver.requests]
receiver.close()
print("done")
"""


def test_a_callback_may_close_the_dispatcher_that_calls_it(tmp_path: os.PathLike[str]) -> None:
    assert "Traceback" not in run(CLOSES_ITSELF, tmp_path)


# On the thread of whoever calls: `allows` and `publishing` keep that call, and nobody else's.
CALLERS = """
import contextlib
held, free, published = threading.Semaphore(0), threading.Event(), []

def block():
    held.release()
    free.wait(150)

class Authorizer(type(allow_all)):
    def allows(self, actor, root, operation):
        if actor == "slow": block()
        return True

class Watcher:
    def publishing(self, event_ids):
        if threading.current_thread().name == "slow": block()
        return contextlib.nullcontext()
    def settled(self, deliveries): pass

hooks = Dispatcher(f"sqlite:///{sys.argv[1]}/hooks.db", authorizer=Authorizer(), dev=True,
                   config={"poll_ms": 30, "grace_ms": 500}).start()
hooks.watch(Watcher())
subscribe(hooks, receiver.url("/hook"))
ended = []

def call(one):
    try:
        one()
        ended.append("done")
    except Closed:
        ended.append("closed")

slow = [threading.Thread(target=call, args=(one,), name="slow") for one in (
    lambda: subscribe(hooks, receiver.url("/slow"), actor="slow"), lambda: publish(hooks, 99))]
for thread in slow: thread.start()
for _ in slow: assert held.acquire(timeout=30)
began = time.monotonic()
subscribe(hooks, receiver.url("/other"))
for n in range(5): publish(hooks, n)
assert hooks.flush(timeout=30).complete
hooks.close()
assert time.monotonic() - began < 60, time.monotonic() - began
assert len(receiver.requests) == 10 and not ended
free.set()
for thread in slow: thread.join(30)
assert ended == ["closed", "closed"], ended      # and so was told to nobody as done
receiver.close()
print("done")
"""


def test_a_callback_on_a_callers_thread_keeps_that_call_alone(
    tmp_path: os.PathLike[str],
) -> None:
    run(CALLERS, tmp_path)
