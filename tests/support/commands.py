"""`webhooksub` as a process that runs until it is told to end."""

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from webhooksub.testing import Receiver

# A process of a busy machine needs so long to begin or to end; nobody waits for it in vain.
_SECONDS = 40


class Running:
    """Started in `folder`; what it writes to standard error can be waited for."""

    def __init__(self, *arguments: str, folder: Path, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=_clean_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def wait_to_say(self, pattern: str) -> re.Match[str]:
        """Until it wrote something like that. Raises AssertionError when it ends before."""
        while not (found := re.search(pattern, self.said)):
            try:
                line = self._lines.get(timeout=_SECONDS)
            except queue.Empty:
                line = ""
            assert line, f"{pattern!r} was not said, but:\n{self.said}"
            self.said += line
        return found

    def tell(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        code = self._process.wait(_SECONDS)
        self._reader.join(_SECONDS)
        with contextlib.suppress(queue.Empty):
            while True:
                self.said += self._lines.get_nowait()
        return code

    def end(self) -> int:
        """By SIGTERM; its exit code."""
        self.tell()
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()


def webhooksub(*arguments: str, folder: Path, **environment: str) -> Running:
    return Running("-m", "webhooksub", *arguments, folder=folder, **environment)


def options_to_reach(receiver: Receiver, folder: Path) -> list[str]:
    """Settings with which another process trusts a receiver of this one."""
    bundle = folder / "receiver-ca.pem"
    bundle.write_bytes(receiver.ca_pem)
    reach = ["--allow", "127.0.0.0/8,::1/128", "--ports", str(receiver.port)]
    return [*reach, "--ca-bundle", str(bundle)]


def _clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKSUB_")}
