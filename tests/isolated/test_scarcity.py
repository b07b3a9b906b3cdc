"""A process that has run out of something: what was acknowledged is delivered later."""

import os

import pytest
from misused import run

pytestmark = pytest.mark.timeout(240)

SCARCE = """
import resource
receiver.answer(200)
hooks = make(config={"poll_ms": 30, "retry_steps_ms": (1_000,) * 20, "retry_jitter": 0},
             ca_pem=receiver.ca_pem).start()
subscribe(hooks, receiver.url("/hook"))
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
try:
    while True: held.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    assert error.errno == 24
event = publish(hooks)               # needs no new descriptor
time.sleep(1)
[delivery] = hooks.deliveries(event=event.id)
assert delivery.state.name != "DELIVERED", delivery
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
