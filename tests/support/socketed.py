"""Applications with socket.io on a real port, and clients of them."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pytest
import socketio
from flask import Flask
from served import Served
from starlette.requests import Request
from werkzeug.serving import make_server

from webhooksub import Dispatcher
from webhooksub.contrib.socketio import NAMESPACE, Sockets, asgi, wsgi

#: What a test waits for at most, seconds.
PATIENCE = 45


def wait_for(what: Callable[[], Any]) -> Any:
    """What it answers, once that is true."""
    until = time.monotonic() + PATIENCE
    while not (answer := what()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.01)
    return answer


def tenant_of(request: Request | Any) -> str | None:
    """The host's answer to who asks: whoever the bearer token says."""
    scheme, _, token = (request.headers.get("Authorization") or "").partition(" ")
    return token if scheme == "Bearer" and token != "nobody" else None


async def tenant_of_later(request: Request) -> str | None:
    return tenant_of(request)


def asgi_service(sockets: Sockets, hooks: Dispatcher, actor: Any = tenant_of) -> Served:
    """An application served by uvicorn; `actor` as for socket_app."""
    return Served(asgi.socket_app(sockets, hooks, actor), timeout_graceful_shutdown=1)


class WsgiService:
    """A Flask application served by threads."""

    def __init__(self, sockets: Sockets, hooks: Dispatcher, actor: Any = tenant_of) -> None:
        app = Flask(__name__)
        app.wsgi_app = wsgi.socket_app(sockets, hooks, actor, app)  # type: ignore[method-assign]
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Client:
    """python-socketio's client, which acknowledges what it has noted down."""

    def __init__(
        self, url: str, token: str, event: str = "changed", *, namespace: str = NAMESPACE
    ) -> None:
        self.url, self.heard = url, list[Any]()
        self.before: Callable[[Any], None] = lambda notification: None
        self._token, self._namespace = token, namespace
        self._client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.2)
        self._client.on(event, self._hear, namespace=namespace)
        self._client.on("connect_error", self._note_refusal, namespace=namespace)
        self.refusal = ""

    def _hear(self, notification: Any) -> None:
        self.before(notification)
        self.heard.append(notification)

    def _note_refusal(self, said: Any) -> None:
        self.refusal = said["message"] if isinstance(said, dict) else str(said)

    def refused(self) -> str:
        """Tries to connect, and answers why it cannot."""
        with pytest.raises(socketio.exceptions.ConnectionError):
            self.connect()
        self.close()
        return str(wait_for(lambda: self.refusal))

    def connect(self) -> Self:
        """Raises socketio.exceptions.ConnectionError where it is refused."""
        self._client.connect(
            self.url,
            auth={"token": self._token},
            namespaces=[self._namespace],
            wait_timeout=PATIENCE,
            transports=["websocket"],
        )
        return self

    @property
    def numbers(self) -> list[int]:
        """The data's `n` of each notification."""
        return [notification["data"]["n"] for notification in self.heard]

    def close(self) -> None:
        self._client.disconnect()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
