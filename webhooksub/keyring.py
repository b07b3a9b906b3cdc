"""Where the keys come from that seal what is secret in the store.

A keyring is a text of ``ID:KEY`` entries, one a line or separated by commas: an id is a number
of one's own, a key base64 of 32 to 256 random bytes. The first one seals, all of them open::

    2:f1ZLvxYtYvNdyHV0Gvcy8GyFCw0iFsBk6kuY9mJ0A5Q=
    1:8bZfGrzUAMrS4hzV2RNd0CQhGzBi9yKTSOMo5pQTgS8=

It is read at its first use, by whichever thread that is, and once.
"""

import base64
import binascii
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from itertools import starmap
from typing import NoReturn, Self

from . import _core
from .errors import ConfigurationError
from .logs import about
from .secret import SecretBytes, SecretText

log = logging.getLogger("webhooksub")

#: By id, the first one seals; or the text of a keyring.
Keys = Mapping[int, bytes] | str | bytes

_ENTRY = re.compile(r"[0-9]{1,10}:\S+")
_COMMENT = re.compile(r"#.*")
_READABLE_BY_OTHERS = 0o077


class Keyring:
    """Keys, or the callable that fetches them. Never shown, never pickled. Any thread."""

    __slots__ = ("_fetch", "_loaded", "_lock", "_source")

    def __init__(self, fetch: Callable[[], Keys], *, source: str = "a callable") -> None:
        """`fetch` is called once, when a key is first needed; `source` names it in errors."""
        self._fetch, self._source = fetch, source
        self._loaded: _core.Keyring | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, keys: Keys) -> Self:
        """Of keys that are there. Raises ConfigurationError naming the entry."""
        made = cls(lambda: "", source="keys")
        made._loaded = _load(keys)
        return made

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Of a file's lines; ``#`` begins a comment."""
        return cls(lambda: _read(path), source=os.fspath(path))

    def load(self) -> _core.Keyring:
        """What seals and opens. Raises ConfigurationError where the keys cannot be had."""
        loaded = self._loaded
        if loaded is None:
            with self._lock:
                loaded = self._loaded = self._loaded or self._load()
        return loaded

    def _load(self) -> _core.Keyring:
        try:
            loaded = _load(self._fetch())
        except ConfigurationError as error:
            raise ConfigurationError(f"the keyring of {self._source}: {error}") from None
        except Exception as error:
            # Whoever fetches a key may say it in his error.
            kind = type(error).__name__
            raise ConfigurationError(f"the keyring of {self._source}: {kind}") from None
        if not loaded.ids:
            raise ConfigurationError(f"the keyring of {self._source}: it holds no key")
        return loaded

    def __bool__(self) -> bool:
        """It has, or will fetch, keys."""
        return self._loaded is None or bool(self._loaded.ids)

    def __repr__(self) -> str:
        return f"<Keyring of {self._source}>" if self._loaded is None else repr(self._loaded)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring cannot be pickled: make it where it is used")


def _read(path: str | os.PathLike[str]) -> SecretText:
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            text = SecretText(file.read())
    except OSError as error:
        raise ConfigurationError(error.strerror or "cannot be read") from None
    if mode & _READABLE_BY_OTHERS:
        facts = about("keyring_readable", path=str(path))
        log.warning("others may read the keyring %s (mode %04o)", path, mode, extra=facts)
    return text


def _load(keys: Keys) -> _core.Keyring:
    """Without a local that shows a key: an error's traceback may be logged with them."""
    if not isinstance(keys, Mapping):
        return _core.Keyring(_parse(SecretText(_decoded(keys))))
    if not all(isinstance(id_, int) and isinstance(key, bytes) for id_, key in keys.items()):
        raise ConfigurationError("keys are bytes by their numbers")
    return _core.Keyring(tuple(keys.items()))


def _decoded(text: str | bytes) -> str:
    try:
        return text.decode() if isinstance(text, bytes) else text[:]
    except UnicodeDecodeError:
        raise ConfigurationError("it is no text") from None


def _parse(text: SecretText) -> tuple[tuple[int, bytes], ...]:
    lines = filter(None, map(str.strip, _COMMENT.sub("", text).replace("\n", ",").split(",")))
    return tuple(starmap(_entry, enumerate(map(SecretText, lines), 1)))


def _entry(number: int, text: SecretText) -> tuple[int, bytes]:
    if not _ENTRY.fullmatch(text):
        raise ConfigurationError(f"entry {number} is not ID:KEY")
    colon = text.index(":")
    try:
        key = SecretBytes(base64.b64decode(text[colon + 1 :], validate=True))
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"the key of entry {number} is no base64") from None
    return int(text[:colon]), key


#: Seals nothing, and opens what is not sealed.
NO_KEYRING = Keyring.of({})
