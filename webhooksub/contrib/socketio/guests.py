"""Who may connect: what both kinds of servers do with a client at the door."""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from socketio.exceptions import ConnectionRefusedError as Refused

from ...api import SubscriptionApi
from ...authorizer import allow_all
from ...dispatcher import Dispatcher
from ...errors import LimitReached, WebhooksubError
from ...logs import about

__all__ = ["Guests", "Refused", "authorize"]

log = logging.getLogger("webhooksub")

# A token is as long as a server takes a header to be.
_TOKEN_MAX = 8_192


class Guests:
    """The door of one dispatcher and one server. Any thread; blocks for the store."""

    def __init__(self, hooks: Dispatcher, server: Any, namespace: str, has_actor: bool) -> None:
        """Raises ConfigurationError where nobody says who connects."""
        SubscriptionApi(hooks).check_mountable(has_actor=has_actor)
        self._hooks, self._server, self._namespace = hooks, server, namespace

    def admit(self, sid: str, actor: Any) -> None:
        """Lets the actor's client in. Raises Refused, which says no more than the client may
        know."""
        if actor is None and self._hooks.authorizer is not allow_all:
            raise Refused("say who you are")
        try:
            self._hooks.listening.connect(actor, sid, lambda: self._is_open(sid))
        except LimitReached as error:
            raise Refused(str(error)) from None
        except WebhooksubError as error:
            log.error("a client cannot connect: %s", error, extra=about("socket_refused"))
            raise Refused("try again later") from None

    def leave(self, sid: str) -> None:
        """Its connection has ended."""
        try:
            self._hooks.listening.disconnect(sid)
        except WebhooksubError as error:
            log.info("a client left: %s", error, extra=about("socket_left"))

    def _is_open(self, sid: str) -> bool:
        return self._server.get_environ(sid, namespace=self._namespace) is not None


def authorize(headers: MutableMapping[str, str], name: str, auth: Any) -> None:
    """``auth: {token: "…"}`` of a client as the header of a request that has none: a browser
    can give a socket no headers."""
    token = auth.get("token") if isinstance(auth, Mapping) else None
    if not isinstance(token, str) or not token or len(token) > _TOKEN_MAX or name in headers:
        return
    if token.isascii() and token.isprintable():
        headers[name] = f"Bearer {token}"
