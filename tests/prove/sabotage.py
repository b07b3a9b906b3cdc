"""Defects put into Python on purpose, each to show that its prover can fail.

Those of the C core are compiled in (``WHS_SABOTAGE_…``); a name listed there needs nothing
here. No defect stands in the product's own files.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from webhooksub import _core
from webhooksub.store import writer

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


def acknowledge_before_commit() -> Any:
    """The writer answers as soon as a job is queued."""
    return patch.object(writer.Job, "wait", lambda self, *args, **kwargs: self.guess())


IN_PYTHON: dict[str, Callable[[], Any]] = {}


@contextlib.contextmanager
def in_place(name: str) -> Iterator[None]:
    """The named defect, while inside; "" is none. Raises KeyError for an unknown name."""
    if not name or name in IN_C:
        assert name == _core.SABOTAGE, f"this build has {_core.SABOTAGE!r}, not {name!r}"
        yield
        return
    with IN_PYTHON[name]():
        yield
