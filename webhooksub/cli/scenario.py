"""How ``listen`` answers: by a scenario's steps in order, then by chance.

A scenario is a TOML file::

    repeat = false                 # from the first step on again when all are done

    [[answer]]
    status = 503
    times = 2                      # requests answered so
    headers = { Retry-After = "2" }

    [[answer]]
    delay = 1.5                    # seconds
    body = "taken"
"""

import random
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..testing import Answer

_STATUS = (200, 599)
_STEP = ("status", "delay", "headers", "body", "times")
_FAILED = 500


@dataclass(frozen=True, slots=True)
class Step:
    """`times` requests are answered so."""

    answer: Answer
    times: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """Without steps it has ended before it begins."""

    steps: tuple[Step, ...] = ()
    repeat: bool = False

    def __iter__(self) -> Iterator[Answer]:
        while True:
            for step in self.steps:
                yield from (step.answer for _ in range(step.times))
            if not self.repeat or not self.steps:
                return


class Answering:
    """The next answer. Any thread."""

    def __init__(
        self, scenario: Scenario, fail_rate: float, delay: float, chance: random.Random
    ) -> None:
        self._steps, self._lock = iter(scenario), threading.Lock()
        self._fail_rate, self._delay, self._chance = fail_rate, delay, chance

    def next(self) -> Answer:
        with self._lock:
            step = next(self._steps, None)
            if step is not None:
                return step
            failed = self._chance.random() < self._fail_rate
        return Answer(_FAILED if failed else 200, self._delay)


def read_scenario(path: Path) -> Scenario:
    """Raises BadParameter with every mistake, each naming its place."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _bad(path, [str(error)]) from None
    mistakes = [f"{name}: is not known" for name in document if name not in ("repeat", "answer")]
    repeat, answers = document.get("repeat", False), document.get("answer", [])
    if not isinstance(repeat, bool):
        mistakes.append("repeat: must be true or false")
    if not isinstance(answers, list) or not answers:
        raise _bad(path, [*mistakes, "answer: at least one [[answer]] is needed"])
    steps = [_step(step, f"answer {n}", mistakes) for n, step in enumerate(answers, 1)]
    if mistakes:
        raise _bad(path, mistakes)
    return Scenario(tuple(steps), repeat)


def _step(given: Any, place: str, mistakes: list[str]) -> Step:
    if not isinstance(given, dict):
        mistakes.append(f"{place}: must be a table")
        return Step(Answer())
    mistakes += [f"{place}: {name} is not known" for name in given if name not in _STEP]
    status, delay = given.get("status", 200), given.get("delay", 0)
    headers, body, times = given.get("headers", {}), given.get("body", ""), given.get("times", 1)
    if not _is(status, int) or not _STATUS[0] <= status <= _STATUS[1]:
        mistakes.append(f"{place}: status must be {_STATUS[0]} to {_STATUS[1]}")
    if not (_is(delay, int) or _is(delay, float)) or not 0 <= delay < threading.TIMEOUT_MAX:
        mistakes.append(f"{place}: delay must be seconds, not below 0")
    if not _is(times, int) or times < 1:
        mistakes.append(f"{place}: times must be a whole number above 0")
    if not isinstance(body, str):
        mistakes.append(f"{place}: body must be a text")
    if not isinstance(headers, dict) or not all(map(_is_header, headers.items())):
        mistakes.append(f"{place}: headers must be names with texts of one line")
    return Step(Answer(status, delay, headers, str(body).encode()), times)


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_header(header: tuple[str, object]) -> bool:
    name, text = header
    return name.isascii() and name.isprintable() and isinstance(text, str) and text.isprintable()


def _bad(path: Path, mistakes: list[str]) -> click.BadParameter:
    return click.BadParameter(f"{path}: {'; '.join(mistakes)}", param_hint="--scenario")
