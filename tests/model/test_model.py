"""Random lives of a dispatcher and its SQLite file, against the model of dispatcher_machine.py."""

from typing import Any
from unittest.mock import patch

import pytest
from dispatcher_machine import DispatcherMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from webhooksub.store import deliveries, due, outbox, subscriptions

LIVES = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
# A defect is looked for in the same lives each time, and its shortest is not.
SAME_LIVES = settings(
    LIVES, max_examples=60, derandomize=True, database=None, phases=[Phase.generate]
)


def lead(kit: Any, folders: Any, how: settings) -> None:
    run_state_machine_as_test(
        lambda: DispatcherMachine(type(kit)(folders.mktemp("life"))), settings=how
    )


@pytest.mark.timeout(600)
def test_no_life_breaks_a_promise(kit: Any, tmp_path_factory: Any) -> None:
    lead(kit, tmp_path_factory, LIVES)


def nothing(*_: Any, **__: Any) -> None:
    """In place of what must be done."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("module", "name", "defect", "said"),
    [
        (outbox, "take_over", nothing, "stays in the outbox"),
        (outbox, "_with_settled", lambda _, claimed: claimed, "event"),
        (due, "take_over", nothing, "found == "),
        (deliveries, "delete_outbox", nothing, "stats"),
        (subscriptions, "cancel_waiting", lambda *_: 0, "found == "),
    ],
)
def test_a_defect_is_found(
    kit: Any, tmp_path_factory: Any, module: Any, name: str, defect: Any, said: str
) -> None:
    with patch.object(module, name, defect), pytest.raises(BaseException) as found:  # noqa: PT011
        lead(kit, tmp_path_factory, SAME_LIVES)
    assert said in repr(found.value) + str(found.getrepr()), found.value
