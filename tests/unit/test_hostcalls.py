"""The host's code on the delivery thread: told there, waited for or left behind."""

import threading

import pytest

from webhooksub import OperatorEvent
from webhooksub.hostcalls import HostCalls, LeftBehind

EVENT = OperatorEvent("fenced", "another dispatcher took this one's work over")


def test_a_thread_that_runs_nothing_of_the_hosts_is_not_left() -> None:
    told: list[OperatorEvent] = []
    calls = HostCalls(told.append)
    assert not calls.leave()
    calls.tell(EVENT)
    assert told == [EVENT]
    assert not calls.leave()
    assert not calls.left


def test_one_that_was_left_ends_where_the_code_returns_and_tells_nothing_more() -> None:
    entered, free = threading.Event(), threading.Event()
    told: list[OperatorEvent] = []
    ends: list[str] = []

    def tell(event: OperatorEvent) -> None:
        told.append(event)
        entered.set()
        free.wait(30)

    calls = HostCalls(tell)

    def deliver() -> None:
        try:
            calls.tell(EVENT)
            ends.append("went on")
        except LeftBehind:
            ends.append("left")

    thread = threading.Thread(target=deliver)
    thread.start()
    assert entered.wait(30)
    assert calls.leave()
    assert calls.left
    calls.tell(EVENT)  # by who closes: at once, and to nobody
    free.set()
    thread.join(30)
    assert (told, ends) == ([EVENT], ["left"])


def test_what_the_hosts_code_raises_is_raised() -> None:
    calls = HostCalls(lambda event: None)
    with pytest.raises(KeyError), calls.running():
        raise KeyError
    assert not calls.leave()


def test_what_is_deferred_is_told_once_and_in_order_by_whoever_asks_for_it() -> None:
    told: list[tuple[str, int]] = []
    calls = HostCalls(lambda event: told.append((event.kind, threading.get_ident())))

    def publish() -> None:
        with calls.deferring():
            calls.tell(OperatorEvent("unresolved", "first"))
            calls.tell(OperatorEvent("dead", "second"))
        calls.tell(OperatorEvent("failing", "at once"))

    thread = threading.Thread(target=publish)
    thread.start()
    thread.join(30)
    assert [kind for kind, _ in told] == ["failing"]
    calls.tell_deferred()
    calls.tell_deferred()
    here = threading.get_ident()
    assert told[1:] == [("unresolved", here), ("dead", here)]


def test_what_was_deferred_does_not_keep_who_closes_after_it_was_left() -> None:
    told: list[OperatorEvent] = []
    calls = HostCalls(told.append)
    with calls.deferring():
        calls.tell(EVENT)
    with pytest.raises(LeftBehind), calls.running():
        assert calls.leave()
    with calls.deferring():
        calls.tell(EVENT)
    calls.tell_deferred()
    assert told == []
