"""An ASGI application on a real socket, and requests to it."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import uvicorn

_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by their lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """Served by uvicorn in a thread, with its lifespan, until it is closed."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="on", log_config=None, **settings)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="served")
        self.failed: BaseException | None = None
        self._thread.start()
        self.wait_until(lambda: self._server.started or not self._thread.is_alive())

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve([self._listener]))
        except SystemExit as ended:
            self.failed = ended

    def wait_until(self, condition: Callable[[], bool]) -> None:
        waiting = threading.Event()
        for _ in range(_SECONDS * 100):
            if condition():
                return
            waiting.wait(0.01)
        raise TimeoutError(f"not within {_SECONDS} s")

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, document: Any = None, **headers: str) -> Answer:
        return ask(self.port, method, path, document, **headers)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(_SECONDS)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def ask(port: int, method: str, path: str, document: Any = None, **headers: str) -> Answer:
    """One request on a connection of its own; bytes go as they are, anything else as JSON."""
    body, given = document, {k.replace("_", "-"): v for k, v in headers.items()}
    if document is not None and not isinstance(document, bytes):
        body = json.dumps(document).encode()
    if document is not None:
        given.setdefault("content-type", "application/json")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request(method, path, body, given)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()
