"""One careless line in each of some places, to show that it would be found. Only ever applied to
the process of ``life.py``."""

import logging
from collections.abc import Callable
from typing import Any

from webhooksub import trying
from webhooksub.secret import SecretBytes
from webhooksub.store import secrets

_applied = ""


def apply(name: str) -> None:
    """Raises KeyError for a name that is none."""
    global _applied
    _applied = name
    if name:
        NAMES[name]()


def no_keyring() -> bool:
    return _applied == "plain-store"


def _log_secret() -> None:
    """A line that helped once, and stayed."""
    put_keys = secrets.put_keys

    def put_and_log(connection: Any, seq: int, id_: bytes, keys: Any, **given: Any) -> None:
        logging.getLogger("webhooksub").debug("keys of %d: %s", seq, [k.hex() for k in keys])
        put_keys(connection, seq, id_, keys, **given)

    secrets.put_keys = put_and_log


def _show_secret() -> None:
    """Bytes that show themselves as bytes do."""
    del SecretBytes.__repr__
    del SecretBytes.__str__


def _send_secret() -> None:
    """A header for the other side's developers."""
    headers = trying.sealed_headers

    def headers_and_key(
        signing: Any, message: str, now_s: int, body: bytes, recipient: Any, more: Any
    ) -> list[tuple[str, str]]:
        shown = [("X-Encoded-Secret", key.hex()) for key in recipient.keys]
        return headers(signing, message, now_s, body, recipient, [*more, *shown])

    trying.sealed_headers = headers_and_key


def _plain_store() -> None:
    """Nobody gave the keyring: see :func:`no_keyring`."""


NAMES: dict[str, Callable[[], None]] = {
    "log-secret": _log_secret,
    "show-secret": _show_secret,
    "send-secret": _send_secret,
    "plain-store": _plain_store,
}
