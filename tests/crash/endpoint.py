"""The receiver of ``make crash``: it writes down each notification before it answers.

A process of its own, which nobody kills: :class:`Endpoint` starts it. Its log is the proof's own
record; a line each:

    nanoseconds status number subscription-id notification-id

``/take`` answers 204, ``/slow`` too but later, ``/flaky`` now and then 503, ``/refuse`` always
500. Commands come by the standard input, and each is answered by a line: ``log FILE`` begins
another log, ``flush`` writes what was answered, ``quiet`` does so once no connection is open.
"""

import asyncio
import json
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

import trustme


class Endpoint:
    """The receiver's process, and the address of one where nobody listens."""

    def __init__(self, away: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        facts = json.loads(self._process.stdout.readline())  # type: ignore[union-attr]
        self.url, self.ca, self.away = facts["url"], facts["ca"], away

    def log_to(self, path: Path) -> None:
        self._tell(f"log {path}")

    def await_quiet(self) -> None:
        """All that was on its way to it is written down."""
        self._tell("quiet")

    def flush(self) -> None:
        """All that it answered is written down."""
        self._tell("flush")

    def close(self) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(20)
        self._process.stdout.close()  # type: ignore[union-attr]

    def _tell(self, command: str) -> None:
        print(command, file=self._process.stdin, flush=True)
        self._process.stdout.readline()  # type: ignore[union-attr]


# --- In the process ------------------------------------------------------------------

ANSWERS = {
    status: f"HTTP/1.1 {status} .\r\nContent-Length: 0\r\n\r\n".encode()
    for status in (204, 500, 503)
}
# Of so many requests to /flaky one fails.
_FLAKY = 8
# How long /slow takes to answer.
_SLOW_SECONDS = 0.05
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Log:
    """Where receipts are written; none before the first file is named."""

    def __init__(self) -> None:
        self._file: TextIO | None = None
        self.chance = random.Random(0)

    def open(self, path: str) -> None:
        self.flush()
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115
        self.chance = random.Random(path)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def write(self, status: int, body: bytes) -> None:
        """One line for each notification of the body."""
        if self._file is None:
            return
        came = json.loads(body)
        now = time.monotonic_ns()
        for one in came if isinstance(came, list) else [came]:
            n, sub, id_ = one["data"]["n"], one["subscriptionId"], one["id"]
            self._file.write(f"{now} {status} {n} {sub} {id_}\n")


class Connection(asyncio.Protocol):
    open: set["Connection"] = set()

    def __init__(self, log: Log) -> None:
        self._log, self._unread = log, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        Connection.open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        Connection.open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._unread, 0, end)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._unread) < total:
                return
            path, body = self._unread.split(b" ", 2)[1], self._unread[end + 4 : total]
            self._unread = self._unread[total:]
            status = self._status(path)
            self._log.write(status, body)
            if path == b"/slow":
                asyncio.get_running_loop().call_later(_SLOW_SECONDS, self._answer, status)
            else:
                self._answer(status)

    def _answer(self, status: int) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWERS[status])

    def _status(self, path: bytes) -> int:
        if path == b"/flaky" and self._log.chance.randrange(_FLAKY) == 0:
            return 503
        return 500 if path == b"/refuse" else 204


def context(folder: Path) -> tuple[ssl.SSLContext, bytes]:
    """A certificate for loopback, and the authority to trust."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "chain.pem")
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "chain.pem")
    return tls, authority.cert_pem.bytes()


async def obey(log: Log) -> None:
    """Until the standard input ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        command, _, argument = line.partition(" ")
        if command == "log":
            log.open(argument)
        while command == "quiet" and Connection.open:
            await asyncio.sleep(0.002)
        log.flush()
        print("done", flush=True)


async def serve() -> None:
    log = Log()
    with tempfile.TemporaryDirectory() as folder:
        tls, ca_pem = context(Path(folder))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(log), "127.0.0.1", 0, ssl=tls, backlog=1_024
    )
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"https://127.0.0.1:{port}", "ca": ca_pem.decode()}), flush=True)
    await obey(log)


if __name__ == "__main__":
    asyncio.run(serve())
