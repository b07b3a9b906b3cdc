"""One request, read as far as every operation needs it."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import ValidationError
from .exchange import ApiRequest
from .operations import Operation

_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Call:
    """What one operation is asked."""

    operation: Operation
    request: ApiRequest
    parameters: dict[str, str]
    query: dict[str, list[str]]
    body: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return self.parameters["id"]

    @property
    def actor(self) -> Any:
        return self.request.actor

    @property
    def if_match(self) -> str | None:
        return self.request.headers.get("if-match")

    def one(self, name: str) -> str | None:
        """A query parameter that occurs once at most."""
        values = self.query.get(name)
        return values[0] if values else None

    def limit(self) -> int:
        """Raises ValidationError."""
        text = self.one("limit")
        if text is None:
            return _LIMIT
        if not (text.isascii() and text.isdecimal()) or len(text) > 9:
            raise ValidationError.of("limit", "type", "must be a whole number")
        return int(text)

    def link(self, cursor: str) -> str:
        """The address of another page of the same list."""
        kept = [(n, v) for n, values in self.query.items() for v in values if n != "cursor"]
        address = quote(self.request.base_path + self.request.path, safe="/|:@!$&'()*+,;=~-._")
        return f"{address}?{urlencode([*kept, ('cursor', cursor)])}"
