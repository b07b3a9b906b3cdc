"""What an endpoint does with a request before anybody looks at it. Knows no framework."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..errors import VerificationError
from ..receiver import Headers, Notification, Verifier
from .seen import Seen, State

Keys = str | Iterable[str]

#: A batch at its most (4 MiB), and room for the envelope of one large notification.
BODY_MAX: Final = 5 * 1024 * 1024
# Another request works on the same notification: the sender asks again after this.
_BUSY_RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that the view must not see. Names no key and no byte."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


TOO_LARGE: Final = Refusal(413, "the body is too large")
# Not 400, by which a sender understands that one of a batch's notifications is at fault.
_FORGED: Final = Refusal(403, "the signature does not verify")
_BUSY: Final = Refusal(
    503, "this notification is being worked on", {"Retry-After": str(_BUSY_RETRY_AFTER_S)}
)


class Receipt:
    """Notifications that verified and are new. The view's end must be told by one of
    :meth:`done` and :meth:`failed`; told neither, they are new again after a while."""

    def __init__(self, notifications: tuple[Notification, ...], seen: Seen | None) -> None:
        self.notifications = notifications
        self._seen = seen
        self._ids = [n.id for n in notifications]

    @property
    def repeated(self) -> bool:
        """All that came was seen before: nothing is left to do."""
        return not self.notifications

    def done(self) -> None:
        """They were taken care of: a repetition is not shown to the view."""
        if self._seen is not None and self._ids:
            self._seen.done(self._ids)

    def failed(self) -> None:
        """They were not: the sender's next attempt is as the first."""
        if self._seen is not None and self._ids:
            self._seen.forget(self._ids)


class Receiving:
    """Verifies requests under `keys` and leaves out what was `seen` before.

    `keys` may also be a callable that answers them at each request. The signature must be one
    with a timestamp that is `tolerance` seconds old or early at most, so that a recorded
    request is soon worth nothing; ``require_standard=False`` takes requests that carry
    `integrity_header` alone, and those can be repeated for ever. Other arguments are those of
    :class:`~webhooksub.Verifier`. Raises ConfigurationError, with a callable at its use.
    """

    def __init__(
        self,
        keys: Keys | Callable[[], Keys],
        *,
        seen: Seen | None = None,
        tolerance: int = 300,
        integrity_header: str = "integrityHash",
        require_standard: bool = True,
        body_max: int = BODY_MAX,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seen = seen
        self.body_max = body_max

        def verifier_of(keys: Keys) -> Verifier:
            return Verifier(
                keys,
                tolerance=tolerance,
                integrity_header=integrity_header,
                require_standard=require_standard,
                clock=clock,
            )

        if callable(keys):
            ask = keys
            self._verifier: Callable[[], Verifier] = lambda: verifier_of(ask())
        else:
            verifier = verifier_of(keys)
            self._verifier = lambda: verifier

    def receive(self, body: bytes, headers: Headers) -> Receipt | Refusal:
        """What to show to the view, or how to answer without it. Asks `seen`: may block."""
        if len(body) > self.body_max:
            return TOO_LARGE
        verifier = self._verifier()
        try:
            notifications = verifier.verify(body, headers)
        except VerificationError:
            return _FORGED
        if self._seen is None:
            return Receipt(notifications, None)
        return self._unseen(notifications, self._seen)

    def _unseen(self, notifications: Sequence[Notification], seen: Seen) -> Receipt | Refusal:
        by_id = {n.id: n for n in notifications}
        states = dict(zip(by_id, seen.begin(list(by_id)), strict=True))
        new = [id_ for id_, state in states.items() if state is State.NEW]
        if State.BUSY in states.values():
            seen.forget(new)
            return _BUSY
        return Receipt(tuple(by_id[id_] for id_ in new), seen)
