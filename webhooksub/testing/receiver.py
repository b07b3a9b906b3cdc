"""A local receiver on a real TLS socket."""

import atexit
import contextlib
import json
import socket
import ssl
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from ..certificates import local_certificate
from ..receiver import Notification, Verifier

# Connections that wait to be accepted; the standard library's 5 would add seconds.
_BACKLOG = 1_024


@dataclass(frozen=True, slots=True)
class Received:
    """One request; `headers` are looked up without regard to case, `status` was answered."""

    method: str
    path: str
    headers: Message = field(repr=False)
    body: bytes = field(repr=False)
    status: int
    received_at: float  # seconds since the epoch

    def json(self) -> Any:
        """The body, decoded. Raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request is answered; `delay` in seconds."""

    status: int = 200
    delay: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Receiver:
    """An HTTPS endpoint on 127.0.0.1 that keeps what it receives.

    A dispatcher with ``dev=True`` in the same process trusts it at once; others take its
    authority from :attr:`ca_pem`. `requests` grows as they arrive, `connections` counts the
    TCP connections. Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.ca_pem, certificate, key = local_certificate()
        self._answer = Answer()
        self._script: deque[int | Answer] = deque()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._server = _Server(self, _context(certificate, key))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="webhooksub-receiver", daemon=True
        )
        self._thread.start()
        # A thread that starts while the interpreter ends may crash it.
        atexit.register(self.close)

    def url(self, path: str = "/") -> str:
        """``https://localhost:PORT/path``."""
        return f"https://localhost:{self.port}{path}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def answer(
        self,
        status: int = 200,
        *,
        delay: float = 0.0,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        """How every request from now on is answered; `delay` in seconds."""
        self._answer = Answer(status, delay, dict(headers or {}), body)

    def script(self, answers: Iterable[int | Answer]) -> None:
        """How the next requests are answered, one each; then as :meth:`answer` says.

        A number is a status, with the delay that :meth:`answer` set.
        """
        self._script.extend(answers)

    def notifications(self, keys: str | Iterable[str], **options: Any) -> list[Notification]:
        """What was received, verified; `options` are those of :class:`Verifier`.

        Raises VerificationError where a request is not signed with one of `keys`.
        """
        verifier = Verifier(keys, **options)
        with self._changed:
            requests = list(self.requests)
        return [n for r in requests for n in verifier.verify(r.body, r.headers)]

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Received]:
        """The first `count` requests. Raises TimeoutError, saying how many came."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests in {timeout} s")
            return self.requests[:count]

    def close(self) -> None:
        """Ends at once, also answers that are delayed. Twice is fine.

        At the interpreter's exit it is called by itself. In a forked child it does nothing:
        the server is the parent's.
        """
        if self._closed.is_set() or not self._thread.is_alive():
            return
        atexit.unregister(self.close)
        self._closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def __repr__(self) -> str:
        return f"<webhooksub.testing.Receiver {self.url()}: {len(self.requests)} requests>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- on the server's threads -----------------------------------------------------

    def _receive(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        answer = self._answer
        with self._changed:
            if self._script:
                scripted = self._script.popleft()
                if isinstance(scripted, Answer):
                    answer = scripted
                else:
                    answer = Answer(scripted, answer.delay)
            self.requests.append(
                Received(
                    request.command, request.path, request.headers, body, answer.status, time.time()
                )
            )
            self._changed.notify_all()
        return None if self._closed.wait(answer.delay) else answer


class _Server(ThreadingHTTPServer):
    request_queue_size = _BACKLOG
    daemon_threads = True

    def __init__(self, receiver: Receiver, tls: ssl.SSLContext) -> None:
        self._receiver, self._tls = receiver, tls
        self._open: set[socket.socket] = set()
        self._answers = _requests_to(receiver)
        super().__init__(("127.0.0.1", 0), self._answers)

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self._receiver._changed:
            self._receiver.connections += 1
        request.settimeout(60)
        connection = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        with connection, self._while_open(connection):
            connection.do_handshake()
            self._answers(connection, client_address, self)

    @contextlib.contextmanager
    def _while_open(self, connection: socket.socket) -> Iterator[None]:
        self._open.add(connection)
        try:
            # One that comes while they are hung up is seen there or here.
            if self._receiver._closed.is_set():
                raise ConnectionAbortedError
            yield
        finally:
            self._open.discard(connection)

    def hang_up(self) -> None:
        """Ends the connections that wait for another request, or for a handshake."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that goes away is no news."""


def _context(certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "local.pem"
        file.touch(0o600)
        file.write_bytes(certificate + key)
        context.load_cert_chain(file)
    return context


def _requests_to(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer is one write

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = receiver._receive(self, body)
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_PUT = do_OPTIONS = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """What was received stands in `requests`."""

    return Request
