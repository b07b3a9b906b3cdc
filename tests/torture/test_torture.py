"""A few of the calls of ``make torture``, and that it can fail."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from programs import Found, read_program
from torture import HURTS, Kind, Row, Torture

from webhooksub.testing import Receiver

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    environ = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "SABOTAGE")}
    command = ["make", "--no-print-directory", "build/torture/failing.so"]
    subprocess.run(command, cwd=REPOSITORY, check=True, env=environ, timeout=100)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    ("kind", "nths"),
    [
        (Kind("write", "ENOSPC"), (1, 40, 90)),
        (Kind("sync", "EIO"), (3, 9)),
        (Kind("step", "IOERR"), (5, 60, 150)),
        (Kind("sync", "EIO", fresh=True), (4, 5)),
        (Kind("write", "EIO", for_good=True), (40,)),
        *((kind, (1,)) for kind in HURTS),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_a_call_that_fails_loses_nothing_and_is_told(
    kind: Kind, nths: tuple[int, ...], tmp_path: Path, receiver: Receiver
) -> None:
    row = Row(kind.name)
    with closing(Torture(tmp_path, receiver)) as torture:
        for nth in nths:
            torture.one(kind, nth, row)
    assert row.good, row


@pytest.mark.parametrize("code", [1, 23])
def test_what_a_sanitizer_says_of_a_program_is_a_leak_or_a_crash(code: int) -> None:
    def says(sentence: str) -> Found:
        [found] = read_program("memory", ["sh", "-c", f"echo '{sentence}' >&2; exit {code}"])
        return found

    assert says("ERROR: LeakSanitizer: detected memory leaks").leaks
    assert says("ERROR: AddressSanitizer: heap-use-after-free").crashes


def test_an_acknowledgement_before_the_commit_is_found_out(
    tmp_path: Path, receiver: Receiver
) -> None:
    row = Row("sabotaged")
    with closing(Torture(tmp_path, receiver, "ack-before-commit")) as torture:
        torture.one(Kind("write", "ENOSPC", for_good=True), 60, row)
    assert row.false_acknowledgements
