"""What the host gives us and the delivering thread calls: in the app's context there too."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from flask import Flask, has_app_context

from ...authorizer import All, Authorizer, Operation, Root
from ...events import OperatorEvent

Answer = TypeVar("Answer")


class AuthorizerOfApp:
    """The host's authorizer, which may use ``db.session`` wherever it is asked."""

    def __init__(self, app: Flask, authorizer: Authorizer) -> None:
        self._app, self._authorizer = app, authorizer

    def allows(self, actor: Any, root: Root, operation: Operation) -> bool:
        return self._ask(self._authorizer.allows, actor, root, operation)

    def roots(self, actor: Any) -> Collection[Root] | All:
        return self._ask(self._authorizer.roots, actor)

    def owner_id(self, actor: Any) -> str:
        return self._ask(self._authorizer.owner_id, actor)

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        return self._ask(self._authorizer.still_allowed, owner_id, root)

    def __repr__(self) -> str:
        return repr(self._authorizer)

    def _ask(self, method: Callable[..., Answer], *arguments: Any) -> Answer:
        return in_context(self._app, method, *arguments)


def in_context(app: Flask, function: Callable[..., Answer], *arguments: Any) -> Answer:
    """Calls it in the context that is there, or in one of its own."""
    if has_app_context():
        return function(*arguments)
    with app.app_context():
        return function(*arguments)


def told_in_context(
    app: Flask, tell: Callable[[OperatorEvent], None]
) -> Callable[[OperatorEvent], None]:
    """The host's `on_operator_event`."""
    return lambda event: in_context(app, tell, event)
