"""The contract's verdict on a report: what is missing or wrong makes it fail."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_FILE = Path(__file__).parent.parent / "contract" / "verdict.py"
_SPEC = importlib.util.spec_from_file_location("contract_verdict", _FILE)
assert _SPEC is not None and _SPEC.loader is not None
verdict = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(verdict)


def report(**changes: Any) -> dict[str, Any]:
    """Of a run without a fault, but for what is changed."""
    given = {"tested": 16, "total": 16, "generated": 2_000, "unique_failures": 0}
    given |= {"errors": [], "complete": True} | changes
    return {
        "complete": given["complete"],
        "errors": given["errors"],
        "operations": {name: given[name] for name in ("tested", "total")},
        "test_cases": {name: given[name] for name in ("generated", "unique_failures")},
    }


def test_a_whole_run_without_a_failure_is_fine() -> None:
    found = verdict.judge(report(), 2_000)
    assert found.fine
    assert found.text == "operations 16/16, cases 2,000, failures 0, errors 0"


@pytest.mark.parametrize(
    "changes",
    [
        {"tested": 15},
        {"tested": 0, "total": 0},
        {"generated": 1_999},
        {"unique_failures": 1},
        {"errors": ["a hook raised"]},
        {"complete": False},
    ],
)
def test_anything_less_is_not(changes: dict[str, Any]) -> None:
    assert not verdict.judge(report(**changes), 2_000).fine
