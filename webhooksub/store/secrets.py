"""Integrity keys at rest: several of one subscription while it changes from one to another.

The first byte of a sealed key is its format; 0 is the key as it is, kept secret by the
file's mode alone. Keys are opened when a subscription is read and stand in no repr.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from ..errors import ConfigurationError
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
    last = connection.execute(select(func.max(secret.c.n)).where(mine)).scalar() or 0
    for n, key in enumerate(reversed(keys), last + 1):
        connection.execute(
            insert(secret).values(subscription_seq=subscription, n=n, sealed=seal(key))
        )


def drop_keys(connection: Connection, subscription: int) -> None:
    """Deletes them, on SQLite also their bytes from the file's pages."""
    if sqlite := connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    connection.execute(delete(secret).where(secret.c.subscription_seq == subscription))
    if sqlite:
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")


def any_keys(connection: Connection) -> bool:
    return connection.execute(select(secret.c.n).limit(1)).first() is not None


def read_keys(
    connection: Connection, subscriptions: Select[tuple[int]], now: int
) -> dict[int, tuple[bytes, ...]]:
    """Keys in force of the subscriptions that a query selects, the newest first."""
    found: dict[int, list[bytes]] = {}
    query = (
        select(secret.c.subscription_seq, secret.c.sealed)
        .where(secret.c.subscription_seq.in_(subscriptions))
        .where((secret.c.not_after.is_(None)) | (secret.c.not_after > now))
        .order_by(secret.c.subscription_seq, secret.c.n.desc())
    )
    for seq, sealed in connection.execute(query):
        found.setdefault(seq, []).append(unseal(sealed))
    return {seq: tuple(keys) for seq, keys in found.items()}
