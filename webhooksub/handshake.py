"""Does a URL agree to be sent to? Asked before a subscription becomes active.

``graph`` is Microsoft Graph's way: the URL echoes a token. ``cloudevents`` is the abuse
protection of CloudEvents: it names the origin that may send, which every notification then
carries, and how often.
"""

import json
import re
import secrets
from dataclasses import dataclass

from . import _core
from .config import HttpConfig
from .errors import ConfigurationError, ValidationError
from .events import Outcome

#: What a tenant is told: no more than of a test notification.
WAITING = "the URL has not agreed yet"
_REFUSED = "the URL does not agree: it answered something else"
_UNREACHABLE = "the URL does not agree: it cannot be reached"
_ECHOED = "text/plain"


_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}")
# What an endpoint may say is longer than any rate that we could reach.
_RATE = re.compile(r"[0-9]{1,9}")
_UNLIMITED = "*"
#: Beside the owner's own options in a subscription's row, where no owner can write it.
_ALLOWED = "allowedPerMinute"
# The engine's ratePerSecond goes by millionths up to this.
_RATE_MAX = 1_000.0
_MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a URL answered: `refusal` says why it does not agree, None when it does.

    `per_minute`: as many requests as it allows, None for any number.
    """

    refusal: str | None = None
    per_minute: int | None = None


class Handshake:
    """What `http` asks for. Raises ConfigurationError when it lacks our own name."""

    def __init__(self, http: HttpConfig) -> None:
        self._way, self._origin = http.handshake, http.handshake_origin or ""
        if self._way == "cloudevents" and not _NAME.fullmatch(self._origin):
            raise ConfigurationError("handshake_origin: cloudevents needs our own DNS name")

    @property
    def wanted(self) -> bool:
        return self._way != "off"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What notifications carry to URLs that were asked so."""
        return (("WebHook-Request-Origin", self._origin),) if self._way == "cloudevents" else ()

    def ask(self, engine: _core.Engine, url: str) -> Agreement:
        """Asks the URL once. Raises Closed."""
        try:
            return self._echo(engine, url) if self._way == "graph" else self._consent(engine, url)
        except ValidationError:
            return Agreement("the URL is too long to be asked")

    def _echo(self, engine: _core.Engine, url: str) -> Agreement:
        token = secrets.token_urlsafe(32)
        asked = f"{url}{'&' if '?' in url else '?'}validationToken={token}"
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        _, status, _, _, body, fields = engine.ask("POST", asked, headers)
        kind = fields.get("Content-Type", "").partition(";")[0].strip().lower()
        agreed = status == 200 and kind == _ECHOED and body == token.encode()
        return Agreement() if agreed else Agreement(_why(status))

    def _consent(self, engine: _core.Engine, url: str) -> Agreement:
        outcome, status, _, _, _, fields = engine.ask("OPTIONS", url, list(self.headers))
        allowed = fields.get("WebHook-Allowed-Origin", "").lower()
        rate = fields.get("WebHook-Allowed-Rate", _UNLIMITED)
        agreed = outcome == Outcome.SUCCESS and allowed in ("*", self._origin.lower())
        if not agreed or not _is_rate(rate):
            return Agreement(_why(status))
        return Agreement(per_minute=None if rate == _UNLIMITED else int(rate))


# --- The rate that a URL allowed, in the options of its row. ---


def keep_allowed(options: str, per_minute: int | None) -> str:
    """The owner's `options`, and the URL's rate beside them."""
    if per_minute is None:
        return options
    return json.dumps(json.loads(options) | {_ALLOWED: per_minute}, separators=(",", ":"))


def split_allowed(options: str) -> tuple[str, int | None]:
    """The owner's options, and the rate of :func:`keep_allowed`."""
    if _ALLOWED not in options:
        return options, None
    given = json.loads(options)
    per_minute = given.pop(_ALLOWED, None)
    return json.dumps(given, separators=(",", ":")), per_minute


def limit(options: str) -> str:
    """Options for the engine: the owner's rate, or the URL's where that is less."""
    own, per_minute = split_allowed(options)
    if per_minute is None:
        return own
    given = json.loads(own)
    most = min(_MILLIONTHS * per_minute // 60 / _MILLIONTHS, _RATE_MAX)
    given["ratePerSecond"] = min(given.get("ratePerSecond", most), most)
    return json.dumps(given, separators=(",", ":"))


def _is_rate(text: str) -> bool:
    return text == _UNLIMITED or (_RATE.fullmatch(text) is not None and int(text) > 0)


def _why(status: int | None) -> str:
    return _UNREACHABLE if status is None else _REFUSED
