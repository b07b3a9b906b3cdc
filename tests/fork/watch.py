"""What processes did with sockets and a database, by strace: ``strace -ff`` writes one file for
each thread, and here they are read.

A process touches what is its parent's when it writes to a connection, or shuts one down, that
it did not open; or when it changes the database by a descriptor that it did not open. Closing a
copy is no touch, nor is what SQLite asks for then: the lock of whoever is the last, which the
parent's keeps from it.
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = (
    "clone,clone3,fork,vfork,open,openat,socket,connect,close,dup,dup2,dup3,"
    "write,writev,pwrite64,sendto,sendmsg,shutdown,fcntl,ftruncate"
)
_LINE = re.compile(r"^([\d.]+) (\w+)\((.*)\)\s+= (-?\d+)", re.MULTILINE)
_FD = re.compile(r"^(\d+)<(.*?)>(?:,|$)")
_TO = re.compile(r"->(?:127\.0\.0\.1|\[::1\]|\[::ffff:127\.0\.0\.1\]):(\d+)\]")
_MADE = re.compile(r"parent_tid=\[(\d+)\]")
_SENDS = ("write", "writev", "sendto", "sendmsg", "shutdown")
_CHANGES = ("write", "writev", "pwrite64", "ftruncate")


def command(folder: Path, program: Sequence[str]) -> list[str]:
    """The program, watched into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *("strace", "-ff", "-yy", "-ttt", "-s", "0", "-q"),
        *("-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(folder / "t")),
        *program,
    ]


def is_there() -> bool:
    """That this machine lets one process trace another."""
    tried = subprocess.run(["strace", "-q", "-o", "/dev/null", "true"], capture_output=True)
    return tried.returncode == 0


@dataclass
class Process:
    """`opened` are the descriptors, by number, that are its own at the end of what was read."""

    pid: int
    opened: set[int] = field(default_factory=set)
    connects: int = 0  # to the receiver
    sent: int = 0  # calls that sent it something
    touched: list[str] = field(default_factory=list)


@dataclass(frozen=True, order=True)
class Call:
    """One that has returned, in the order of their beginnings."""

    at: float
    name: str
    arguments: str
    result: int


def read(folder: Path, port: int, database: str) -> dict[int, Process]:
    """Each process, by its pid. `port` is the receiver's, `database` how its files' names begin."""
    calls = {int(path.suffix[1:]): _read_calls(path) for path in folder.iterdir()}
    leaders = _find_leaders(calls)
    together: dict[int, list[Call]] = defaultdict(list)
    for tid, made in calls.items():
        together[leaders[tid]] += made
    processes = {}
    for pid, made in together.items():
        processes[pid] = Process(pid)
        for call in sorted(made):
            _note(processes[pid], call, port, database)
    return processes


def _read_calls(path: Path) -> list[Call]:
    found = _LINE.findall(path.read_text("utf-8", "replace"))
    return [Call(float(at), name, arguments, int(end)) for at, name, arguments, end in found]


def _find_leaders(calls: dict[int, list[Call]]) -> dict[int, int]:
    """The process of each thread."""
    makers: dict[int, int] = {}
    for tid, made in calls.items():
        for call in made:
            if call.name in ("clone", "clone3") and "CLONE_THREAD" in call.arguments:
                told = _MADE.search(call.arguments)
                makers[int(told[1]) if told else call.result] = tid
    leaders = {}
    for tid in calls:
        leader = tid
        while leader in makers:
            leader = makers[leader]
        leaders[tid] = leader
    return leaders


def _note(process: Process, call: Call, port: int, database: str) -> None:
    copies = call.name in ("dup", "dup2", "dup3") or "F_DUPFD" in call.arguments
    if call.result >= 0 and (call.name in ("open", "openat", "socket") or copies):
        process.opened.add(call.result)
    descriptor = _FD.match(call.arguments)
    if descriptor is None or copies:
        return
    number, what = int(descriptor[1]), descriptor[2]
    if call.name == "close":
        process.opened.discard(number)
    if call.name == "connect":
        process.connects += f"htons({port})" in call.arguments
    to = _TO.search(what)
    if call.name in _SENDS and to and int(to[1]) == port:
        process.sent += 1
        if number not in process.opened:
            process.touched.append(f"{call.name} to its parent's connection")
    if (
        Path(what).name.startswith(database)
        and number not in process.opened
        and call.name in _CHANGES
    ):
        process.touched.append(f"{call.name} by its parent's descriptor of the database")
