"""Sealing keys anew by the keyring's first key, some rows in each transaction.

A row that is sealed so already is left alone: who begins again after an interruption goes on
where it ended. A row that somebody changes meanwhile is theirs, and sealed by their keyring.
What cannot be opened stays as it is, and is told.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, case, func, literal, select, tuple_, update

from .. import _core
from ..errors import ConfigurationError, KeyUnreadable
from ..events import RotatedKeys
from .schema import secret, subscription
from .secrets import open_key, overwriting
from .transaction import Transaction

#: Rows read at once, and at most written in one transaction.
ROWS = 500


class Row(NamedTuple):
    """Where a key lies, whose it is, and how it lies there."""

    seq: int
    n: int
    id: bytes
    sealed: bytes


class Rotation:
    """One run over all keys. Raises ConfigurationError where there is no key to seal by."""

    def __init__(self, keyring: _core.Keyring) -> None:
        if not keyring.ids:
            raise ConfigurationError("no keyring was given: set keyring or keyring_file")
        self._keyring = keyring
        self._last: Row | None = None
        self._sealed = 0
        self._unreadable: dict[bytes, None] = {}  # subscriptions, in order
        self.looked_at = 0

    def next_rows(self, connection: Connection) -> list[Row]:
        """By subscription and number; none at the end."""
        last = self._last
        place = (secret.c.subscription_seq, secret.c.n)
        after = (literal(-1 if last is None else last.seq), literal(0 if last is None else last.n))
        query = (
            select(*place, subscription.c.id, secret.c.sealed)
            .join(subscription, subscription.c.seq == secret.c.subscription_seq)
            .where(tuple_(*place) > tuple_(*after))
            .order_by(*place)
            .limit(ROWS)
        )
        rows = [Row(*row) for row in connection.execute(query)]
        if rows:
            self._last = rows[-1]
        self.looked_at += len(rows)
        return rows

    def seal_anew(self, rows: Iterable[Row]) -> list[tuple[Row, bytes]]:
        """Those that are not as the keyring would seal them, and how they are to be. All are
        opened: what is damaged is told, by whichever key it was sealed."""
        changed: list[tuple[Row, bytes]] = []
        for row in rows:
            try:
                key = open_key(self._keyring, row.id, row.n, row.sealed)
            except KeyUnreadable:
                self._unreadable[row.id] = None
                continue
            if not self._keyring.is_current(row.sealed):
                changed.append((row, self._keyring.seal(row.id, row.n, key)))
        return changed

    def write(self, transaction: Transaction, changed: Sequence[tuple[Row, bytes]]) -> None:
        """Those that are still as they were read."""
        written = 0
        with overwriting(transaction.connection):
            for row, sealed in changed:
                mine = (secret.c.subscription_seq == row.seq, secret.c.n == row.n)
                written += transaction.connection.execute(
                    update(secret).where(*mine, secret.c.sealed == row.sealed).values(sealed=sealed)
                ).rowcount
        transaction.after.append(lambda: self._wrote(written))

    def _wrote(self, rows: int) -> None:
        self._sealed += rows

    def result(self) -> RotatedKeys:
        return RotatedKeys(
            key_id=self._keyring.ids[0],
            looked_at=self.looked_at,
            sealed=self._sealed,
            unreadable=tuple(map(_core.uuid_text, self._unreadable)),
        )


def count(connection: Connection) -> int:
    """Of all keys."""
    return connection.execute(select(func.count()).select_from(secret)).scalar_one()


def formats(connection: Connection) -> tuple[int, int]:
    """How many keys lie there as they are, and how many sealed."""
    plain = func.substr(secret.c.sealed, 1, 1) == b"\x00"
    query = select(func.count(case((plain, 1))), func.count()).select_from(secret)
    as_they_are, all_of_them = connection.execute(query).one()
    return as_they_are, all_of_them - as_they_are
