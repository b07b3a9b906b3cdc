"""A program in a process of its own, which is asked by lines of JSON and answers by such."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import webhooksub

# The other process is to import what this one did.
_FOLDERS = (Path(webhooksub.__file__).parent.parent, Path(__file__).parent)


class Led:
    """The process. `settings` are its argument, `environ` is added to its environment."""

    def __init__(
        self, program: str, settings: Mapping[str, Any], environ: Mapping[str, str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, program, json.dumps(settings)],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(map(str, _FOLDERS))}
            | dict(environ or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def close(self) -> None:
        """Ends it. Raises nothing, so that a test's own failure is the one that is told. Twice
        is fine."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _say(self, question: Mapping[str, Any]) -> None:
        print(json.dumps(question), file=self._process.stdin, flush=True)

    def _read(self) -> str:
        """A line; empty: it ended."""
        return self._process.stdout.readline()  # type: ignore[union-attr]
