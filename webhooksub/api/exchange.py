"""What crosses between the API and its adapters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..secret import SecretBytes

#: Bytes of a request's body: a subscription with 50 headers of 4,096 bytes is refused by its
#: size before it is parsed, and everything that people write is far below.
MAX_BODY = 65_536

JSON = "application/json"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request as an adapter saw it.

    `path` is below the mount, percent-decoded by segment; `query` the raw query string without
    its question mark; `headers` have lower-case names; of `body` at most MAX_BODY + 1 bytes are
    looked at; `actor` is what the host's callable answered; `base_path` is where the API is
    mounted, for links.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    actor: Any
    base_path: str = ""

    def __post_init__(self) -> None:
        """A document may hold a key, and whoever catches an error may log what was there."""
        object.__setattr__(self, "body", SecretBytes(self.body))


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What an adapter sends back, as it is."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)  # of one that was made anew it is the only answer with a key


def json_bytes(document: Any) -> bytes:
    """ASCII, so that it holds whatever text a client sent."""
    return json.dumps(document, separators=(",", ":")).encode()


def json_answer(status: int, document: Any, *headers: tuple[str, str]) -> ApiAnswer:
    """Never kept by a cache: every answer is for one actor."""
    first = (("content-type", JSON), ("cache-control", "no-store"))
    return ApiAnswer(status, first + headers, json_bytes(document))
