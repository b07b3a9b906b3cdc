"""Of which group of hostile cases a test is, and how many of each ran.

A module names its group by ``pytestmark = pytest.mark.hostile("S")``; tests/conftest.py takes
the hooks from here. tests/hostile/README.md lists the cases.
"""

from collections import Counter
from typing import Any

import pytest

GROUPS = {
    "V": "what a subscription says",
    "S": "where a request goes",
    "E": "what an endpoint does",
    "T": "TLS",
}
_PROPERTY = "hostile group"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        mark = item.get_closest_marker("hostile")
        if mark is None:
            continue
        [group] = mark.args
        if group not in GROUPS:
            raise pytest.UsageError(f"{item.nodeid}: no group {group!r}")
        item.user_properties.append((_PROPERTY, group))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Counts reports, which come from every worker."""
    counted = {word: _count(terminalreporter, word) for word in ("passed", "failed")}
    if not any(counted.values()):
        return
    terminalreporter.section("hostile cases")
    for group, what in GROUPS.items():
        passed, failed = counted["passed"][group], counted["failed"][group]
        line = f"{group}  {what:<26} {passed + failed:>4} ran"
        terminalreporter.line(line + (f", {failed} failed" if failed else ""))


def _count(reporter: Any, word: str) -> Counter[str]:
    reports = [r for r in reporter.stats.get(word, []) if r.when == "call"]
    return Counter(value for r in reports for name, value in r.user_properties if name == _PROPERTY)
