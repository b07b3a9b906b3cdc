"""Who may subscribe where each tenant has its members."""

from typing import Any

from webhooksub.authorizer import Root


class Members:
    """An actor is the id of the tenant that it belongs to."""

    def allows(self, actor: Any, root: Root, operation: str) -> bool:
        return root == ("tenant", actor)

    def roots(self, actor: Any) -> list[Root]:
        return [("tenant", actor)]

    def owner_id(self, actor: Any) -> str:
        return f"member of {actor}"

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        return owner_id == f"member of {root[1]}"
