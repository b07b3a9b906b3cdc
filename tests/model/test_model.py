"""Random lives of a dispatcher and its database, against the model of dispatcher_machine.py."""

from typing import Any
from unittest.mock import patch

import pytest
from dispatcher_machine import DispatcherMachine
from hypothesis import HealthCheck, Phase, seed, settings
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
# A defect is looked for until it is found, and its shortest life is not. Seeds do not fix how
# many lives that takes: constants are also drawn from the modules that were imported before.
SAME_LIVES = settings(LIVES, max_examples=1_000, database=None, phases=[Phase.generate])


# A life on a server takes longer: fewer of them.
LIVES_ON = {"sqlite": LIVES, "postgresql": settings(LIVES, max_examples=8)}


def lead(kit: Any, folders: Any, how: settings, begin: int | None = None) -> None:
    """Lives drawn by chance, or by a seed to begin with."""

    def live() -> DispatcherMachine:
        return DispatcherMachine(kit.another(folders.mktemp("life")))

    run_state_machine_as_test(live if begin is None else seed(begin)(live), settings=how)


@pytest.mark.timeout(600)
def test_no_life_breaks_a_promise(kit: Any, tmp_path_factory: Any) -> None:
    lead(kit, tmp_path_factory, LIVES_ON[kit.kind])


# Of each kind of store, where its hot statements are.
STATEMENTS = {"sqlite": SqliteStatements, "postgresql": PostgresStatements}


def nothing(*_: Any, **__: Any) -> None:
    """In place of what must be done."""


# The seed is one that finds it within a few lives; others find it later.
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("module", "name", "defect", "said", "begin"),
    [
        (outbox, "take_over", nothing, "stays in the outbox", 0),
        (outbox, "_with_settled", lambda _, claimed: claimed, "event", 0),
        (due, "take_over", nothing, "found == ", 9),
        (STATEMENTS, "delete_outbox", nothing, "stats", 6),
        (subscriptions, "cancel_waiting", lambda *_: 0, "found == ", 6),
    ],
)
def test_a_defect_is_found(
    kit: Any, tmp_path_factory: Any, module: Any, name: str, defect: Any, said: str, begin: int
) -> None:
    place = module[kit.kind] if isinstance(module, dict) else module
    with patch.object(place, name, defect), pytest.raises(BaseException) as found:  # noqa: PT011
        lead(kit, tmp_path_factory, SAME_LIVES, begin)
    assert said in repr(found.value) + str(found.getrepr()), found.value
