"""The receiver's process, as the demo that starts it sees it."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from .folder import DemoError, Folder

_SCRIPT = Path(__file__).with_name("receiver.py")
# For a receiver that still answers what is in its sockets.
_END_SECONDS = 10


class Endpoint:
    """A started receiver. It ends when :meth:`close` is called or this process dies."""

    def __init__(self, folder: Folder, *, port: int = 0, keep_every: int = 0) -> None:
        """`port` 0: any. Raises DemoError when it cannot start."""
        # Isolated: nothing of the environment or the current directory is imported.
        command = [sys.executable, "-I", str(_SCRIPT), str(folder.path)]
        command += ["--port", str(port), "--keep-every", str(keep_every)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, error = self._process.communicate()
            raise DemoError(error.strip() or "the receiver did not start")
        self.port = int(json.loads(line)["port"])

    def url(self, path: str) -> str:
        """An URL of it."""
        return f"https://127.0.0.1:{self.port}{path}"

    def check(self) -> None:
        """Raises DemoError when it has ended."""
        if self._process.poll() is not None:
            assert self._process.stderr is not None
            raise DemoError(f"the receiver ended: {self._process.stderr.read().strip()}")

    def close(self) -> None:
        """Lets it write down what it has, and end. Twice is fine."""
        process = self._process
        if process.poll() is None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                process.communicate("end\n", timeout=_END_SECONDS)
        if process.poll() is None:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
