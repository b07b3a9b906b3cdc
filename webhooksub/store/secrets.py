"""Integrity keys at rest: several of one subscription while it changes from one to another.

How they are sealed is the core's matter (seal.h); by what, the keyring's, which comes with the
engine of every connection. A key is opened when it is used and not before: who lists
subscriptions needs no keyring. It stands in no repr.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

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
from ..errors import KeyUnreadable, LimitReached
from ..keyring import Keyring
from .base import TOO_MANY_KEYS
from .schema import secret
from .schema import subscription as subscription_table

#: The execution option by which an engine gives the keyring to its connections.
KEYRING = "webhooksub_keyring"


class SealedKeys(Sequence[bytes]):
    """Keys of one subscription, each opened when it is looked at; how many costs nothing.

    Looking raises KeyUnreadable naming the subscription, ConfigurationError where the keyring
    cannot be had.
    """

    __slots__ = ("_id", "_keyring", "_rows")

    def __init__(self, keyring: Keyring, id_: bytes, rows: tuple[tuple[int, bytes], ...]) -> None:
        """`rows` are (n, sealed), the newest first."""
        self._keyring, self._id, self._rows = keyring, id_, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[bytes, ...]: ...
    def __getitem__(self, index: int | slice) -> bytes | tuple[bytes, ...]:
        if isinstance(index, slice):
            return tuple(self._open(*row) for row in self._rows[index])
        return self._open(*self._rows[index])

    def __iter__(self) -> Iterator[bytes]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple | SealedKeys) and self[:] == other[:]

    def __hash__(self) -> int:
        return hash((self._id, len(self._rows)))

    def __repr__(self) -> str:
        return f"<{len(self._rows)} sealed keys>"

    def _open(self, n: int, sealed: bytes) -> bytes:
        return open_key(self._keyring.load(), self._id, n, sealed)


def open_key(keyring: _core.Keyring, id_: bytes, n: int, sealed: bytes) -> bytes:
    """Raises KeyUnreadable naming the subscription `id_`."""
    try:
        return keyring.open(id_, n, sealed)
    except KeyUnreadable as error:
        text = f"an integrity key of subscription {_core.uuid_text(id_)} cannot be opened: {error}"
        raise KeyUnreadable(text) from None


def put_keys(
    connection: Connection,
    subscription: int,
    id_: bytes,
    keys: Sequence[bytes],
    *,
    old_until: int | None,
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
    if not keys:
        return
    last = connection.execute(select(func.max(secret.c.n)).where(mine)).scalar() or 0
    keyring = keyring_of(connection).load()
    for n, key in enumerate(reversed(keys), last + 1):
        sealed = keyring.seal(id_, n, key)
        connection.execute(insert(secret).values(subscription_seq=subscription, n=n, sealed=sealed))


def keyring_of(connection: Connection) -> Keyring:
    keyring: Keyring = connection.get_execution_options()[KEYRING]
    return keyring


def drop_keys(connection: Connection, *subscriptions: int) -> None:
    """Deletes them all."""
    _delete(connection, secret.c.subscription_seq.in_(subscriptions))


@contextlib.contextmanager
def overwriting(connection: Connection) -> Iterator[None]:
    """What is deleted or replaced meanwhile leaves no bytes in the pages of a SQLite file."""
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.exec_driver_sql("PRAGMA secure_delete = ON")
    yield
    connection.exec_driver_sql("PRAGMA secure_delete = OFF")


def _delete(connection: Connection, *where: ColumnElement[bool]) -> int:
    with overwriting(connection):
        return connection.execute(delete(secret).where(*where)).rowcount


def drop_ended(connection: Connection, now: int, subscription: int | None = None) -> int:
    """Deletes keys that serve no more, of one subscription or of all. Answers how many."""
    ended = [secret.c.not_after <= now]
    if subscription is not None:
        ended.append(secret.c.subscription_seq == subscription)
    if connection.execute(select(secret.c.n).where(*ended).limit(1)).first() is None:
        return 0
    return _delete(connection, *ended)


class LiveKeys(NamedTuple):
    """Keys in force, the newest first, and when the first of them ends."""

    keys: Sequence[bytes]
    until: int | None


NONE = LiveKeys((), None)


def read_keys(
    connection: Connection, subscriptions: Select[tuple[int]], now: int
) -> dict[int, LiveKeys]:
    """Of the subscriptions that a query selects."""
    found: dict[tuple[int, bytes], list[tuple[int, bytes, int | None]]] = {}
    query = (
        select(
            secret.c.subscription_seq,
            subscription_table.c.id,
            secret.c.n,
            secret.c.sealed,
            secret.c.not_after,
        )
        .join(subscription_table, subscription_table.c.seq == secret.c.subscription_seq)
        .where(secret.c.subscription_seq.in_(subscriptions))
        .where((secret.c.not_after.is_(None)) | (secret.c.not_after > now))
        .order_by(secret.c.subscription_seq, secret.c.n.desc())
    )
    for seq, id_, n, sealed, end in connection.execute(query):
        found.setdefault((seq, id_), []).append((n, sealed, end))
    keyring = keyring_of(connection)
    return {
        seq: LiveKeys(
            SealedKeys(keyring, id_, tuple((n, sealed) for n, sealed, _ in keys)),
            min((end for _, _, end in keys if end is not None), default=None),
        )
        for (seq, id_), keys in found.items()
    }
