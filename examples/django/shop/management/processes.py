"""The processes of the shop, as an operator would start them."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent.parent
_END_SECONDS = 20


class Process:
    """One of them. It is ready when it writes a line that begins with `ready`."""

    def __init__(self, *arguments: str, ready: str, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=os.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line.startswith(ready):
                self.ready = line.strip()
                return
        self._process.stdout.close()
        raise RuntimeError(f"ended with {self._process.wait()}: {''.join(said)}")

    def end(self) -> str:
        """SIGTERM; what it said since. Raises RuntimeError unless it ends well."""
        self._process.terminate()
        said, _ = self._process.communicate(timeout=_END_SECONDS)
        if self._process.returncode:
            raise RuntimeError(f"ended with {self._process.returncode}: {said}")
        return said

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # and not killed: it may have children
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def web(environ: dict[str, str]) -> Process:
    return Process("serve.py", ready="http", environ=environ)


def worker(environ: dict[str, str]) -> Process:
    return Process(
        "manage.py", "webhooksub", "worker", ready="webhooksub: delivering", environ=environ
    )


def post(url: str, document: object, token: str) -> tuple[int, Any]:
    """The status and the document of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
