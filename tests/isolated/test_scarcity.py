"""A process that has run out of something: what was acknowledged is delivered later."""

import os
from pathlib import Path

import pytest
from misused import run

from webhooksub.testing import Receiver

pytestmark = pytest.mark.timeout(240)

SCARCE = """
import resource
receiver.answer(200)
hooks = make(config={"poll_ms": 30, "retry_steps_ms": (1_000,) * 20, "retry_jitter": 0},
             ca_pem=receiver.ca_pem).start()
subscribe(hooks, receiver.url("/hook"))
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []

def fill():
    try:
        while True: held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        assert error.errno == 24

# What a thread had open for a moment, a folder that it flushed, is free again a moment later.
for _ in range(10):
    fill()
    time.sleep(0.05)
event = publish(hooks)               # needs no new descriptor
until = time.monotonic() + 60
while not hooks.deliveries(event=event.id) and time.monotonic() < until:
    time.sleep(0.05)
time.sleep(1)
[delivery] = hooks.deliveries(event=event.id)
assert delivery.state.name != "DELIVERED", delivery
fill()
expect((WebhooksubError, OSError), lambda: Dispatcher("sqlite:///other.db", authorizer=allow_all)
       .publish(f"{RECORDS}/r1", "update"))
for fd in held: os.close(fd)
until = time.monotonic() + 60
while not receiver.requests and time.monotonic() < until:
    time.sleep(0.1)
assert [r.json()["data"] for r in receiver.requests] == [{"n": 0}]
hooks.close()
receiver.close()
print("done")
"""


def test_without_descriptors_an_event_waits_and_is_delivered_later(
    tmp_path: os.PathLike[str],
) -> None:
    run(SCARCE, tmp_path)


# The receiver is another process', so that what fails is the dispatcher's.
STARVED = """
import random, resource
receiver.close()
RETRY = {"poll_ms": 30, "retry_steps_ms": (200,) * 30, "retry_jitter": 0, "retry_max_retries": 30}
URL, SEED = os.environ["URL"], int(os.environ["SEED"])
with open(sys.argv[1] + "/ca.pem", "rb") as file: CA = file.read()

def begin():
    return make(ca_pem=CA, config=RETRY).start()

def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

def limit(more):
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if more is None else used() + more, most))

# A spare block is given back where an error is noted down: that needs a little, too.
BLOCKS, STEPS, WRONG = (1 << 20, 1 << 16, 1 << 12, 1 << 9), (1, 10, 100, 1000), (
    MemoryError, WebhooksubError)
PATHS, PADS = [f"{RECORDS}/r{n}" for n in range(16)], ["", "y" * 20_000]
kept, spare, told, errors = [], [bytes(4 << 20)], [], []

def fill():
    for block in BLOCKS:
        try:
            while True: kept.append(bytes(block))
        except MemoryError:
            pass

def has_seen_enough():
    return min(len(told), errors.count("MemoryError")) > 20

# For so long at least, and at most: without a GIL memory fills slowly.
def publish_starving(hooks, seconds, most, chance):
    n, begun = 0, time.monotonic()
    while (spent := time.monotonic() - begun) < seconds or spent < most and not has_seen_enough():
        n += 1
        try:
            hooks.publish(PATHS[n % 16], "update", {"n": n, "pad": PADS[n % 2]})
            told.append(n)
        except WRONG as error:
            spare.clear()
            errors.append(type(error).__name__)
        try:
            if not spare:
                del kept[-3000:]
                spare.append(bytes(4 << 20))
            if chance.random() < 0.5:
                fill()
                if chance.random() < 0.3: time.sleep(0.05)      # so that others starve as well
            else:
                del kept[-chance.choice(STEPS):]
        except MemoryError:
            spare.clear()

hooks = begin()
subscribe(hooks, URL)
publish(hooks, 0)
assert hooks.flush(timeout=30).complete
limit(8 << 20)
publish_starving(hooks, 5, 60, random.Random(SEED))
limit(None)
kept.clear()
assert has_seen_enough(), (told, errors)
if not hooks.delivers:          # it ended by itself, and said so: a supervisor begins anew
    hooks.close()
    hooks = begin()
assert hooks.flush(timeout=60).complete
assert hooks.stats()["waiting"] == hooks.stats()["outbox"] == hooks.stats()["dead"] == 0
hooks.close()
with open(sys.argv[1] + "/told", "w") as file: print(*told, file=file)
print("done")
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_without_memory_a_caller_is_told_so_and_what_was_acknowledged_is_delivered(
    tmp_path: Path, seed: int
) -> None:
    with Receiver() as receiver:
        (tmp_path / "ca.pem").write_bytes(receiver.ca_pem)
        environ = {"URL": receiver.url("/hook"), "SEED": str(seed)}
        run(STARVED, tmp_path, environ=environ)
        delivered = {request.json()["data"]["n"] for request in receiver.requests}
    told = {int(number) for number in (tmp_path / "told").read_text().split()}
    assert told <= delivered, told - delivered
