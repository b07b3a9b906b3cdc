"""Who may subscribe to what: answered by the host, asked by us.

A *root* is ``("tenant", id)`` or ``("subscription", id)``: the first parameter of a
resource with its literal. Deny is the default; there is no default authorizer.
"""

from collections.abc import Collection
from enum import Enum
from typing import Any, Final, Literal, Protocol

Root = tuple[str, str]
Operation = Literal["create", "read", "update", "delete"]


class All(Enum):
    """Every root: the answer of an authorizer that restricts nobody."""

    ALL = "all"


ALL: Final = All.ALL


class Authorizer(Protocol):
    """What the host implements. Each method may be called from any thread."""

    def allows(self, actor: Any, root: Root, operation: Operation) -> bool:
        """May `actor` do this to subscriptions under `root`?"""

    def roots(self, actor: Any) -> Collection[Root] | All:
        """The roots whose subscriptions `actor` may list."""

    def owner_id(self, actor: Any) -> str:
        """What is stored as the subscription's owner."""

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        """May this owner still receive what happens under `root`? Asked in the background."""


class AllowAll:
    """Restricts nobody: for scripts and notebooks, chosen by its name `allow_all`."""

    def allows(self, actor: Any, root: Root, operation: Operation) -> bool:
        return True

    def roots(self, actor: Any) -> All:
        return ALL

    def owner_id(self, actor: Any) -> str:
        return "" if actor is None else str(actor)

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        return True

    def __repr__(self) -> str:
        return "allow_all"


allow_all: Final = AllowAll()


def parse_root(text: str) -> Root:
    """``"tenant/acme"`` as ``("tenant", "acme")``."""
    kind, _, id_ = text.partition("/")
    return kind, id_


def format_root(root: Root) -> str:
    """``("tenant", "acme")`` as ``"tenant/acme"``."""
    return f"{root[0]}/{root[1]}"
