"""One test for each of the seven promises, in the words of the documentation."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from seen import PATH, wait_until

from webhooksub import Dispatcher, Subscription, ValidationError
from webhooksub.testing import Receiver

Make = Callable[..., Dispatcher]
Subscribe = Callable[..., str]

ACKNOWLEDGE = """
import os, sys
sys.path[:0] = sys.argv[2:]
import sabotage
from webhooksub import Dispatcher, allow_all
import warnings
warnings.simplefilter("ignore")
with sabotage.in_place(os.environ.get("SABOTAGE", "")):
    hooks = Dispatcher(sys.argv[1], authorizer=allow_all)
    for n in range(5):
        hooks.publish("tenant/acme/sidedrawer/s1", "update", {"n": n})
        os.write(1, b"acknowledged\\n")
    hooks.close()
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows what reaches the disk")
def test_promise_1_durable(database: Path, tmp_path: Path) -> None:
    """Each acknowledgement has a sync of the database behind it, not in front of it."""
    trace = tmp_path / "trace"
    here = str(Path(__file__).parent)
    subprocess.run(
        ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=fdatasync,fsync,write"]
        + [sys.executable, "-c", ACKNOWLEDGE, f"sqlite:///{database}", here],
        check=True,
        capture_output=True,
        timeout=60,
    )
    synced, acknowledged = False, 0
    for line in trace.read_text().splitlines():
        if "sync(" in line and "= 0" in line:
            synced = True
        if 'write(1, "acknowledged' in line:
            assert synced, "acknowledged before the disk had it"
            synced, acknowledged = False, acknowledged + 1
    assert acknowledged == 5


def test_promise_2_at_least_once(make: Make, receiver: Receiver, subscribe: Subscribe) -> None:
    """Delivered again, a notification has the same id."""
    hooks = make().start()
    subscription = subscribe(hooks)
    event = hooks.publish(PATH, "update", {"n": 1})
    assert hooks.flush(timeout=10).delivered == 1
    assert hooks.replay(event=event.id, subscription=subscription) == 1
    assert hooks.flush(timeout=10).delivered == 1
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.json()["id"] == second.json()["id"]


def test_promise_3_fair(make: Make, subscribe: Subscribe) -> None:
    """A slow origin delays only itself, though it has the longer queue."""
    with Receiver() as slow, Receiver() as quick:
        slow.answer(delay=0.4)
        hooks = make(in_flight_max=4, spill_after_ms=60_000).start()
        subscribe(hooks, url=slow.url("/slow"))
        hooks.publish_many([(PATH, "update", {"n": n}) for n in range(60)])
        assert wait_until(lambda: hooks.stats()["in_flight"] == 4)
        subscribe(hooks, url=quick.url("/quick"))
        hooks.publish(PATH, "update", {"n": "late"})
        assert wait_until(lambda: len(quick.requests) == 1, 20)
        assert len(slow.requests) < 40, "it waited for the slow one"


def test_promise_4_bounded(make: Make, receiver: Receiver, subscribe: Subscribe) -> None:
    """The queue in memory stops at its limit; the store takes the rest; all arrives."""
    receiver.answer(delay=1)
    hooks = make(queue_bytes_max=500_000, spill_after_ms=60_000).start()
    subscribe(hooks)
    most = 0
    for n in range(60):
        hooks.publish(PATH, "update", {"n": n, "text": "x" * 50_000})
        most = max(most, hooks.stats()["queued_bytes"])
    assert most < 1_000_000, f"{most} bytes queued"
    receiver.answer(delay=0)
    assert hooks.flush(timeout=30).complete
    assert {r.json()["data"]["n"] for r in receiver.requests} == set(range(60))


def test_promise_5_inside_stays_inside(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    """No byte goes to a loopback address without dev=True, whatever the name."""
    subscribe(make(), url=receiver.url("/hook"))
    hooks = make(dev=False).start()
    hooks.publish(PATH, "update", {"n": 1})
    assert wait_until(lambda: bool(hooks.deliveries()))
    assert hooks.deliveries()[0].outcome.name == "BLOCKED_ADDRESS"
    assert receiver.connections == 0


def test_promise_6_it_ends_when_it_ends(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    """Nothing starts after expirationDateTime, though it was queued before."""
    receiver.answer(delay=4)
    hooks = make(
        in_flight_per_subscription=1, spill_after_ms=60_000, total_timeout_ms=8_000
    ).start()
    subscribe(hooks, expires=timedelta(seconds=3))
    hooks.publish_many([(PATH, "update", {"n": n}) for n in range(4)])
    time.sleep(6)
    assert wait_until(lambda: len(hooks.deliveries()) == 4)
    assert len(receiver.requests) == 1
    states = sorted(d.state.name for d in hooks.deliveries())
    assert states == ["DELIVERED", "EXPIRED", "EXPIRED", "EXPIRED"]


def test_promise_7_secrets_stay_secret(receiver: Receiver) -> None:
    """A key is in no repr and no error."""
    secret = "canary-" + "c" * 32
    value = Subscription(
        resource="tenant/acme/sidedrawer",
        modification_type="any",
        notification_url="https://example.com/hook",
        expires="2099-01-01T00:00:00Z",
        integrity_key=secret,
    )
    shown = [repr(value), str(value), value.to_json(), repr(value.__reduce__())]
    for wrong in ("whsec_" + secret, secret + "\n", secret * 20):
        with pytest.raises(ValidationError) as caught:
            value.replace(integrity_key=wrong, brand_code="\n")
        shown += [str(caught.value), repr(caught.value)]
    for text in shown:
        assert secret not in text
