"""Files that hold one integrityKey, so that no key stands on a command line."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import click

from .. import _core
from ..errors import ValidationError
from .options import Command

_KEY_BYTES = 32  # Standard Webhooks: 24 to 64
_FILE_BYTES_MAX = 1_024


def key_file_option(help: str) -> Callable[[Command], Command]:
    """``--key-file FILE``; may be repeated."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option(
        "--key-file", "key_files", multiple=True, type=file, metavar="FILE", help=help
    )


def read_key(path: Path) -> str:
    """The key as it was written. Raises BadParameter without echoing it."""
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_MAX).decode().strip()
        _core.decode_key(text)
    except (OSError, UnicodeDecodeError, ValidationError):
        text = ""
    if not text:
        raise click.BadParameter(f"{path} holds no integrityKey", param_hint="--key-file")
    return text


def make_key(path: Path) -> None:
    """A new one that only its owner can read; one that is there stays."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with open(fd, "w") as file:
        file.write("whsec_" + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n")
