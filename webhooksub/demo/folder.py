"""What a run keeps in its folder, so that another process can judge or continue it."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import _core
from ..errors import ConfigurationError, WebhooksubError

# A run may be continued as long as its certificate is good.
CERTIFICATE_DAYS = 30


class DemoError(WebhooksubError):
    """The demo cannot go on: its receiver or its folder failed it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What continuing a run needs to know of it; `database` None: hooks.db in the folder."""

    port: int
    database: str | None
    events: int
    batch: int | None


class Folder:
    """The folder of one run, which exists. All its files are for this user only."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.published = self.path / "published.jsonl"
        self.subscriptions = self.path / "subscriptions.jsonl"
        self.received = self.path / "received.jsonl"
        self.kept = self.path / "kept"
        self._facts = self.path / "demo.json"

    def database(self, given: str | None) -> str:
        """The store's URL."""
        return given or f"sqlite:///{self.path / 'hooks.db'}"

    def prepare(self, keys: dict[str, str]) -> None:
        """Certificates, and the keys by which the receiver verifies. Raises
        ConfigurationError when another run is in the folder."""
        if self._facts.exists() or self.published.exists():
            raise ConfigurationError(
                f"{self.path} holds a run already: --resume it, or name another folder"
            )
        authority, certificate, key = _core.issue_certificate(
            "localhost,127.0.0.1,::1", CERTIFICATE_DAYS
        )
        self._write("ca.pem", authority)
        self._write("receiver.pem", certificate)
        self._write("receiver.key", key)
        self._write("keys.json", json.dumps(keys).encode())

    @property
    def authority(self) -> bytes:
        """The PEM of the throwaway authority that the dispatcher trusts."""
        return (self.path / "ca.pem").read_bytes()

    def write_facts(self, facts: Facts) -> None:
        self._write(self._facts.name, json.dumps(asdict(facts)).encode())

    def read_facts(self) -> Facts:
        """Raises ConfigurationError when nothing can be continued here."""
        try:
            return Facts(**json.loads(self._facts.read_bytes()))
        except FileNotFoundError:
            raise ConfigurationError(f"{self.path} holds no run that could be resumed") from None
        except (TypeError, ValueError) as error:
            raise DemoError(f"{self._facts} is damaged: {error}") from None

    def append(self, path: Path, rows: Iterable[dict[str, Any]]) -> None:
        """Adds lines in one write; the operating system has them when this returns."""
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with open(fd, "wb", buffering=0) as file:
            left = memoryview(text.encode())
            while left:
                left = left[file.write(left) :]

    def _write(self, name: str, data: bytes) -> None:
        fd = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(data)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file; one that was being written when its writer died is none.

    Raises DemoError for a damaged line.
    """
    if not path.exists():
        return
    with open(path, "rb") as file:
        for number, text in enumerate(file, 1):
            if not text.endswith(b"\n"):
                return
            try:
                yield json.loads(text)
            except ValueError:
                raise DemoError(f"{path}: line {number} is damaged") from None
