"""Who delivers from a database file: whoever holds the flock on ``<database>.dispatcher``.

The kernel frees it when its holder dies, however that happens, so there is never a stale
lock to judge by its age. The file's text names the holder, for people.
"""

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from ..logs import about

log = logging.getLogger("webhooksub")

# A look at the lock takes it for some microseconds: whoever wants it tries so long.
_TRIES, _PAUSE_SECONDS = 10, 0.02


class DispatcherLock:
    """The lock of one file, held or not by this object. Not for several threads at once."""

    def __init__(self, database: str) -> None:
        self.path = database + ".dispatcher"
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """By this object."""
        return self._fd is not None

    def acquire(self, holder: Mapping[str, Any]) -> None:
        """Takes it, and writes who `holder` is. Raises ConfigurationError naming another."""
        if self._fd is not None:
            return
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"cannot open the dispatcher's lock: {error}") from error
        try:
            if not _try_lock(fd, fcntl.LOCK_EX, _TRIES):
                raise ConfigurationError(
                    f"another dispatcher delivers from this file: {_describe(fd)}; "
                    "one file has one dispatcher, and any number of publishers"
                )
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._write_name(holder)

    def _write_name(self, holder: Mapping[str, Any]) -> None:
        """For people. Where the disk has no room for it, the database may have some left."""
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(dict(holder)).encode(), 0)
        except OSError as error:
            facts = about("lock_unnamed", path=self.path)
            log.warning("%s does not name its holder: %s", self.path, error, extra=facts)

    def release(self) -> None:
        """Gives it back. Twice is fine."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            # Unlocked by name: a forked child may still hold a copy of the descriptor.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def forget(self) -> None:
        """In a forked child: drops the copy, and leaves the lock to the parent."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def taken(self) -> bool:
        """Anybody holds it, in any process."""
        if self._fd is not None:
            return True
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as file:
            return not _try_lock(file.fileno(), fcntl.LOCK_SH, 1)
        return False

    def holder(self) -> str | None:
        """Who holds it, in words; None: nobody."""
        if not self.taken():
            return None
        with open(self.path, "rb") as file:
            return _describe(file.fileno())


def _try_lock(fd: int, kind: int, tries: int) -> bool:
    for n in range(tries):
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if n + 1 < tries:
                time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _describe(fd: int) -> str:
    try:
        facts = json.loads(os.pread(fd, 4096, 0))
        return ", ".join(f"{name} {value}" for name, value in facts.items())
    except (ValueError, AttributeError):
        return "it did not write its name yet"
