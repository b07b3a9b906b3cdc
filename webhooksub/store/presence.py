"""Is the file that is open still the one that is there?

A file that was deleted, moved or replaced under its connections takes writes as before, and
nobody will ever read them again: SQLite does not look. Two or three looks per transaction
cost some microseconds.
"""

import os

from ..errors import StoreUnavailable


class Presence:
    """Of one database file. Any thread; :meth:`remember` before the others."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._damage = ""  # what no later look takes back

    def remember(self) -> None:
        """This is the one. Raises OSError."""
        found = os.stat(self._path)
        self._file, self._damage = (found.st_dev, found.st_ino), ""

    def check(self) -> None:
        """Raises StoreUnavailable while another one is there, or none; for good once it has
        lost what was in it, although SQLite may write to it again."""
        if self._file is None:
            return
        if self._damage:
            raise _gone(self._damage)
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise _gone(f"is not there any more: {error.strerror}") from error
        if (found.st_dev, found.st_ino) != self._file:
            raise _gone("was replaced by another file")
        if found.st_size == 0:
            self._damage = "was emptied"
            raise _gone(self._damage)

    def check_wal(self) -> None:
        """The same about its WAL, for who has it open. The next connection would make
        another, which those that are there do not know of."""
        try:
            os.stat(self._path + "-wal")
        except OSError as error:
            self._damage = f"has lost its WAL: {error.strerror}"
            raise _gone(self._damage) from error


def _gone(what: str) -> StoreUnavailable:
    return StoreUnavailable(f"the database file {what}, while it was open")
