"""Defects put in on purpose, each to show that its prover can fail.

Those of the C core are compiled into a test build (``WHS_SABOTAGE_…``); a name listed there
needs nothing here. Those of Python are patched in. No defect stands in the product's files.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from webhooksub import _core
from webhooksub.feed import SubscriptionFeed
from webhooksub.store import joining, outbox, role, sqlite, sqlstore, transaction

IN_C = (
    "no-rev",
    "expand-at-publish",
    "no-spill",
    "no-report-slot",
    "no-retry",
    "random-id",
    "no-fairness",
    "no-queue-limit",
    "no-guard",
    "no-expiry",
    "leak-secret",
)


def ack_before_commit() -> Any:
    """A publisher is answered after a moment, whether or not it could be committed."""
    real = sqlstore.SqlStore.publish

    @functools.wraps(real)
    def publish(self: Any, events: Any) -> Any:
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.extend(real(self, events)), daemon=True)
        thread.start()
        thread.join(0.3)
        return answers or [outbox.Published(0, event.id, False) for event in events]

    return patch.object(sqlstore.SqlStore, "publish", publish)


def hand_over_uncommitted() -> Any:
    """What was written to somebody's transaction is delivered before its commit."""
    real = joining.write_events
    roles: list[role.DispatcherRole] = []
    begin = role.DispatcherRole.hand_over_to

    def hand_over_to(self: role.DispatcherRole, *callbacks: Any) -> None:
        roles.append(self)
        begin(self, *callbacks)

    def write_events(cursor: Any, events: Any, **times: Any) -> Any:
        published = real(cursor, events, **times)
        for self in roles:
            if self._take is not None:
                self._take(
                    [
                        (p.seq, e.id, e.action, e.paths, e.open_id, e.data, times["now"], 1, None)
                        for p, e in zip(published, events, strict=True)
                    ]
                )
        return published

    stack = contextlib.ExitStack()
    stack.enter_context(patch.object(role.DispatcherRole, "hand_over_to", hand_over_to))
    stack.enter_context(patch.object(joining, "write_events", write_events))
    return stack


def no_fence() -> Any:
    """A dispatcher that was declared dead writes on."""
    real = transaction.Transaction.__init__

    def init(self: Any, *fields: Any, **more: Any) -> None:
        real(self, *fields, **more)
        self.alive = True

    return patch.object(transaction.Transaction, "__init__", init)


def no_recovery() -> Any:
    """What a dead dispatcher held stays with it."""
    return patch.object(outbox, "take_over", lambda *args: None)


def synchronous_off() -> Any:
    """A commit does not wait for the disk."""
    real = sqlite.SqliteFile.__init__

    def init(self: Any, url: str, synchronous: str = "FULL", *more: Any) -> None:
        real(self, url, "OFF", *more)  # type: ignore[arg-type]

    return patch.object(sqlite.SqliteFile, "__init__", init)


def no_expiry() -> Any:
    """The date is not looked at: in C by its build, here by whoever removes what expired."""
    return patch.object(SubscriptionFeed, "expire", lambda self: None)


IN_PYTHON: dict[str, Callable[[], Any]] = {
    "ack-before-commit": ack_before_commit,
    "hand-over-uncommitted": hand_over_uncommitted,
    "no-fence": no_fence,
    "no-recovery": no_recovery,
    "synchronous-off": synchronous_off,
    "no-expiry": no_expiry,
}

_ONLY_IN_C = set(IN_C) - set(IN_PYTHON)

#: Which test each defect must turn red, and no other.
EXPECTED: dict[str, str] = {
    "ack-before-commit": "test_step_1_publish_returns_only_after_the_commit",
    "hand-over-uncommitted": "test_step_2_what_a_transaction_took_back_is_never_sent",
    "no-rev": "test_step_3_a_later_subscription_does_not_hear_an_earlier_event",
    "expand-at-publish": "test_step_4_a_queued_fan_out_holds_its_data_once",
    "no-spill": "test_step_5_what_cannot_start_soon_becomes_a_waiting_row",
    "no-report-slot": "test_step_6_an_attempt_reserves_its_report_before_it_starts",
    "no-retry": "test_step_7_a_failure_is_tried_again_by_the_schedule",
    "no-fence": "test_step_8_a_dispatcher_that_was_declared_dead_settles_nothing",
    "no-recovery": "test_step_9_the_work_of_a_dead_dispatcher_is_done_by_the_next",
    "synchronous-off": "test_promise_1_durable",
    "random-id": "test_promise_2_at_least_once",
    "no-fairness": "test_promise_3_fair",
    "no-queue-limit": "test_promise_4_bounded",
    "no-guard": "test_promise_5_inside_stays_inside",
    "no-expiry": "test_promise_6_it_ends_when_it_ends",
    "leak-secret": "test_promise_7_secrets_stay_secret",
}


@contextlib.contextmanager
def in_place(name: str) -> Iterator[None]:
    """The named defect, while inside; "" is none. Raises KeyError for an unknown name."""
    built_in = name if name in IN_C else ""
    assert built_in == _core.SABOTAGE, f"this build has {_core.SABOTAGE!r}, not {built_in!r}"
    with IN_PYTHON[name]() if name and name not in _ONLY_IN_C else contextlib.nullcontext():
        yield
