"""A local receiver on a real TLS socket, which keeps what it receives."""

import json
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Self

from ..receiver import Notification, Verifier
from .https import Answer, HttpsServer, Request

# Of a receiver that nobody holds any more.
_GONE = Answer(410)


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


class Receiver:
    """An HTTPS endpoint on 127.0.0.1 that keeps what it receives.

    A dispatcher with ``dev=True`` in the same process trusts it at once; others take its
    authority from :attr:`ca_pem`. `requests` grows as they arrive, `connections` counts the
    TCP connections. Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._answer = Answer()
        self._script: deque[int | Answer] = deque()
        self._changed = threading.Condition()
        self._server = HttpsServer(_weakly(self._receive))
        # One that nobody holds any more ends by itself: a cell that makes it can be run again.
        weakref.finalize(self, self._server.end).atexit = False

    @property
    def ca_pem(self) -> bytes:
        return self._server.ca_pem

    @property
    def connections(self) -> int:
        return self._server.connections

    def url(self, path: str = "/") -> str:
        """``https://localhost:PORT/path``."""
        return self._server.url(path)

    @property
    def port(self) -> int:
        return self._server.port

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
        self._server.close()

    def __repr__(self) -> str:
        return f"<webhooksub.testing.Receiver {self.url()}: {len(self.requests)} requests>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- on the server's threads -----------------------------------------------------

    def _receive(self, request: Request) -> Answer:
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
                    request.method,
                    request.path,
                    request.headers,
                    request.body,
                    answer.status,
                    time.time(),
                )
            )
            self._changed.notify_all()
        return answer


def _weakly(receive: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
    """A server holds its receiver only while a request is there."""
    method = weakref.WeakMethod(receive)

    def receive_if_held(request: Request) -> Answer:
        held = method()
        return _GONE if held is None else held(request)

    return receive_if_held
