"""An endpoint that does not behave: what it does with a connection is a function.

::

    def short(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nonly this")

    with Evil(short) as endpoint:
        ...  # endpoint.url("/hook"), endpoint.requests, endpoint.connections

When the function returns, the connection ends with a FIN and no word of TLS.
"""

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any, Self

from webhooksub.certificates import local_certificate

_READ = 65_536
# A test that forgets to end its server ends nevertheless.
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was read to its end, and the number of its connection."""

    line: str
    headers: Message
    body: bytes
    connection: int

    @property
    def id(self) -> str:
        return str(self.headers["webhook-id"])


class Peer:
    """One connection; `number` counts from 1. Raises OSError when the other side is gone."""

    def __init__(self, server: "Evil", connection: Any, number: int) -> None:
        self.socket, self.number = connection, number
        self._server, self._unread = server, b""

    def read_some(self) -> bytes:
        """What has come, b"" at the end; every byte counts as received."""
        unread, self._unread = self._unread, b""
        return unread or self._server._count(self.socket.recv(_READ))

    def read_head(self) -> bytes:
        """Up to the blank line, which is included; b"" when there comes no other request."""
        got = b""
        while b"\r\n\r\n" not in got:
            more = self.read_some()
            if not more:
                return b""
            got += more
        head, blank, self._unread = got.partition(b"\r\n\r\n")
        return head + blank

    def read_request(self) -> Request | None:
        """One request with its body, remembered by the server; None at the end."""
        head = self.read_head()
        if not head:
            return None
        line, _, fields = head.partition(b"\r\n")
        headers = BytesParser().parsebytes(fields, headersonly=True)
        body, length = b"", int(headers["content-length"] or 0)
        while len(body) < length:
            more = self.read_some()
            if not more:
                return None
            body += more
        self._unread = body[length:]
        request = Request(line.decode(), headers, body[:length], self.number)
        self._server._remember(request)
        return request

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)
            self._server.sent += len(piece)

    def flood(self, piece: bytes, times: int) -> None:
        """Sends it over and over, until the other side has had enough of it."""
        for _ in range(times):
            self.send(piece)

    def drip(self, text: bytes, every: float) -> None:
        """A byte at a time, `every` so many seconds."""
        for at in range(len(text)):
            self.send(text[at : at + 1])
            if self.wait(every):
                return

    def wait(self, seconds: float = _LONGEST_SECONDS) -> bool:
        """Neither reads nor sends; True when the server ends meanwhile."""
        return self._server.closing.wait(seconds)

    def say_goodbye(self) -> None:
        """TLS's close_notify, without waiting for the other side's."""
        self.socket.settimeout(0)
        with contextlib.suppress(OSError):
            self.socket.unwrap()

    def reset(self) -> None:
        """Ends the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Behaviour = Callable[[Peer], None]


class Evil:
    """Listens on `address`, with the certificate that a dispatcher with ``dev=True`` trusts.

    `tls` is another certificate's context; `plain` is a server that speaks no TLS; of
    `receives` bytes, not of more, the system lets us send ahead of what it reads.
    """

    def __init__(
        self,
        behave: Behaviour,
        *,
        tls: ssl.SSLContext | None = None,
        plain: bool = False,
        address: str = "127.0.0.1",
        port: int = 0,
        receives: int | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.connections = self.handshakes = self.received = self.sent = 0
        self.closing = threading.Event()
        self._behave, self._tls = behave, None if plain else tls or trusted_context()
        self._changed = threading.Condition()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=1_024)
        if receives is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="evil", daemon=True)]
        self._threads[0].start()

    def url(self, path: str = "/", host: str = "localhost") -> str:
        return f"https://{host}:{self.port}{path}"

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Request]:
        """The first `count` requests. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests in {timeout} s")
            return self.requests[:count]

    def close(self) -> None:
        """Ends whatever it does."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(10)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- on its threads --------------------------------------------------------------

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(
                    target=self._serve, args=(connection, self.connections), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        """A caller that goes away, whenever, is what these tests are about."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_LONGEST_SECONDS)
        self._open.add(connection)
        try:
            with contextlib.suppress(OSError):
                plain = connection
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                    self._open.add(connection)
                    self._open.discard(plain)
                    self.handshakes += 1
                # One that is not open yet when all are ended is seen here.
                if not self.closing.is_set():
                    self._behave(Peer(self, connection, number))
        finally:
            self._open.discard(connection)
            connection.close()

    def _remember(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def _count(self, got: bytes) -> bytes:
        self.received += len(got)
        return got


def trusted_context() -> ssl.SSLContext:
    """With this process' own certificate for localhost."""
    _, certificate, key = local_certificate()
    return context_of(certificate + key)


def context_of(pem: bytes, ciphers: str | None = None) -> ssl.SSLContext:
    """A server's context from certificates and a key; `ciphers` may lower what is allowed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers is not None:
        context.set_ciphers(ciphers)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.touch(0o600)
        file.write_bytes(pem)
        context.load_cert_chain(file)
    return context


def listen(peer: Peer) -> None:
    """For a place where nobody may come: counts what is sent there, and says nothing."""
    while peer.read_some():
        pass


def agree(peer: Peer) -> None:
    """Answers every request with 204."""
    while peer.read_request():
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")


def resident_bytes() -> int:
    """Memory that this process has in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4_096
