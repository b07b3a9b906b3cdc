"""Cells are run again and again: what they start neither fails nor piles up."""

import ast
import gc
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel
from seen import wait_until

from webhooksub import ConfigurationError, Dispatcher, allow_all
from webhooksub.testing import Receiver

RECORDS = "tenant/acme/sidedrawer/s1/record"
RUNS = 5
FIRST_LOOK = """
from datetime import timedelta
from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver

receiver = Receiver()
hooks = {made}.start()
hooks.subscribe("tenant/acme/sidedrawer/s1/record", "any", receiver.url("/hook"),
                expires=timedelta(days=1))
hooks.publish("tenant/acme/sidedrawer/s1/record/r1", "update", {{"name": "Taxes"}})
hooks.flush(timeout=20)
"""
IN_MEMORY = "Dispatcher.in_memory(authorizer=allow_all, dev=True)"
ON_A_FILE = 'Dispatcher("sqlite:///hooks.db", authorizer=allow_all, dev=True)'


class Kernel:
    """A real one, that runs cells."""

    def __init__(self, folder: Path) -> None:
        self.manager, self.client = start_new_kernel(cwd=str(folder), startup_timeout=60)

    def run(self, cell: str) -> None:
        """Raises AssertionError with the traceback of a cell that raised."""
        self._execute(cell)

    def ask(self, expression: str) -> Any:
        """What it is worth there: a literal."""
        told = self._execute("", {"it": expression})["user_expressions"]["it"]
        assert told["status"] == "ok", told
        return ast.literal_eval(told["data"]["text/plain"])

    def _execute(self, cell: str, expressions: dict[str, str] | None = None) -> Any:
        reply = self.client.execute_interactive(
            cell, user_expressions=expressions, output_hook=lambda message: None, timeout=60
        )
        content = reply["content"]
        assert content["status"] == "ok", "\n".join(content.get("traceback", []))
        return content

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    made = Kernel(tmp_path)
    yield made
    made.close()


def counted(kernel: Kernel) -> tuple[int, int]:
    """Threads and open files of the kernel."""
    kernel.run("import gc; gc.collect()")
    folder = Path("/proc") / str(kernel.ask("__import__('os').getpid()"))
    return len(os.listdir(folder / "task")), len(os.listdir(folder / "fd"))


def grows_less(kernel: Kernel, before: tuple[int, int], most: int) -> bool:
    """SQLite's readers come as they are needed: not all runs have as many."""
    return all(now < old + most for now, old in zip(counted(kernel), before, strict=True))


@pytest.mark.parametrize("made", [IN_MEMORY, ON_A_FILE], ids=["in memory", "on a file"])
def test_a_cell_that_starts_all_can_be_run_again(kernel: Kernel, made: str) -> None:
    cell = FIRST_LOOK.format(made=made)
    kernel.run(cell)
    assert kernel.ask("[r.json()['data']['name'] for r in receiver.requests]") == ["Taxes"]
    kernel.run(cell)
    before = counted(kernel)
    for _ in range(RUNS):
        kernel.run(cell)
        assert kernel.ask("len(receiver.requests)") == 1
        assert kernel.ask("hooks.delivers") is True
    assert wait_until(lambda: grows_less(kernel, before, RUNS), 20)


def test_one_that_an_output_keeps_alive_is_closed_as_well(kernel: Kernel) -> None:
    cell = f"{FIRST_LOOK.format(made=IN_MEMORY)}\nhooks"
    for _ in range(3):
        kernel.run(cell)
    kept = "[d.delivers for d in Out.values() if isinstance(d, Dispatcher)]"
    assert kernel.ask(kept) == [False, False, True]


def test_another_store_is_left_alone(kernel: Kernel) -> None:
    kernel.run("from webhooksub import Dispatcher, allow_all")
    kernel.run(f"one = {ON_A_FILE}.start()")
    kernel.run(f"two = {ON_A_FILE.replace('hooks', 'others')}.start()")
    kernel.run(f"three = {IN_MEMORY}.start()")
    kernel.run('four = Dispatcher("memory://four", authorizer=allow_all, dev=True).start()')
    assert kernel.ask("[d.delivers for d in (one, two, three, four)]") == [True] * 4


def test_what_a_block_started_ends_with_the_block(kernel: Kernel) -> None:
    kernel.run("from webhooksub import Dispatcher, allow_all")
    kernel.run(f"with {IN_MEMORY} as a, {IN_MEMORY} as b: both = [a.delivers, b.delivers]")
    assert kernel.ask("both + [a.delivers, b.delivers]") == [True, True, False, False]


def test_a_receiver_is_trusted_at_once(kernel: Kernel) -> None:
    """Also by a dispatcher that was started before it."""
    kernel.run(f"from webhooksub import Dispatcher, allow_all\nhooks = {IN_MEMORY}.start()")
    kernel.run(FIRST_LOOK.format(made="hooks"))
    assert kernel.ask("hooks.deliveries()[0].state.name") == "DELIVERED"


# --- Elsewhere --------------------------------------------------------------------------


def started_since(before: list[threading.Thread], name: str) -> int:
    """Threads of this name; those that other tests left may end meanwhile."""
    return sum(t.name == name and t not in before for t in threading.enumerate())


def test_outside_of_a_notebook_a_second_one_on_a_file_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hooks.db"
    first, second = (Dispatcher(url, authorizer=allow_all) for _ in range(2))
    try:
        first.start()
        with pytest.raises(ConfigurationError, match="another dispatcher delivers"):
            second.start()
        assert first.delivers
    finally:
        first.close()
        second.close()


def test_a_publisher_that_nobody_holds_is_closed_when_the_next_is_made(tmp_path: Path) -> None:
    def publish() -> None:
        hooks = Dispatcher(f"sqlite:///{tmp_path}/hooks.db", authorizer=allow_all)
        with pytest.warns(RuntimeWarning, match="no dispatcher"):
            hooks.publish(f"{RECORDS}/r1", "update")

    before = threading.enumerate()
    for _ in range(4):
        publish()
        gc.collect()
        assert started_since(before, "webhooksub-writer") == 1
    Dispatcher.in_memory(authorizer=allow_all)
    assert started_since(before, "webhooksub-writer") == 0


def test_a_receiver_that_nobody_holds_ends_by_itself() -> None:
    before = threading.enumerate()
    receiver = Receiver()
    with Dispatcher.in_memory(authorizer=allow_all, dev=True) as hooks:
        hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1))
        hooks.publish(f"{RECORDS}/r1", "update")
        receiver.wait_for(1)
        assert started_since(before, "webhooksub-receiver") == 1
        del receiver
        gc.collect()
        assert wait_until(lambda: started_since(before, "webhooksub-receiver") == 0)
