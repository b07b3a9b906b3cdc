"""The tables: tenants have members and drawers, drawers have folders, folders have files."""

import hashlib
import uuid

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def new_id() -> str:
    return uuid.uuid4().hex


def digest_of(token: str) -> str:
    """What is stored of a bearer token: who reads the table cannot use it."""
    return hashlib.sha256(token.encode()).hexdigest()


class Base(DeclarativeBase):
    pass


class Member(Base):
    __tablename__ = "member"

    person: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(primary_key=True)
    token_digest: Mapped[str] = mapped_column(index=True)


class Drawer(Base):
    __tablename__ = "drawer"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    tenant: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]


class Folder(Base):
    __tablename__ = "folder"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    drawer_id: Mapped[str] = mapped_column(ForeignKey("drawer.id", ondelete="CASCADE"))
    name: Mapped[str]


class File(Base):
    __tablename__ = "file"
    __table_args__ = (UniqueConstraint("folder_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    folder_id: Mapped[str] = mapped_column(ForeignKey("folder.id", ondelete="CASCADE"))
    name: Mapped[str]
    size: Mapped[int]
