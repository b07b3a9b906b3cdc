"""Integrity keys at rest: several of one subscription while it changes from one to another.

The first byte of a sealed key is its format; 0 is the key as it is, kept secret by the
file's mode alone. Keys are opened when a subscription is read and stand in no repr.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    delete,
    func,
    insert,
    select,
    update,
)

from .. import _core
from ..errors import ConfigurationError, LimitReached
from .base import TOO_MANY_KEYS
from .schema import secret

_PLAIN = b"\x00"


def seal(key: bytes) -> bytes:
    return _PLAIN + key


def unseal(sealed: bytes) -> bytes:
    """Raises ConfigurationError for a format that needs more than this store was given."""
    if sealed[:1] != _PLAIN:
        raise ConfigurationError(f"a key is sealed in format {sealed[0]}, which needs a keyring")
    return sealed[1:]


def put_keys(
    connection: Connection, subscription: int, keys: Sequence[bytes], *, old_until: int | None
) -> None:
    """Writes `keys` (newest first) in place of the old ones, which serve on to `old_until`."""
    mine = secret.c.subscription_seq == subscription
    if old_until is None:
        drop_keys(connection, subscription)
    else:
        ends = secret.c.not_after
        connection.execute(
            update(secret)
            .where(mine, (ends.is_(None)) | (ends > old_until))
            .values(not_after=old_until)
        )
        live = select(func.count()).select_from(secret).where(mine)
        if connection.execute(live).scalar_one() + len(keys) > _core.KEYS_MAX:
            raise LimitReached(TOO_MANY_KEYS)
    last = connection.execute(select(func.max(secret.c.n)).where(mine)).scalar() or 0
    for n, key in enumerate(reversed(keys), last + 1):
        connection.execute(
            insert(secret).values(subscription_seq=subscription, n=n, sealed=seal(key))
        )


def drop_keys(connection: Connection, *subscriptions: int) -> None:
    """Deletes them all."""
    _delete(connection, secret.c.subscription_seq.in_(subscriptions))


def _delete(connection: Connection, *where: ColumnElement[bool]) -> int:
    """On SQLite also their bytes from the file's pages."""
    if sqlite := connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    deleted = connection.execute(delete(secret).where(*where)).rowcount
    if sqlite:
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")
    return deleted


def drop_ended(connection: Connection, now: int, subscription: int | None = None) -> int:
    """Deletes keys that serve no more, of one subscription or of all. Answers how many."""
    ended = [secret.c.not_after <= now]
    if subscription is not None:
        ended.append(secret.c.subscription_seq == subscription)
    if connection.execute(select(secret.c.n).where(*ended).limit(1)).first() is None:
        return 0
    return _delete(connection, *ended)


def any_keys(connection: Connection) -> bool:
    return connection.execute(select(secret.c.n).limit(1)).first() is not None


class LiveKeys(NamedTuple):
    """Keys in force, the newest first, and when the first of them ends."""

    keys: tuple[bytes, ...]
    until: int | None


NONE = LiveKeys((), None)


def read_keys(
    connection: Connection, subscriptions: Select[tuple[int]], now: int
) -> dict[int, LiveKeys]:
    """Of the subscriptions that a query selects."""
    found: dict[int, list[tuple[bytes, int | None]]] = {}
    query = (
        select(secret.c.subscription_seq, secret.c.sealed, secret.c.not_after)
        .where(secret.c.subscription_seq.in_(subscriptions))
        .where((secret.c.not_after.is_(None)) | (secret.c.not_after > now))
        .order_by(secret.c.subscription_seq, secret.c.n.desc())
    )
    for seq, sealed, end in connection.execute(query):
        found.setdefault(seq, []).append((unseal(sealed), end))
    return {
        seq: LiveKeys(
            tuple(key for key, _ in keys),
            min((end for _, end in keys if end is not None), default=None),
        )
        for seq, keys in found.items()
    }
