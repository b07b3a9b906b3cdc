"""A plugin of pytest for a Python that not every package has a wheel for.

Tests that import one that is not there are skipped, and that is said; whatever else does not
import is an error as always.
"""

import re
from collections.abc import Generator

import pytest

NOT_THERE = re.compile(r"ModuleNotFoundError: No module named '(?!webhooksub)([\w.]+)'")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    missing = NOT_THERE.search(str(report.longrepr)) if report.failed else None
    if missing:
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: needs {missing[1]}")
    return report
