"""Random lives of a dispatcher and its database, against the model of dispatcher_machine.py."""

from typing import Any
from unittest.mock import patch

import pytest
from dispatcher_machine import DispatcherMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from webhooksub.store import due, outbox, subscriptions
from webhooksub.store.hot import SqliteStatements
from webhooksub.store.postgres_hot import PostgresStatements

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


# A life on a server takes longer: fewer of them.
LIVES_ON = {"sqlite": LIVES, "postgresql": settings(LIVES, max_examples=8)}


def lead(kit: Any, folders: Any, how: settings) -> None:
    run_state_machine_as_test(
        lambda: DispatcherMachine(kit.another(folders.mktemp("life"))), settings=how
    )


@pytest.mark.timeout(600)
def test_no_life_breaks_a_promise(kit: Any, tmp_path_factory: Any) -> None:
    lead(kit, tmp_path_factory, LIVES_ON[kit.kind])


# Of each kind of store, where its hot statements are.
STATEMENTS = {"sqlite": SqliteStatements, "postgresql": PostgresStatements}


def nothing(*_: Any, **__: Any) -> None:
    """In place of what must be done."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("module", "name", "defect", "said"),
    [
        (outbox, "take_over", nothing, "stays in the outbox"),
        (outbox, "_with_settled", lambda _, claimed: claimed, "event"),
        (due, "take_over", nothing, "found == "),
        (STATEMENTS, "delete_outbox", nothing, "stats"),
        (subscriptions, "cancel_waiting", lambda *_: 0, "found == "),
    ],
)
def test_a_defect_is_found(
    kit: Any, tmp_path_factory: Any, module: Any, name: str, defect: Any, said: str
) -> None:
    place = module[kit.kind] if isinstance(module, dict) else module
    with patch.object(place, name, defect), pytest.raises(BaseException) as found:  # noqa: PT011
        lead(kit, tmp_path_factory, SAME_LIVES)
    assert said in repr(found.value) + str(found.getrepr()), found.value
