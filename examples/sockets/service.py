"""What both processes know: whose changes there are, and how clients are reached.

``DATABASE`` is the store, ``REDIS`` carries events and acknowledgements between processes, and
the ``WEBHOOKSUB_…`` variables set everything else.
"""

import os
from typing import Any

from webhooksub import Dispatcher
from webhooksub.authorizer import Operation, Root
from webhooksub.contrib.socketio import Sockets

DATABASE = os.environ.get("DATABASE", "sqlite:///hooks.db")
REDIS = os.environ.get("REDIS", "redis://127.0.0.1:6379/0")


class Tenants:
    """An actor is the name of the tenant that it belongs to."""

    def allows(self, actor: str, root: Root, operation: Operation) -> bool:
        return root == ("tenant", actor)

    def roots(self, actor: str) -> list[Root]:
        return [("tenant", actor)]

    def owner_id(self, actor: str) -> str:
        return actor

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        return root == ("tenant", owner_id)


def who(request: Any) -> str | None:
    """Stands for your own: here the bearer token is the name of the tenant."""
    scheme, _, token = (request.headers.get("Authorization") or "").partition(" ")
    return token if scheme == "Bearer" and token else None


def make_hooks() -> tuple[Dispatcher, Sockets]:
    """Of this process; the worker starts its own."""
    sockets = Sockets(redis=REDIS)
    return Dispatcher(DATABASE, authorizer=Tenants(), sockets=sockets), sockets
