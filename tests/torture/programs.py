"""The programs in C: the core without memory, and with a libcurl that fails."""

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webhooksub.testing import Receiver

BUILT = Path(__file__).parents[2] / "build" / "torture"
PROGRAMS = ("memory", "calls")
SECONDS_MAX = 1_800
# Defects that are put in by asking for them.
SABOTAGES = ("leak",)


@dataclass
class Found:
    """What a program says of one kind of call."""

    name: str
    failed: int = 0
    wrong: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)


def run_program(program: str, step: int, sabotage: str = "") -> Iterator[Found]:
    """One for each kind of call, and one for how the program ended."""
    with Receiver() as receiver, tempfile.NamedTemporaryFile() as ca:
        ca.write(receiver.ca_pem)
        ca.flush()
        tls = [receiver.url("").rstrip("/"), ca.name]
        for given in ([], tls) if program == "memory" else (tls,):
            leak = [sabotage] if sabotage in SABOTAGES and program == "memory" and not given else []
            command = [BUILT / program, str(step), *given, *leak]
            yield from read_program(program, command)


def read_program(program: str, command: list[Any]) -> Iterator[Found]:
    """What one run of it found, each kind of call apart."""
    try:
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=SECONDS_MAX
        )
    except subprocess.TimeoutExpired:
        yield Found(program, 1, crashes=["no end"])
        return
    wrong: list[str] = []
    for line in done.stdout.splitlines():
        if line.startswith("wrong "):
            wrong.append(line)
        else:
            name, _, count = line.rpartition(": ")
            yield Found(name, int(count), [w for w in wrong if w.startswith(f"wrong {name}:")])
    # A sanitizer ends with 1 as well, as the program itself does where it found something.
    if done.returncode not in (0, 1) or "Sanitizer" in done.stderr:
        said = done.stderr[-2_000:]
        leaked = "LeakSanitizer" in done.stderr
        yield Found(program, 1, leaks=[said] if leaked else [], crashes=[] if leaked else [said])
