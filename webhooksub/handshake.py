"""Does a URL agree to be sent to? Asked before a subscription becomes active.

``graph`` is Microsoft Graph's way: the URL echoes a token. ``cloudevents`` is the abuse
protection of CloudEvents: it names the origin that may send.
"""

import secrets

from . import _core
from .config import HttpConfig
from .errors import ConfigurationError, ValidationError
from .events import Outcome

#: What a tenant is told: no more than of a test notification.
WAITING = "the URL has not agreed yet"
_REFUSED = "the URL does not agree: it answered something else"
_UNREACHABLE = "the URL does not agree: it cannot be reached"
_ECHOED = "text/plain"


class Handshake:
    """What `http` asks for. Raises ConfigurationError when it lacks our own name."""

    def __init__(self, http: HttpConfig) -> None:
        self._way, self._origin = http.handshake, http.handshake_origin or ""
        if self._way == "cloudevents" and not self._origin:
            raise ConfigurationError("handshake_origin: cloudevents needs our own DNS name")

    @property
    def wanted(self) -> bool:
        return self._way != "off"

    def refusal(self, engine: _core.Engine, url: str) -> str | None:
        """Asks the URL once: why it does not agree, None when it does. Raises Closed."""
        try:
            return self._echo(engine, url) if self._way == "graph" else self._consent(engine, url)
        except ValidationError:
            return "the URL is too long to be asked"

    def _echo(self, engine: _core.Engine, url: str) -> str | None:
        token = secrets.token_urlsafe(32)
        asked = f"{url}{'&' if '?' in url else '?'}validationToken={token}"
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        _, status, _, _, body, fields = engine.ask("POST", asked, headers)
        kind = fields.get("Content-Type", "").partition(";")[0].strip().lower()
        agreed = status == 200 and kind == _ECHOED and body == token.encode()
        return None if agreed else _why(status)

    def _consent(self, engine: _core.Engine, url: str) -> str | None:
        headers = [("WebHook-Request-Origin", self._origin)]
        outcome, status, _, _, _, fields = engine.ask("OPTIONS", url, headers)
        allowed = fields.get("WebHook-Allowed-Origin", "").lower()
        agreed = outcome == Outcome.SUCCESS and allowed in ("*", self._origin.lower())
        return None if agreed else _why(status)


def _why(status: int | None) -> str:
    return _UNREACHABLE if status is None else _REFUSED
