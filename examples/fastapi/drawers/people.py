"""Who asks, and which tenants they belong to."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select

from webhooksub.authorizer import Operation, Root

from .models import Member, digest_of
from .settings import DATABASE

Token = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


@dataclass(frozen=True)
class Person:
    id: str
    tenants: frozenset[str]


async def current_person(request: Request, token: Token) -> Person:
    """The dependency of every route, webhooksub's too."""
    found: Sequence[Member] = ()
    if token is not None:
        query = select(Member).where(Member.token_digest == digest_of(token.credentials))
        async with request.app.state.sessions() as session:
            found = (await session.scalars(query)).all()
    if not found:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return Person(found[0].person, frozenset(member.tenant for member in found))


class Members:
    """webhooksub's authorizer: members of a tenant may do everything beneath it."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def allows(self, actor: Person, root: Root, operation: Operation) -> bool:
        return root[0] == "tenant" and root[1] in actor.tenants

    def roots(self, actor: Person) -> list[Root]:
        return [("tenant", tenant) for tenant in actor.tenants]

    def owner_id(self, actor: Person) -> str:
        return actor.id

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        """Asked in the background: who was taken out of a tenant stops hearing of it."""
        query = "select 1 from member where person = ? and tenant = ?"
        with closing(sqlite3.connect(self._database)) as connection:
            return connection.execute(query, (owner_id, root[1])).fetchone() is not None


#: For `webhooksub worker --authorizer drawers.people:members`.
members = Members(DATABASE)
