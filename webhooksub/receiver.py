"""The other side: verifying notifications where they arrive.

Nothing here needs a dispatcher or a store::

    verifier = Verifier("whsec_…")
    for notification in verifier.verify(request.body, request.headers):
        ...

The body must be the bytes that arrived, before any decoding.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from . import _core
from .errors import ConfigurationError, VerificationError
from .secret import hidden

_Pairs = Iterable[tuple[Any, Any]]


@runtime_checkable
class HeaderItems(Protocol):
    """A dict, or whatever else a framework keeps headers in; a repeated one stands twice."""

    def items(self) -> _Pairs:
        """Names and values, str or bytes."""


Headers = HeaderItems | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]

_STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
# A batch and its envelope: array, notification, and the deepest data that is published.
_DEPTH_MAX = 2 + 64
# Nobody's clock is that wrong; more would leave the core's numbers.
_TOLERANCE_MAX = 10 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Notification:
    """One change. `id` is the same every time it is delivered: remember it to drop repeats."""

    id: str
    subscription_id: str
    resource: str
    resource_path: str
    modification_type: str
    raw_time: str
    brand_code: str | None = None
    open_id: str | None = None
    data: Any = field(default=None, repr=False)


_NAMES = {
    "id": "id",
    "subscriptionId": "subscription_id",
    "resource": "resource",
    "resourcePath": "resource_path",
    "modificationType": "modification_type",
    "rawTime": "raw_time",
    "brandCode": "brand_code",
    "openId": "open_id",
    "data": "data",
}
_REQUIRED = list(_NAMES.values())[:6]
_OPTIONAL = ("brand_code", "open_id")


class Verifier:
    """Checks the signatures of requests under one key, or several while it rotates.

    `keys` are integrityKeys as the subscription was given them (``whsec_…`` or plain text).
    A request must carry the Standard Webhooks headers (Standard Webhooks 1.0.0) or
    `integrity_header`; what it carries must all verify. The former also bound its age to
    ± `tolerance` seconds; `require_standard` makes them obligatory. `clock` gives seconds
    since the epoch.

    Raises ConfigurationError for a key that is none, too many keys, or a tolerance that is no
    whole number of seconds.
    """

    def __init__(
        self,
        keys: str | Iterable[str],
        *,
        tolerance: int = 300,
        integrity_header: str = "integrityHash",
        require_standard: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        given = list(map(hidden, [keys] if isinstance(keys, str) else keys))
        del keys
        if not given:
            raise ConfigurationError("a Verifier needs at least one key")
        try:
            self._keys = [_core.decode_key(key) for key in given]
            # The core knows how many it can try: better told here than by the first request.
            _core.sign(self._keys, "", 0, b"")
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        if not isinstance(tolerance, int) or not 0 <= tolerance <= _TOLERANCE_MAX:
            raise ConfigurationError("tolerance must be a whole number of seconds")
        self._tolerance, self._clock = tolerance, clock
        self._integrity_header = integrity_header.lower()
        self._require_standard = require_standard

    def __repr__(self) -> str:
        return f"<webhooksub.Verifier with {len(self._keys)} keys>"

    def verify(self, body: bytes, headers: Headers) -> tuple[Notification, ...]:
        """The notifications of a request: one, or those of a batch.

        Raises VerificationError, and nothing else, for anything that a sender may do.
        """
        if not isinstance(body, bytes | bytearray | memoryview):
            raise VerificationError("the body must be the bytes that arrived")
        raw = bytes(body)
        self._check_signatures(raw, self._wanted(headers))
        return _notifications(raw)

    def _wanted(self, headers: Headers) -> dict[str, str]:
        """The headers that matter, in lower case. Each may occur once."""
        # By what it has, not what it is: the standard library's headers are no Mapping.
        pairs: _Pairs = headers.items() if isinstance(headers, HeaderItems) else headers
        found: dict[str, str] = {}
        for name, value in pairs:
            name = name.decode("latin-1") if isinstance(name, bytes) else str(name)
            name = name.lower()
            if name not in _STANDARD and name != self._integrity_header:
                continue
            value = value.decode("latin-1") if isinstance(value, bytes) else value
            if name in found or not isinstance(value, str) or not value.isascii():
                raise VerificationError(f"the header {name} is malformed or repeated")
            found[name] = value
        return found

    def _check_signatures(self, body: bytes, headers: dict[str, str]) -> None:
        standard = [headers.get(name) for name in _STANDARD]
        given = headers.get(self._integrity_header)
        id_, timestamp, signatures = standard
        if signatures is not None or self._require_standard:
            if id_ is None or timestamp is None or signatures is None:
                raise VerificationError("a webhook- header is missing")
            _core.verify_standard(
                self._keys,
                id_,
                timestamp,
                signatures,
                body,
                now=int(self._clock()),
                tolerance=self._tolerance,
            )
        elif given is None:
            raise VerificationError("the request carries no signature")
        if given is not None:
            _core.verify_integrity(self._keys, given, body)


def _notifications(body: bytes) -> tuple[Notification, ...]:
    try:
        _core.check_json(body, _DEPTH_MAX)
        document = json.loads(body)
    except ValueError:
        raise VerificationError("the body is no JSON") from None
    items = document if isinstance(document, list) else [document]
    return tuple(map(_notification, items))


def _notification(item: Any) -> Notification:
    if not isinstance(item, dict):
        raise VerificationError("the body is no notification")
    known = {_NAMES[name]: value for name, value in item.items() if name in _NAMES}
    for name in _REQUIRED:
        if not isinstance(known.get(name), str):
            raise VerificationError("the body is no notification")
    for name in _OPTIONAL:
        if not isinstance(known.get(name), str | None):
            raise VerificationError("the body is no notification")
    return Notification(**known)
