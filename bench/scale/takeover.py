"""How long what a killed dispatcher held waits for another, of bench/scale."""

import time
from typing import Any

from endpoint import Endpoint
from postgres import PostgresServer
from process import CAPS, Process, dispatcher
from product import make_events, subscribe
from server import Look

from webhooksub import Config

_DEAD = 3
_HELD = "SELECT count(*) FROM webhooksub_outbox WHERE dispatcher = {}"
_STATE = "SELECT state FROM webhooksub_dispatcher WHERE seq = {}"
_WORK_SECONDS = 60.0


def stated_seconds(settings: dict[str, Any]) -> float:
    """Silence of takeover_ms is death, and who looks does so at every heartbeat."""
    config = Config.of(**settings)
    return (config.store.takeover_ms + config.dispatcher.heartbeat_ms) / 1_000


def take_over(
    server: PostgresServer, there: Endpoint, events: int, settings: dict[str, Any]
) -> float:
    """Seconds from the SIGKILL of one of two with work claimed until its work is free again."""
    config = CAPS | settings
    with server.schema() as schema, Look(server, schema) as look:
        url = server.url(schema)
        _publish(url, there, events)
        first, other = (Process(url, there, config=config) for _ in range(2))
        try:
            first.begin()
            other.begin()
            seq, _ = first.seq(), other.seq()
            _await(look, _HELD.format(seq), lambda held: held > 0, _WORK_SECONDS)
            first.kill()
            began = time.monotonic()
            assert look.value(_HELD.format(seq)), "it held nothing"
            limit = 2 * stated_seconds(settings)
            _await(look, _STATE.format(seq), lambda state: state == _DEAD, limit)
            seconds = time.monotonic() - began
            assert not look.value(_HELD.format(seq))
            assert look.await_empty(_WORK_SECONDS), "not all was delivered"
        finally:
            first.kill()
            other.kill()
    return seconds


def _publish(url: str, there: Endpoint, events: int) -> None:
    hooks = dispatcher(url, there)
    subscribe(hooks, there.url)
    for chunk in make_events(events):
        hooks.publish_many(chunk)
    hooks.close()


def _await(look: Look, question: str, enough: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not enough(look.value(question)):
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {question} did not come true")
        time.sleep(0.002)
