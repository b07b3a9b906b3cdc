"""An HTTPS server on this machine's loopback address, for whoever wants to see webhooks arrive."""

import atexit
import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..certificates import local_certificate

# Connections that wait to be accepted; the standard library's 5 would add seconds.
_BACKLOG = 1_024
# A sender that is silent so long holds a thread no longer.
_SILENT_SECONDS = 60
#: Of one request: a full batch of the largest events, as the demo's receiver takes it.
BODY_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request is answered; `delay` in seconds."""

    status: int = 200
    delay: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived; `headers` are looked up without regard to case."""

    method: str
    path: str
    headers: Message = field(repr=False)
    body: bytes = field(repr=False)


class HttpsServer:
    """Answers on 127.0.0.1 as `receive` says, each connection on a thread of its own.

    `port` 0 is any; `answered` is called after each answer. Raises OSError where it cannot
    listen. :attr:`ca_pem` is the authority of
    its certificate, which a dispatcher with ``dev=True`` in the same process trusts.
    """

    def __init__(
        self,
        receive: Callable[[Request], Answer],
        port: int = 0,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        self.ca_pem, certificate, key = local_certificate()
        self.connections = 0
        self._receive, self._answered = receive, answered
        self._closed = threading.Event()
        self._counting = threading.Lock()
        self._server = _Server(self, _context(certificate, key), port)
        self._thread = threading.Thread(target=self._run, name="webhooksub-receiver", daemon=True)
        self._thread.start()
        # A thread that starts while the interpreter ends may crash it.
        atexit.register(self.close)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/") -> str:
        """``https://localhost:PORT/path``."""
        return f"https://localhost:{self.port}{path}"

    def close(self) -> bool:
        """Ends at once, also answers that are delayed. False: it had ended, or is the parent's
        of this forked child. At the interpreter's exit it is called by itself."""
        if self._closed.is_set() or not self._thread.is_alive():
            return False
        self._closed.set()
        self._thread.join()
        return True

    def end(self) -> None:
        """Ends soon, and waits for nothing."""
        self._closed.set()

    # --- on the server's threads -----------------------------------------------------

    def _run(self) -> None:
        while not self._closed.is_set():
            self._server.handle_request()
        self._server.hang_up()
        self._server.server_close()
        atexit.unregister(self.close)

    def _count(self) -> None:
        with self._counting:
            self.connections += 1

    def _answer(self, request: Request) -> Answer | None:
        answer = self._receive(request)
        return None if self._closed.wait(answer.delay) else answer


class _Server(ThreadingHTTPServer):
    request_queue_size = _BACKLOG
    daemon_threads = True
    timeout = 0.05  # seconds; how often it looks whether it is closed

    def __init__(self, owner: HttpsServer, tls: ssl.SSLContext, port: int) -> None:
        self._owner, self._tls = owner, tls
        self._open: set[socket.socket] = set()
        self._answers = _requests_to(owner)
        super().__init__(("127.0.0.1", port), self._answers)

    def finish_request(self, request: Any, client_address: Any) -> None:
        self._owner._count()
        request.settimeout(_SILENT_SECONDS)
        connection = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        with connection, self._while_open(connection):
            connection.do_handshake()
            self._answers(connection, client_address, self)

    @contextlib.contextmanager
    def _while_open(self, connection: socket.socket) -> Iterator[None]:
        self._open.add(connection)
        try:
            # One that comes while they are hung up is seen there or here.
            if self._owner._closed.is_set():
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


def _requests_to(owner: HttpsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer is one write

        def do_POST(self) -> None:
            length = self.headers.get("content-length") or "0"
            if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
                self._write(Answer(413))
                self.close_connection = True
                return
            body = self.rfile.read(int(length))
            answer = owner._answer(Request(self.command, self.path, self.headers, body))
            if answer is None:
                self.close_connection = True
            else:
                self._write(answer)
                owner._answered()

        do_GET = do_PUT = do_OPTIONS = do_POST

        def _write(self, answer: Answer) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Whoever receives tells what arrived."""

    return Handler
