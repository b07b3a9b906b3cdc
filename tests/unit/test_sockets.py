"""What a dispatcher does with events for sockets, beside a transport that is led by hand."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from webhooksub import Delivery, Dispatcher, Outcome, allow_all, hostcalls
from webhooksub import sockets as module
from webhooksub._core import Engine
from webhooksub.catalogs import SIDEDRAWER
from webhooksub.certificates import local_certificate
from webhooksub.errors import StoreUnavailable

PATIENCE = 15


class Wire:
    """Notes down what is sent; `answers` says what becomes of it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self.cancelled: list[str] = []
        self.answers: Callable[[str, Callable[[], None]], bool] = self.acknowledge
        self.started = self.stopped = 0

    def start(self) -> None:
        self.started += 1

    def stop(self) -> None:
        self.stopped += 1

    def acknowledge(self, sid: str, acknowledged: Callable[[], None]) -> bool:
        acknowledged()
        return True

    def send(
        self, sid: str, event: str, notification: Any, acknowledged: Callable[[], None]
    ) -> Callable[[], None] | None:
        self.sent.append((sid, event, notification["data"]))
        if not self.answers(sid, acknowledged):
            return None
        return lambda: self.cancelled.append(sid)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def hooks(wire: Wire, tmp_path: Path) -> Iterator[Dispatcher]:
    config = {"poll_ms": 30, "retry_steps_ms": (100,), "socket_ack_ms": 3_000, "grace_ms": 200}
    config |= {"socket_lease_ms": 3_000}
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    made = Dispatcher(url, authorizer=allow_all, sockets=wire, config=config)
    made.start()
    made.subscribe(
        "tenant/acme/sidedrawer",
        "any",
        connection_type="SOCKET",
        notification_messages="changed",
        expires=timedelta(days=1),
        actor="ann",
    )
    yield made
    made.close(grace=0)


def publish(hooks: Dispatcher, n: int = 1) -> None:
    hooks.publish(f"tenant/acme/sidedrawer/s{n}", "update", n)


def wait_for(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.01)
    return found


def waiting(hooks: Dispatcher, outcome: Outcome) -> Delivery:
    """The one delivery, as soon as it waits with this outcome."""

    def found() -> list[Delivery]:
        return [d for d in hooks.deliveries(state="waiting") if d.outcome is outcome]

    delivery: Delivery = wait_for(found)[0]
    return delivery


def test_the_transport_starts_and_stops_with_the_dispatcher(hooks: Dispatcher, wire: Wire) -> None:
    assert (wire.started, wire.stopped) == (1, 0)
    hooks.close()
    assert (wire.started, wire.stopped) == (1, 1)


@pytest.mark.parametrize("where", ["send", "stop", "is_open"])
def test_close_ends_while_the_hosts_code_blocks(
    hooks: Dispatcher,
    wire: Wire,
    where: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hostcalls, "HOST_SECONDS", 3.0)  # so that only who blocks is left
    held, free = threading.Event(), threading.Event()
    before = set(threading.enumerate())

    def block(*_: Any) -> bool:
        held.set()
        return free.wait(PATIENCE)

    if where == "stop":
        wire.stop = block  # type: ignore[assignment, method-assign]
    if where == "send":
        wire.answers = block
    hooks.listening.connect("ann", "a", block if where == "is_open" else lambda: True)
    publish(hooks)
    assert where == "stop" or held.wait(PATIENCE)
    began = time.monotonic()
    hooks.close()
    assert held.is_set() and time.monotonic() - began < PATIENCE
    assert [r.kind for r in caplog.records if r.kind == "callback_left"] == ["callback_left"]
    free.set()
    wait_for(lambda: not [t for t in before & set(threading.enumerate()) if "sockets" in t.name])
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


def test_a_transport_that_cannot_stop_is_logged(
    hooks: Dispatcher, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("it is gone already")

    wire.stop = fail  # type: ignore[method-assign]
    hooks.close()
    assert [r.kind for r in caplog.records if r.levelname == "ERROR"] == ["sockets_defect"]
    assert not hooks.delivers


def test_what_was_sent_is_cancelled_once_it_is_acknowledged(hooks: Dispatcher, wire: Wire) -> None:
    for sid in ("a", "b"):
        hooks.listening.connect("ann", sid, lambda: True)
    publish(hooks)
    assert hooks.flush(PATIENCE).delivered == 1
    assert wire.sent == [("a", "changed", 1), ("b", "changed", 1)]
    assert sorted(wait_for(lambda: len(wire.cancelled) == 2 and wire.cancelled)) == ["a", "b"]


def test_what_is_not_acknowledged_in_time_is_cancelled_too(hooks: Dispatcher, wire: Wire) -> None:
    hooks.listening.connect("ann", "a", lambda: True)
    wire.answers = lambda sid, acknowledged: True
    publish(hooks)
    assert waiting(hooks, Outcome.TIMEOUT).attempts >= 1
    wait_for(lambda: wire.cancelled)
    wire.answers = wire.acknowledge
    wait_for(lambda: hooks.deliveries(state="delivered"))
    assert len(wire.sent) >= 2


def test_a_connection_that_has_ended_is_as_none(hooks: Dispatcher, wire: Wire) -> None:
    hooks.listening.connect("ann", "a", lambda: True)
    wire.answers = lambda sid, acknowledged: False
    publish(hooks)
    assert waiting(hooks, Outcome.NOT_CONNECTED).attempts == 0


def test_a_transport_that_fails_is_our_own_failure(
    hooks: Dispatcher, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sid: str, acknowledged: Callable[[], None]) -> bool:
        raise RuntimeError("no wire")

    hooks.listening.connect("ann", "a", lambda: True)
    wire.answers = fail
    publish(hooks)
    assert waiting(hooks, Outcome.LOCAL_ERROR).attempts >= 1
    assert "no wire" in caplog.text
    wire.answers = wire.acknowledge
    wait_for(lambda: hooks.deliveries(state="delivered"))


def test_a_store_that_does_not_say_who_listens_is_our_own_failure(
    hooks: Dispatcher, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> dict[str, list[str]]:
        raise StoreUnavailable("gone")

    hooks.listening.connect("ann", "a", lambda: True)
    with monkeypatch.context() as patch:
        patch.setattr(hooks._store.listeners, "of", fail)
        publish(hooks)
        assert waiting(hooks, Outcome.LOCAL_ERROR).attempts >= 1
    wait_for(lambda: hooks.deliveries(state="delivered"))


def test_who_is_forgotten_as_absent_is_found_when_he_comes(
    hooks: Dispatcher, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ABSENT_MAX", 1)
    for owner in ("bob", "eve"):
        hooks.subscribe(
            "tenant/acme/sidedrawer",
            "any",
            connection_type="SOCKET",
            notification_messages="changed",
            expires=timedelta(days=1),
            actor=owner,
        )
    publish(hooks)
    wait_for(lambda: len(hooks.deliveries(state="waiting")) == 3)
    assert hooks._sockets is not None
    assert len(hooks._sockets._absent) == 1
    for owner in ("ann", "bob", "eve"):
        hooks.listening.connect(owner, f"of {owner}", lambda: True)
    wait_for(lambda: len(hooks.deliveries(state="delivered")) == 3)


def test_more_who_come_at_once_than_are_looked_after_at_once_are_all_sent_to(
    hooks: Dispatcher, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WELCOMED_MAX", 1)
    publish(hooks)
    waiting(hooks, Outcome.NOT_CONNECTED)
    for n in range(5):
        hooks.listening.connect(f"other {n}", f"sid {n}", lambda: True)
    hooks.listening.connect("ann", "a", lambda: True)
    wait_for(lambda: hooks.deliveries(state="delivered"))


def test_a_connection_whose_end_was_missed_is_noticed(wire: Wire, tmp_path: Path) -> None:
    config = {"socket_lease_ms": 300}
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    hooks = Dispatcher(url, authorizer=allow_all, sockets=wire, config=config)
    is_open = threading.Event()
    is_open.set()
    hooks.listening.connect("ann", "a", is_open.is_set)
    time.sleep(0.5)
    assert hooks._store.listeners.of(["ann"], since=0) == {"ann": ["a"]}
    is_open.clear()
    wait_for(lambda: not hooks._store.listeners.of(["ann"], since=0))
    hooks.close()


def test_an_end_that_the_store_could_not_be_told_is_told_later(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise StoreUnavailable("gone")

    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    config = {"socket_lease_ms": 300}
    hooks = Dispatcher(url, authorizer=allow_all, sockets=wire, config=config)
    hooks.listening.connect("ann", "a", lambda: True)
    with monkeypatch.context() as patch:
        patch.setattr(hooks._store.listeners, "remove", fail)
        hooks.listening.disconnect("a")
    wait_for(lambda: not hooks._store.listeners.of(["ann"], since=0))
    hooks.close()


def test_connections_end_with_their_process(wire: Wire, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    first = Dispatcher(url, authorizer=allow_all, sockets=wire)
    second = Dispatcher(url, authorizer=allow_all, sockets=wire)
    first.listening.connect("ann", "a", lambda: True)
    second.listening.connect("ann", "b", lambda: True)
    first.close()
    assert second._store.listeners.of(["ann"], since=0) == {"ann": ["b"]}
    second.close()


# --- the engine's side ----------------------------------------------------------------------


def test_an_engine_without_events_answers_in_time_or_when_it_is_woken() -> None:
    pem = local_certificate()[0]
    engine = Engine(SIDEDRAWER, {"dev": True, "sockets": True, "ca_pem": pem})
    began = time.monotonic()
    assert engine.take_events(1, 20) == []
    engine.wake_events()
    assert engine.take_events(1, 60_000) == []
    assert time.monotonic() - began < PATIENCE
    assert engine.answer_event(1, int(Outcome.SUCCESS)) is False
    engine.reopen("socket:nobody")
    for wrong in (0, 22):
        with pytest.raises(ValueError, match="outcome"):
            engine.answer_event(1, wrong)
    with pytest.raises(ValueError, match="most"):
        engine.take_events(0, 1)
    engine.close()
    engine.reopen("socket:nobody")
