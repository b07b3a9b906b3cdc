"""The service's own API."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from .changes import Changes
from .models import Drawer, File, Folder

router = APIRouter(prefix="/tenants/{tenant}")
Changing = Annotated[Changes, Depends(Changes)]


class Named(BaseModel):
    name: str


class NewFile(BaseModel):
    name: str
    size: int


@router.post("/drawers", status_code=201)
async def create_drawer(given: Named, changes: Changing) -> dict[str, str]:
    async with changes.begin() as change:
        drawer = Drawer(tenant=change.tenant, name=given.name)
        change.session.add(drawer)
        await change.session.flush()
        await change.tell("create", drawer, name=drawer.name)
    return {"id": drawer.id}


@router.post("/drawers/{drawer_id}/folders", status_code=201)
async def create_folder(drawer_id: str, given: Named, changes: Changing) -> dict[str, str]:
    async with changes.begin() as change:
        drawer = await change.drawer(drawer_id)
        folder = Folder(drawer_id=drawer.id, name=given.name)
        change.session.add(folder)
        await change.session.flush()
        await change.tell("create", drawer, folder, name=folder.name)
    return {"id": folder.id}


@router.patch("/drawers/{drawer_id}/folders/{folder_id}")
async def rename_folder(
    drawer_id: str, folder_id: str, given: Named, changes: Changing
) -> dict[str, str]:
    async with changes.begin() as change:
        drawer = await change.drawer(drawer_id)
        folder = await change.folder(drawer, folder_id)
        before, folder.name = folder.name, given.name
        await change.tell("update", drawer, folder, name=folder.name, before=before)
    return {"id": folder.id}


@router.delete("/drawers/{drawer_id}/folders/{folder_id}", status_code=204)
async def delete_folder(drawer_id: str, folder_id: str, changes: Changing) -> None:
    """Its files go with it, and each is told of."""
    async with changes.begin() as change:
        drawer = await change.drawer(drawer_id)
        folder = await change.folder(drawer, folder_id)
        files = await change.session.scalars(select(File).where(File.folder_id == folder.id))
        for file in files.all():
            await change.tell("delete", drawer, folder, file, name=file.name)
        await change.tell("delete", drawer, folder, name=folder.name)
        await change.session.delete(folder)


@router.post("/drawers/{drawer_id}/folders/{folder_id}/files", status_code=201)
async def add_files(
    drawer_id: str, folder_id: str, given: list[NewFile], changes: Changing
) -> dict[str, list[str]]:
    """All of them or none: two of one name take the whole request back, events and all."""
    try:
        async with changes.begin() as change:
            drawer = await change.drawer(drawer_id)
            folder = await change.folder(drawer, folder_id)
            files = [File(folder_id=folder.id, name=f.name, size=f.size) for f in given]
            for file in files:
                change.session.add(file)
                await change.session.flush()
                await change.tell("create", drawer, folder, file, name=file.name, size=file.size)
    except IntegrityError:
        raise HTTPException(409, "a file of that name is there") from None
    return {"ids": [file.id for file in files]}
