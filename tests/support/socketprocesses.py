"""examples/sockets as it is run: a web process and a worker, to be killed and started again."""

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redisd import free_port, wait_for_port

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "sockets"
QUICK = {
    "WEBHOOKSUB_SOCKET_ACK_MS": "2000",
    "WEBHOOKSUB_SOCKET_LEASE_MS": "3000",
    "WEBHOOKSUB_RETRY_STEPS_MS": "300",
    "WEBHOOKSUB_POLL_MS": "50",
}
_SECONDS = 20


class Processes:
    """Their store is in `folder`; `client` is the folder with node_modules."""

    def __init__(self, folder: Path, redis: str, client: Path | None = None) -> None:
        self.database = f"sqlite:///{folder / 'hooks.db'}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = {"DATABASE": self.database, "REDIS": redis, "CLIENT": str(client or folder)}
        self._environment = os.environ | QUICK | given
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start_web(self, name: str = "web", port: int | None = None) -> None:
        """Answers when it serves."""
        port = self.port if port is None else port
        command = ["-m", "uvicorn", "web:app", "--port", str(port), "--log-level", "error"]
        wait_for_port(port, self._start(name, command))

    def start_worker(self) -> None:
        """Answers when it delivers."""
        process = self._start("worker", ["worker.py"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == "delivering\n"

    def kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        _end(process)

    def _start(self, name: str, arguments: list[str], **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=EXAMPLE, env=self._environment, text=True, **options
        )
        self._running[name] = process
        return process

    # --- what a tenant does --------------------------------------------------------------

    def ask(self, method: str, path: str, tenant: str, document: Any = None) -> Any:
        """The answer's JSON, of one that is good."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        body = None if document is None else json.dumps(document)
        headers = {"Authorization": f"Bearer {tenant}", "Content-Type": "application/json"}
        connection.request(method, path, body, headers if body else {**headers, "Content-Type": ""})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        assert response.status < 300, answer
        return json.loads(answer) if answer else None

    def subscribe(self, tenant: str) -> str:
        document = {
            "modificationType": "any",
            "connectionType": "SOCKET",
            "notificationMessages": "changed",
            "resource": f"tenant/{tenant}/sidedrawer",
            "expirationDateTime": "2099-07-07T14:40:40Z",
        }
        return str(self.ask("POST", "/webhooks", tenant, document)["id"])

    def change(self, n: int, tenant: str = "acme") -> None:
        self.ask("POST", f"/changes/{n}", tenant)

    def states(self, subscription: str, tenant: str = "acme") -> list[str]:
        """Of its deliveries, by the API."""
        page = self.ask("GET", f"/webhooks/{subscription}/deliveries?limit=100", tenant)
        return [row["state"] for row in page["data"]]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.wait(_SECONDS)
    if process.stdout is not None:
        process.stdout.close()
