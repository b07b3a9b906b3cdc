"""What a host may do to a dispatcher in its own process: threads, signals, callbacks.

Each case runs in an interpreter of its own, with warnings as errors, under a limit of time.
"""

import os
import re

import pytest
from misused import BEGIN, run

from webhooksub import Dispatcher

pytestmark = pytest.mark.timeout(240)


# --- Threads. ---------------------------------------------------------------------------------

EVERY_METHOD = """
import asyncio, base64
ring = {"keyring": "7:" + base64.b64encode(bytes(range(32))).decode()}
hooks = make(config={"poll_ms": 30} | ring).start()
told = subscribe(hooks, receiver.url("/steady"), integrity_key="k" * 32)
event = publish(hooks)
hooks.flush(timeout=30)
KEY, EPOCH = "k" * 32, datetime(1970, 1, 2, tzinfo=UTC)

def come_and_go():
    info = subscribe(hooks, receiver.url("/other"), integrity_key=KEY)
    hooks.pause(info.id), hooks.resume(info.id), hooks.renew(info.id, DAY)
    hooks.rotate_secret(info.id), hooks.update(info.id, brand_code="b")
    hooks.unsubscribe(info.id)

CALLS = [
    lambda: publish(hooks), lambda: hooks.publish_many([(f"{RECORDS}/r1", "update", 1)] * 3),
    lambda: hooks.flush(timeout=5), come_and_go, hooks.stats, hooks.wake, hooks.check,
    hooks.subscriptions, hooks.subscription_page, lambda: hooks.subscription(told.id),
    lambda: hooks.deliveries(event=event.id), lambda: hooks.delivery_page(told.id),
    lambda: hooks.attempts(event.id, told.id), lambda: hooks.explain(f"{RECORDS}/r1", "update"),
    lambda: hooks.replay(event=event.id), lambda: hooks.send_test(told.id), lambda: hooks.delivers,
    lambda: hooks.prune(EPOCH), lambda: hooks.parse(told.subscription.to_json()),
    lambda: repr(hooks), lambda: hooks.start(), hooks.counters, hooks.counts, hooks.event_page,
    lambda: hooks.event(event.id), lambda: hooks.request(event.id, told.id), hooks.rotate_keys,
    lambda: hooks.purge("tenant/nobody"), lambda: hooks.watch(None), lambda: hooks.clock(),
    lambda: hooks.listening.disconnect("nobody"), lambda: hooks.offers_sockets,
    lambda: hooks.authorizer, lambda: asyncio.run(awaited()),
]

async def awaited():
    await hooks.asubscribe(RECORDS, "any", receiver.url("/other"), expires=DAY)
    await hooks.apublish(f"{RECORDS}/r1", "update")
    await hooks.aflush(timeout=5)

failures = []
gate = threading.Barrier(32)

def work(number):
    gate.wait(60)
    try:
        for n in range(len(CALLS)):
            CALLS[(number + n) % len(CALLS)]()
    except BaseException as error:
        failures.append((number, error))

threads = [threading.Thread(target=work, args=(n,)) for n in range(32)]
for thread in threads: thread.start()
for thread in threads: thread.join(150)
assert not any(thread.is_alive() for thread in threads)
assert not failures, failures
assert hooks.flush(timeout=30).complete
hooks.close()
receiver.close()
print("done")
"""


def test_thirty_two_threads_call_every_method(tmp_path: os.PathLike[str]) -> None:
    called = set(re.findall(r"hooks\.(\w+)", BEGIN + EVERY_METHOD))
    assert {name for name in dir(Dispatcher) if name[0] != "_"} - called == {"in_memory"}
    run(EVERY_METHOD, tmp_path)


CLOSING = """
hooks = make().start()
subscribe(hooks, receiver.url("/hook"))
wrong, closed, published = [], [], itertools.count()
gate = threading.Barrier(32)

def work(number):
    gate.wait(60)
    try:
        if number % 8 == 0:
            time.sleep(0.2)
            hooks.close()
        while True:
            (hooks.publish_many if number % 2 else publish_one)(BATCH)
            next(published)
    except Closed:
        closed.append(number)
    except BaseException as error:
        wrong.append(error)

BATCH = [(f"{RECORDS}/r1", "update", None)] * 2
def publish_one(_): publish(hooks)

threads = [threading.Thread(target=work, args=(n,)) for n in range(32)]
for thread in threads: thread.start()
for thread in threads: thread.join(150)
assert not wrong, wrong
assert sorted(closed) == list(range(32)), closed
hooks.close()
for call in (lambda: publish(hooks), hooks.flush, hooks.start, hooks.subscriptions):
    expect(Closed, call)
receiver.close()
print("done")
"""


def test_a_dispatcher_that_many_close_while_many_publish_ends_each_call_with_closed(
    tmp_path: os.PathLike[str],
) -> None:
    run(CLOSING, tmp_path)


# --- Signals. ---------------------------------------------------------------------------------

INTERRUPTED = """
receiver.answer(delay=30)
hooks = make(config={"poll_ms": 30, "grace_ms": 20_000}).start()
subscribe(hooks, receiver.url("/hook"))
event = publish(hooks)
receiver.wait_for(1)

def press(times):
    def go():
        for _ in range(times):
            time.sleep(0.4)
            os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=go)
    thread.start()
    return thread

pressing, began = press(1), time.monotonic()
expect(KeyboardInterrupt, lambda: hooks.flush(timeout=25))
pressing.join()
pressing = press(2)
try:
    hooks.close()
except KeyboardInterrupt:
    try:
        time.sleep(10)  # the second finds us wherever we are
    except KeyboardInterrupt:
        pass
pressing.join()
assert time.monotonic() - began < 15, time.monotonic() - began
hooks.close(grace=0)
def ours():
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if name.startswith("webhooksub")} - {"webhooksub-receiver"}
while ours() and time.monotonic() - began < 30: time.sleep(0.05)
assert not ours(), ours()
receiver.answer()
again = make().start()
assert again.deliveries(event=event.id), "the row is lost"
again.close()
receiver.close()
print("done")
"""


def test_ctrl_c_ends_flush_and_close_and_loses_no_row(tmp_path: os.PathLike[str]) -> None:
    run(INTERRUPTED, tmp_path)


PRESSED_WHILE_PUBLISHING = """
hooks = make().start()
subscribe(hooks, receiver.url("/hook"))
told, pressed = [], 0
stop = threading.Event()

def press():
    while not stop.wait(0.02):
        os.kill(os.getpid(), signal.SIGINT)

pressing = threading.Thread(target=press)
pressing.start()
n = 0
while pressed < 25:
    try:
        told.append(publish(hooks, n).id)
        n += 1
    except KeyboardInterrupt:
        pressed += 1
while True:
    try:
        stop.set()
        pressing.join()
        time.sleep(0.1)
        break
    except KeyboardInterrupt:
        pass
assert hooks.flush(timeout=60).complete
delivered = {r.json()["data"]["n"] for r in receiver.requests}
assert delivered >= set(range(n)), set(range(n)) - delivered
hooks.close()
receiver.close()
print("done")
"""


def test_ctrl_c_in_publish_loses_nothing_that_was_acknowledged(
    tmp_path: os.PathLike[str],
) -> None:
    run(PRESSED_WHILE_PUBLISHING, tmp_path)


# --- Callbacks. -------------------------------------------------------------------------------

CALLBACKS = """
seen = []
holder = {}

def told(event):
    seen.append(event)
    hooks = holder.get("hooks")
    if hooks is not None:
        hooks.stats(), hooks.subscriptions(), publish(hooks, 99)   # re-enters
    holder.pop("hooks", None)                                      # drops the dispatcher
    gc.collect()
    raise RuntimeError("a callback that raises")

receiver.answer(500)
hooks = make(on_operator_event=told, config={"poll_ms": 30, "retry_steps_ms": (20,)}).start()
holder["hooks"] = hooks
subscribe(hooks, receiver.url("/hook"), max_retries=0)
publish(hooks)
until = time.monotonic() + 30
while not seen and time.monotonic() < until: time.sleep(0.02)
assert seen
receiver.answer(200)
subscribe(hooks, receiver.url("/good"))
publish(hooks, 1)
hooks.flush(timeout=30)
assert any(r.path == "/good" and r.json()["data"] == {"n": 1} for r in receiver.requests)
hooks.close()
receiver.close()
print("done")
"""


def test_a_callback_may_raise_reenter_and_drop_the_dispatcher(
    tmp_path: os.PathLike[str],
) -> None:
    assert "a callback that raises" in run(CALLBACKS, tmp_path)


CYCLES = """
import weakref
class Told:
    def __call__(self, event): pass
gone = []
for n in range(20):
    told = Told()
    hooks = Dispatcher("memory://", authorizer=allow_all, dev=True, on_operator_event=told)
    told.hooks = hooks      # a cycle through what it calls
    if n % 2:
        hooks.start()
        subscribe(hooks, receiver.url("/hook"))
        publish(hooks)
        hooks.close()
    gone.append(weakref.ref(told))
    del hooks, told
    gc.collect()
assert not [g for g in gone[:-1] if g() is not None], [g() for g in gone]

stop = threading.Event()
def collect():
    # Without a GIL a collection stops all threads: they must get a turn between two.
    while not stop.wait(0.001): gc.collect()
collecting = threading.Thread(target=collect)
collecting.start()
with make() as hooks:
    subscribe(hooks, receiver.url("/hook"))
    for n in range(50): publish(hooks, n)
    assert hooks.flush(timeout=60).delivered == 50
stop.set()
collecting.join()
receiver.close()
print("done")
"""


@pytest.mark.parametrize("environ", [{}, {"PYTHONMALLOC": "debug"}], ids=["", "malloc=debug"])
def test_cycles_are_collected_and_collecting_disturbs_nobody(
    tmp_path: os.PathLike[str], environ: dict[str, str]
) -> None:
    run(CYCLES, tmp_path, environ=environ)


# --- The process' own settings. ---------------------------------------------------------------

SETTINGS = """
import locale
with make() as hooks:
    subscribe(hooks, receiver.url("/hook"))
    for n, zone in enumerate(("UTC", "Asia/Kathmandu", "No/Where", "<+14>-14")):
        os.environ["TZ"] = zone
        time.tzset()
        for name in ("C", "C.UTF-8", ""):
            locale.setlocale(locale.LC_ALL, name)
        info = subscribe(hooks, receiver.url("/other"))
        away = info.subscription.expires - datetime.now(UTC)
        assert abs(away - DAY) < timedelta(minutes=5), away
        hooks.unsubscribe(info.id)
        publish(hooks, n)
    assert hooks.flush(timeout=60).complete
    times = [r.json()["rawTime"] for r in receiver.requests if r.path == "/hook"]
    now = datetime.now(UTC)
    assert len(times) == 4
    assert all(abs(datetime.fromisoformat(t) - now) < timedelta(minutes=5) for t in times), times
receiver.close()
print("done")
"""


def test_changes_of_locale_and_time_zone_move_no_instant(tmp_path: os.PathLike[str]) -> None:
    run(SETTINGS, tmp_path, environ={"LC_ALL": "C.UTF-8"})
