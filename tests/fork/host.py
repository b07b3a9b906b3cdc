"""What a service does on both sides of a fork, and what came of it, as facts.

As a program it is the parent: ``host.py HOW`` starts a dispatcher, makes children by
``multiprocessing`` or ``os.fork``, publishes once more itself, and prints a line of JSON.

FORK_DATABASE, FORK_CA and FORK_STARTED (the parent delivers) say what with; FORK_SABOTAGE
makes children touch what is their parent's.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from webhooksub import Dispatcher, Forked, allow_all

TENANT = "tenant/acme"
RECORDS = f"{TENANT}/sidedrawer/s1/record"
CHILDREN, EVENTS = 3, 4

Facts = dict[str, Any]

# Newer Pythons advise against forks beside threads.
warnings.simplefilter("ignore", DeprecationWarning)


def open_dispatcher() -> Dispatcher:
    """As the environment says; not started."""
    return Dispatcher(
        f"sqlite:///{os.environ['FORK_DATABASE']}",
        authorizer=allow_all,
        dev=True,
        ca_pem=Path(os.environ["FORK_CA"]).read_bytes(),
        config={"poll_ms": 50},
    )


_numbers = itertools.count()


def publish(hooks: Dispatcher, by: str, count: int = EVENTS) -> list[str]:
    """Answers what each event is known by at the receiver."""
    names = [f"{by} {os.getpid()} {next(_numbers)}" for _ in range(count)]
    for name in names:
        hooks.publish(f"{RECORDS}/r1", "update", {"name": name})
    return names


def is_refused(call: Any) -> bool:
    """That the call raises Forked, which is all that it may do."""
    try:
        call()
    except Forked:
        return True
    return False


def work_as_child(hooks: Dispatcher) -> Facts:
    """Publishes by what the parent made; asks for what only the parent may do."""
    sabotage(os.environ.get("FORK_SABOTAGE", ""))
    facts: Facts = {"pid": os.getpid(), "published": publish(hooks, "child"), "refused": []}
    if os.environ.get("FORK_STARTED"):
        for call in (hooks.flush, hooks.start):
            facts["refused"].append(is_refused(call))
    return facts


def sabotage(what: str) -> None:
    """By the parent's own descriptor of such a thing: one byte that begins an alert of TLS, or
    nothing, which changes nothing."""
    for name in os.listdir("/proc/self/fd") if what == "write-socket" else ():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                os.write(int(name), b"\x15")
    if what == "write-database":
        os.pwrite(_SPARE, b"", 0)


# SQLite's own are closed by the time that a child runs.
_SPARE = -1
if os.environ.get("FORK_SABOTAGE") == "write-database":
    _SPARE = os.open(os.environ["FORK_DATABASE"], os.O_RDWR)


# --- The parent. ------------------------------------------------------------------------------

hooks: Dispatcher  # also for children that inherit it


def work_in_process(told: Any) -> None:
    """The target of a multiprocessing.Process. One that was spawned inherits nothing."""
    mine = globals().get("hooks") or open_dispatcher()
    if "hooks" not in globals():
        os.environ.pop("FORK_STARTED", None)
    told.put(work_as_child(mine))


def make_processes(method: str) -> list[Facts]:
    context = multiprocessing.get_context(method)
    told = context.Queue()
    processes = [context.Process(target=work_in_process, args=(told,)) for _ in range(CHILDREN)]
    for process in processes:
        process.start()
    facts = [told.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    return [
        fact | {"ended": process.exitcode == 0}
        for fact, process in zip(facts, processes, strict=True)
    ]


def fork_and_exit() -> Facts:
    """One by os.fork that ends like any program: what is registered for the exit runs there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(work_as_child(hooks)).encode())
        os.close(writing)
        sys.exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        facts: Facts = json.loads(pipe.read() or "{}")
    _, status = os.waitpid(child, 0)
    return facts | {"ended": status == 0}


def main() -> None:
    global hooks
    how = sys.argv[1]
    hooks = open_dispatcher().start()
    published = publish(hooks, "parent", 1)
    complete = hooks.flush(timeout=30).complete
    if how == "os.fork":
        children = [fork_and_exit() for _ in range(CHILDREN)]
    else:
        children = make_processes(how)
    published += publish(hooks, "parent", 1)
    complete = hooks.flush(timeout=30).complete and complete
    hooks.close()
    print(
        json.dumps(
            {
                "pid": os.getpid(),
                "published": published,
                "complete": complete,
                "children": children,
            }
        )
    )


if __name__ == "__main__":
    main()
