"""The demo's endpoint: an HTTPS server in a process of its own, with the standard library only.

    python receiver.py FOLDER [--port N] [--keep-every N]

It imports nothing of webhooksub, so what it says about signatures is a second opinion. A
tenth of the requests is answered 500 at first. Every notification becomes a line of
FOLDER/received.jsonl, which is written *before* its answer is sent: what was answered 2xx
is on record whoever dies next. It ends when its standard input does, which is when its
parent has gone.
"""

import argparse
import asyncio
import base64
import fcntl
import hmac
import json
import os
import signal
import ssl
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 16 * 1024 * 1024
# Connections that wait to be accepted.
BACKLOG = 1_024
# After the parent's end, for requests that are in the sockets already.
GRACE_SECONDS = 0.5
# A receiver before us may still be in its grace.
PREDECESSOR_SECONDS = 10
# Two of the signature's clocks may differ so much (Standard Webhooks advises minutes).
TOLERANCE_SECONDS = 300
REASONS = {204: "No Content", 400: "Bad Request", 401: "Unauthorized", 500: "Try Again"}
ANSWERS = {
    status: f"HTTP/1.1 {status} {reason}\r\n".encode()
    + (b"\r\n" if status == 204 else b"Content-Length: 0\r\n\r\n")
    for status, reason in REASONS.items()
}


def fails(webhook_id: str, seen: int) -> bool:
    """Is the request with this id, seen so often before, answered 500? A tenth is, once or
    twice; which ones follows from the id alone."""
    number = int(webhook_id[-8:], 16)
    return number % 10 == 0 and seen < 1 + number // 10 % 2


def verifies(key: str, headers: dict[bytes, bytes], body: bytes) -> bool:
    """integrityHash, and the signature of Standard Webhooks, under the plain text `key`."""
    secret = key.encode()
    integrity = hmac.digest(secret, body, "sha256").hex().encode()
    id_, at = headers.get(b"webhook-id", b""), headers.get(b"webhook-timestamp", b"")
    signed = hmac.digest(secret, b"%b.%b.%b" % (id_, at, body), "sha256")
    standard = b"v1," + base64.b64encode(signed)
    given = headers.get(b"webhook-signature", b"").split(b" ")
    return (
        hmac.compare_digest(integrity, headers.get(b"integrityhash", b""))
        and any(hmac.compare_digest(standard, one) for one in given)
        and at.isdigit()
        and abs(int(at) - time.time()) <= TOLERANCE_SECONDS
    )


class Ledger:
    """received.jsonl, locked while it is open, continued where it ended."""

    def __init__(self, path: Path) -> None:
        self.requests = 0
        self.seen: Counter[str] = Counter()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock()
        self._continue(path.read_bytes())

    def _lock(self) -> None:
        deadline = time.monotonic() + PREDECESSOR_SECONDS
        while True:
            try:
                return fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError("another receiver has this folder") from None
                time.sleep(0.02)

    def _continue(self, written: bytes) -> None:
        whole = written.rfind(b"\n") + 1
        os.ftruncate(self._fd, whole)  # a line that was never finished was never answered
        last = 0
        for text in written[:whole].splitlines():
            line = json.loads(text)
            if line["request"] != last:
                last = line["request"]
                self.seen[line["webhook_id"]] += 1
        self.requests = last

    def write(self, text: str) -> None:
        """Everything is with the operating system when this returns."""
        data = text.encode()
        while data:
            data = data[os.write(self._fd, data) :]


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived. `target` is the path of the URL, header names are in lower case."""

    target: str
    headers: dict[bytes, bytes]
    body: bytes


class Endpoint:
    """Judges requests, writes them down, answers: in this order, many at a time."""

    def __init__(self, folder: Path, keep_every: int) -> None:
        self._keys: dict[str, str] = json.loads((folder / "keys.json").read_text())
        self._ledger = Ledger(folder / "received.jsonl")
        self._kept, self._keep_every = folder / "kept", keep_every
        self._lines: list[str] = []
        self._answers: list[tuple[asyncio.WriteTransport, int]] = []
        if keep_every:
            self._kept.mkdir(exist_ok=True)

    def take(self, request: Request, transport: asyncio.WriteTransport) -> None:
        """Answers it before the event loop's next turn."""
        if not self._answers:
            asyncio.get_running_loop().call_soon(self.flush)
        self._answers.append((transport, self._judge(request)))

    def flush(self) -> None:
        """Lines first, answers then."""
        lines, self._lines = self._lines, []
        answers, self._answers = self._answers, []
        self._ledger.write("".join(lines))
        for transport, status in answers:
            transport.write(ANSWERS[status])

    def _judge(self, request: Request) -> int:
        now_ms = time.time_ns() // 1_000_000
        self._ledger.requests += 1
        id_ = request.headers.get(b"webhook-id", b"").decode(errors="replace")
        key = self._keys.get(request.target)
        verified = key is not None and verifies(key, request.headers, request.body)
        notifications = _notifications(request.body)
        if not notifications:
            status, notifications = 400, [{}]
        elif not verified:
            status = 401
        else:
            status = 500 if fails(id_, self._ledger.seen[id_]) else 204
            self._ledger.seen[id_] += 1
        for one in notifications:
            self._write_down(one, id_, status, verified, now_ms)
        if self._keep_every and self._ledger.requests % self._keep_every == 0:
            self._keep(request, key or "")
        return status

    def _write_down(
        self, notification: dict[str, Any], id_: str, status: int, verified: bool, now_ms: int
    ) -> None:
        line = {
            "request": self._ledger.requests,
            "webhook_id": id_,
            "id": notification.get("id"),
            "path": notification.get("resourcePath"),
            "modification": notification.get("modificationType"),
            "status": status,
            "verified": verified,
            "published": notification.get("rawTime"),
            "received_ms": now_ms,
        }
        self._lines.append(json.dumps(line, separators=(",", ":")) + "\n")

    def _keep(self, request: Request, key: str) -> None:
        """For `openssl dgst -sha256 -hmac "$(cat N.key)" N.body`, which gives N.hash."""
        stem = self._kept / f"{self._ledger.requests:08}"
        stem.with_suffix(".body").write_bytes(request.body)
        stem.with_suffix(".key").write_text(key)
        stem.with_suffix(".hash").write_bytes(request.headers.get(b"integrityhash", b""))


def _notifications(body: bytes) -> list[dict[str, Any]]:
    """Those of a body, single or batch; none when it is something else."""
    try:
        value = json.loads(body)
    except ValueError:
        return []
    found = value if isinstance(value, list) else [value]
    return found if all(isinstance(one, dict) and one.get("id") for one in found) else []


class Connection(asyncio.Protocol):
    """As much of HTTP/1.1 as a webhook needs: requests with Content-Length, kept alive."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._buffer = endpoint, bytearray()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while (request := self._next()) is not None:
                self._endpoint.take(request, self._transport)
        except ValueError:
            self._transport.write(ANSWERS[400])
            self._transport.close()

    def _next(self) -> Request | None:
        """The next whole request. Raises ValueError when it cannot become one."""
        end = self._buffer.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise ValueError("the head is too long")
            return None
        first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines)
        }
        size = int(headers[b"content-length"]) if b"content-length" in headers else -1
        if not 0 <= size <= BODY_BYTES_MAX or not first.startswith(b"POST "):
            raise ValueError("no POST with a sensible length")
        start = end + 4
        if len(self._buffer) < start + size:
            return None
        body = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return Request(first.split(b" ")[1].decode("ascii"), headers, body)


async def serve(folder: Path, port: int, keep_every: int) -> None:
    """Until standard input ends: at once after the word "end", else after a grace."""
    loop = asyncio.get_running_loop()
    endpoint = Endpoint(folder, keep_every)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "receiver.pem", folder / "receiver.key")
    server = await loop.create_server(
        lambda: Connection(endpoint), "127.0.0.1", port, ssl=context, backlog=BACKLOG
    )
    ended = loop.create_future()

    def look_at_parent() -> None:
        word = os.read(0, 64)
        if word.strip() == b"end" or not word:
            loop.remove_reader(0)
            ended.set_result(0 if word else GRACE_SECONDS)

    loop.add_reader(0, look_at_parent)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.sleep(await ended)
    endpoint.flush()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keep-every", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; our parent decides
    try:
        asyncio.run(serve(options.folder, options.port, options.keep_every))
    except (OSError, ValueError) as error:
        sys.exit(f"the receiver cannot work: {error}")


if __name__ == "__main__":
    main()
