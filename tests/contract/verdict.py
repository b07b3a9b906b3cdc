"""What a report of schemathesis comes to."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    fine: bool
    text: str


def judge(report: dict[str, Any], cases_min: int) -> Verdict:
    """Fine when it ran to its end, every operation was tried, with at least so many cases in
    all, and nothing failed."""
    operations, cases = report["operations"], report["test_cases"]
    tried, there = operations["tested"], operations["total"]
    failures, errors = cases["unique_failures"], len(report["errors"])
    made = cases["generated"]
    fine = report["complete"] and tried == there > 0 and made >= cases_min
    text = f"operations {tried}/{there}, cases {made:,}, failures {failures}, errors {errors}"
    return Verdict(fine and failures == errors == 0, text)
