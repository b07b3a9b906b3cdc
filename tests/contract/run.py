"""Holds the API of an adapter to its own document: ``make contract``.

    python tests/contract/run.py ADAPTER [--cases N] [--seed N]

`ADAPTER` is a file of ``adapters/``: its function ``serve(hooks, folder)`` is a context manager
that serves the API of a dispatcher, whose store is ``folder/hooks.db``, and gives the address of
the OpenAPI document. Who asks is what ``world.actor_of`` makes of the Authorization header.

Ends with 0 when every operation was tried, with at least so many cases, and no check failed.
``SABOTAGE=drop-404-check`` puts in a defect that must be found.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ADAPTERS = sorted(path.stem for path in (HERE / "adapters").glob("*.py"))
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import sabotage  # noqa: E402
import world  # noqa: E402
from verdict import judge  # noqa: E402

from webhooksub import Dispatcher  # noqa: E402

CASES = 2_000
# Made up for each operation in the phase that makes up most.
_EXAMPLES = 60
_SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("adapter", choices=ADAPTERS)
    parser.add_argument("--cases", type=int, default=CASES, help="at least so many")
    parser.add_argument("--examples", type=int, default=_EXAMPLES)
    parser.add_argument("--seed", type=int, default=_SEED)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        stack.enter_context(sabotage.put_in())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hooks = stack.enter_context(world.dispatcher(folder))
        address = stack.enter_context(served_by(options.adapter, hooks, folder))
        report = try_out(address, folder, options.examples, options.seed)
    verdict = judge(report, options.cases)
    print(f"{options.adapter}: {verdict.text}")
    return 0 if verdict.fine else 1


def served_by(adapter: str, hooks: Dispatcher, folder: Path) -> AbstractContextManager[str]:
    """Loaded by its file: it may be called like the framework that it is for."""
    spec = importlib.util.spec_from_file_location(
        f"contract_adapter_{adapter}", HERE / "adapters" / f"{adapter}.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    served: AbstractContextManager[str] = module.serve(hooks, folder)
    return served


def try_out(address: str, folder: Path, examples: int, seed: int) -> dict[str, Any]:
    """What schemathesis reports; its own words go to the terminal."""
    command = [str(Path(sys.executable).parent / "st")]
    command += ["--config-file", str(HERE / "schemathesis.toml"), "run", address]
    command += ["--checks", "all", "--continue-on-failure", "--seed", str(seed)]
    command += ["--max-examples", str(examples), "--generation-database", "none"]
    command += ["--header", f"Authorization: {world.authorization_of(world.MEMBER)}"]
    command += ["--report-json-path", str(folder / "report.json")]
    environment = {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, cwd=folder, env=os.environ | environment)
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    except FileNotFoundError:
        sys.exit(f"schemathesis ended with {done.returncode} and without a report")
    return report


if __name__ == "__main__":
    sys.exit(main())
