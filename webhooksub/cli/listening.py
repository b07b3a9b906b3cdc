"""What ``listen`` makes of a request: is it verified, how often did it come, how is it answered?"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from ..errors import VerificationError
from ..receiver import Notification, Verifier
from ..testing import Answer
from ..testing.https import Request
from .scenario import Answering

# Whose repeats are recognized; the oldest are forgotten first.
_REMEMBERED = 10_000
_SIGNATURES = ("webhook-signature", "integrityhash")

Verdict = Literal["verified", "unsigned", "wrong", "handshake"]
_Judged = tuple[Verdict, str | None, tuple[Notification, ...]]
_AGREED: _Judged = ("handshake", None, ())
#: Keys, as integrityKeys are written, of the subscription with this id.
KeysOf = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request. `attempt`: how often its webhook-id has come, itself included."""

    number: int
    at: float  # seconds since the epoch
    path: str
    webhook_id: str | None
    attempt: int
    verdict: Verdict
    why: str | None
    notifications: tuple[Notification, ...]
    size: int
    answer: Answer


class Listener:
    """Judges requests on the server's threads, and tells of each before it is answered."""

    def __init__(
        self,
        keys: Sequence[str],
        keys_of: KeysOf,
        answering: Answering,
        tell: Callable[[Arrival], None],
        integrity_header: str = "integrityHash",
    ) -> None:
        self._verifier = Verifier(keys, integrity_header=integrity_header)
        self._integrity_header, self._keys_of = integrity_header, keys_of
        self._answering, self._tell = answering, tell
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, int] = OrderedDict()
        self.requests = self.verified = self.unverified = self.repeated = 0

    def receive(self, request: Request) -> Answer:
        handshake = _handshake(request)
        verdict, why, found = self._judge(request) if handshake is None else _AGREED
        with self._lock:
            self.requests += 1
            self.verified += verdict == "verified"
            self.unverified += verdict in ("unsigned", "wrong")
            id_ = request.headers.get("webhook-id")
            attempt = 1 if handshake is not None else self._attempt(id_)
            self.repeated += attempt > 1
            answer = handshake or self._answering.next()
            self._tell(
                Arrival(
                    self.requests,
                    time.time(),
                    request.path,
                    id_,
                    attempt,
                    verdict,
                    why,
                    found,
                    len(request.body),
                    answer,
                )
            )
        return answer

    def _judge(self, request: Request) -> _Judged:
        headers, body = request.headers, request.body
        try:
            return "verified", None, self._verify(body, headers)
        except VerificationError as error:
            signed = any(name in headers for name in (*_SIGNATURES, self._integrity_header))
            return ("wrong" if signed else "unsigned"), str(error), ()

    def _verify(self, body: bytes, headers: Any) -> tuple[Notification, ...]:
        """By the keys that were given, else by those of the subscription that it names."""
        try:
            return self._verifier.verify(body, headers)
        except VerificationError:
            keys = self._keys_of(_subscription_of(body))
            if not keys:
                raise
        return Verifier(keys, integrity_header=self._integrity_header).verify(body, headers)

    def _attempt(self, id_: str | None) -> int:
        if id_ is None:
            return 1
        count = self._seen.pop(id_, 0) + 1
        self._seen[id_] = count
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return count


def _subscription_of(body: bytes) -> str:
    """The id that an unverified body claims to be for; "" where it claims none."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    first = document[0] if isinstance(document, list) and document else document
    id_ = first.get("subscriptionId") if isinstance(first, dict) else None
    return id_ if isinstance(id_, str) else ""


def _handshake(request: Request) -> Answer | None:
    """Agrees to what asks for leave to send: CloudEvents' OPTIONS, Graph's validationToken."""
    if request.method == "OPTIONS":
        origin = request.headers.get("WebHook-Request-Origin", "*")
        return Answer(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
    token = parse_qs(urlsplit(request.path).query).get("validationToken")
    if not request.body and token:
        return Answer(headers={"Content-Type": "text/plain"}, body=token[0].encode())
    return None
