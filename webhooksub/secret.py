"""Bytes and texts that show themselves to nobody who merely prints them.

A key is a :class:`SecretBytes` from where it comes in, or out of the store, to where it is
used. It is equal to the same bytes and signs like them; `repr`, `str` of what holds it,
a traceback that shows locals and a debugger's view of a frame do not show it, and it cannot
be pickled. :class:`SecretText` is the same for a key as its owner wrote it.
"""

from collections.abc import Collection, Mapping
from typing import Any, NoReturn, Self

_SHOWN = "<secret>"

#: A key among the fields of a subscription, in Python and in its document.
KEYS = frozenset(("integrity_key", "integrityKey"))


class SecretBytes(bytes):
    """See the module. `bytes(it)` is what it hides."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN

    __str__ = __repr__

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


class SecretText(str):
    """See the module. ``it[:]`` is what it hides."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text[:])

    def __repr__(self) -> str:
        return _SHOWN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _SHOWN

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


def hidden(value: Any) -> Any:
    """A text or bytes as secret ones; anything else as it is, to be refused by who reads it."""
    if isinstance(value, str):
        return SecretText(value)
    return SecretBytes(value) if isinstance(value, bytes) else value


def concealed(fields: Mapping[str, Any], names: Collection[str] = KEYS) -> dict[str, Any]:
    """The same, with those of the names as secrets."""
    return {name: hidden(value) if name in names else value for name, value in fields.items()}
