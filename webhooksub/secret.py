"""Bytes and texts that show themselves to nobody who merely prints them.

A key is a :class:`SecretBytes` from where it comes in, or out of the store, to where it is
used. It is equal to the same bytes and signs like them; `repr`, `str` of what holds it,
a traceback that shows locals and a debugger's view of a frame do not show it, and it cannot
be pickled. :class:`SecretText` is the same for a key as its owner wrote it.
"""

from typing import NoReturn, Self

_SHOWN = "<secret>"


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
