"""A plugin of pytest for a Python that not every package has a wheel for.

Tests that need one that is not there, or one that would bring the GIL back, are skipped, and
that is said; whatever else fails is a failure as always.
"""

import re
from collections.abc import Generator

import pytest

# In the lines of a report that say what was raised.
NOT_THERE = re.compile(
    r"^E .*: No module named '(?!webhooksub)([\w.]+)'"
    r"|^E .*\b(\w+) is not installed: pip install 'webhooksub\["
    r"|^E .*GIL\) has been enabled to load module '(?!webhooksub)([\w.]+)'",
    re.MULTILINE,
)


def skip_where_something_is_missing(
    report: pytest.CollectReport | pytest.TestReport, path: str
) -> None:
    found = NOT_THERE.search(str(report.longrepr)) if report.failed else None
    if found:
        report.outcome = "skipped"
        report.longrepr = (path, 0, f"Skipped: needs {next(filter(None, found.groups()))}")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    skip_where_something_is_missing(report, str(collector.path))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    skip_where_something_is_missing(report, str(item.path))
    return report
