"""What a disk may hold after the power failed: files, rebuilt from a log of their changes.

An honest disk keeps what was synced. Of what was written to a file since its last sync it
may have kept nothing, everything, or any part, torn at sectors, in any order; a new name
lasts from the sync of its folder (or a file's own sync, when that came with one).
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
_HEAD = struct.Struct("=IIQQ")


class Kind(IntEnum):
    """As recorder.c writes it."""

    OPENED = 1
    WRITTEN = 2
    TRUNCATED = 3
    SYNCED = 4
    UNLINKED = 5
    CREATED = 6


class Change(NamedTuple):
    """One record of the log."""

    kind: Kind
    path: str
    offset: int
    data: bytes


def read_log(path: Path) -> Iterator[Change]:
    """All that was recorded, in order."""
    log = path.read_bytes()
    at = 0
    while at < len(log):
        kind, path_len, offset, data_len = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        name = log[at : at + path_len].decode()
        at += path_len
        yield Change(Kind(kind), name, offset, log[at : at + data_len])
        at += data_len


class Survival(NamedTuple):
    """How much of the changes that were not synced a disk kept."""

    name: str
    seed: int | None = None


NOTHING, EVERYTHING = Survival("nothing"), Survival("everything")


@dataclass(slots=True)
class File:
    """What is durable of one file, and what was changed since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)
    named: bool = False  # its name is durable

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.durable, change)
        self.pending.clear()

    def image(self, survival: Survival) -> bytes:
        content = bytearray(self.durable)
        if survival == EVERYTHING:
            for change in self.pending:
                _apply(content, change)
        elif survival.seed is not None:
            self._apply_some(content, random.Random(survival.seed), survival.name)
        return bytes(content)

    def _apply_some(self, content: bytearray, chance: random.Random, how: str) -> None:
        pending = self.pending
        if how == "a part, in order":
            pending = pending[: chance.randint(0, len(pending))]
            whole, last = pending[:-1], pending[-1:]
        else:
            whole, last = [c for c in pending if chance.random() < 0.5], []
        for change in whole:
            torn = how != "a part, in order" and chance.random() < 0.3
            _apply(content, _tear(change, chance) if torn else change)
        for change in last:
            _apply(content, _tear(change, chance))


def _tear(change: Change, chance: random.Random) -> Change:
    if change.kind != Kind.WRITTEN:
        return change
    sectors = chance.randint(0, len(change.data) // SECTOR)
    return change._replace(data=change.data[: sectors * SECTOR])


def _apply(content: bytearray, change: Change) -> None:
    if change.kind == Kind.TRUNCATED:
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
    elif change.data:
        content.extend(bytes(max(0, change.offset - len(content))))
        content[change.offset : change.offset + len(change.data)] = change.data


class Disk:
    """The files of one folder, change by change."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: dict[str, File] = {}
        self._unlinked: dict[str, File] = {}  # whose going is not durable

    def take(self, change: Change) -> None:
        """The next change of the log."""
        if change.kind == Kind.CREATED:
            self._files[change.path] = File()
        elif change.kind == Kind.OPENED and change.path != self._folder:
            # Made by a call that is not watched: its name is as new as the file.
            self._files.setdefault(change.path, File())
        elif change.kind in (Kind.WRITTEN, Kind.TRUNCATED):
            # A file that was unlinked while open changes nothing that could be found again.
            if change.path in self._files:
                self._files[change.path].pending.append(change)
        elif change.kind == Kind.SYNCED:
            self._sync(change.path)
        elif change.kind == Kind.UNLINKED and change.path in self._files:
            self._unlinked[change.path] = self._files.pop(change.path)

    def _sync(self, path: str) -> None:
        if path == self._folder:
            for file in self._files.values():
                file.named = True
            self._unlinked.clear()
        elif path in self._files:
            self._files[path].sync()

    def images(self, survival: Survival) -> dict[str, bytes]:
        """Files as they may be found again, by their paths."""
        chance = random.Random(survival.seed)
        found: dict[str, bytes] = {}
        for path, file in self._unlinked.items():
            if file.named and path not in self._files and _kept(survival, chance, lost=True):
                found[path] = file.image(survival)
        for path, file in self._files.items():
            if file.named or _kept(survival, chance):
                found[path] = file.image(survival)
        return found


def _kept(survival: Survival, chance: random.Random, *, lost: bool = False) -> bool:
    """Of a change of a folder. `lost`: whether the change was that the name went."""
    if survival.seed is None:
        return (survival == EVERYTHING) != lost
    return chance.random() < 0.5
