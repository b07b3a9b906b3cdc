"""A change: rows and the event that tells of them, in one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession

from webhooksub import Dispatcher, catalogs

from .models import Drawer, File, Folder
from .people import Person, current_person

DRAWER = "tenant/{tenantId}/sidedrawer/{sidedrawerId}"
FOLDER = DRAWER + "/record/{recordId}"
FILE = FOLDER + "/files/{fileId}"


class Change:
    """An open transaction of one person in one tenant."""

    def __init__(
        self, session: AsyncSession, hooks: Dispatcher, tenant: str, person: Person
    ) -> None:
        self.session, self.tenant = session, tenant
        self._hooks, self._person = hooks, person

    async def drawer(self, id_: str) -> Drawer:
        """Raises 404 for what is not there, or another tenant's."""
        found = await self.session.get(Drawer, id_)
        if found is None or found.tenant != self.tenant:
            raise HTTPException(404)
        return found

    async def folder(self, drawer: Drawer, id_: str) -> Folder:
        found = await self.session.get(Folder, id_)
        if found is None or found.drawer_id != drawer.id:
            raise HTTPException(404)
        return found

    async def tell(self, action: str, drawer: Drawer, *below: Folder | File, **data: Any) -> None:
        """Publishes it with this transaction's connection: it is heard of if that commits."""
        names = dict(zip(("recordId", "fileId"), (row.id for row in below), strict=False))
        template = (DRAWER, FOLDER, FILE)[len(below)]
        path = catalogs.SIDEDRAWER.path(
            template, tenantId=self.tenant, sidedrawerId=drawer.id, **names
        )
        await self._hooks.apublish(
            path, action, data, open_id=self._person.id, connection=self.session
        )


class Changes:
    """Begins changes. A dependency: it knows who asks, and for which tenant."""

    def __init__(
        self, request: Request, tenant: str, person: Annotated[Person, Depends(current_person)]
    ) -> None:
        if tenant not in person.tenants:
            raise HTTPException(404)
        self._state, self._tenant, self._person = request.app.state, tenant, person

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Change]:
        """Commits at its end, before the request is answered; an exception takes all back."""
        async with self._state.sessions() as session, session.begin():
            yield Change(session, self._state.hooks, self._tenant, self._person)
