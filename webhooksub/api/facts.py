"""What a request says besides its path: query parameters, headers, JSON bodies.

All mistakes of one part come together, each with its name.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from .. import _core
from ..errors import FieldError, ValidationError
from ..secret import concealed
from .exchange import JSON, MAX_BODY, ApiRequest
from .operations import Operation
from .problems import Refused, invalid

MERGE_PATCH = "application/merge-patch+json"
#: More parameters than any operation has, and few enough to be read at once.
_PARAMETERS_MAX = 64
_DEPTH_MAX = 32
KEY_BYTES_MAX = 255


def query(request: ApiRequest, operation: Operation) -> dict[str, list[str]]:
    """Parameters by name, each known. Raises Refused."""
    try:
        pairs = parse_qsl(
            request.query,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_PARAMETERS_MAX,
        )
    except ValueError:
        raise invalid(FieldError("", "format", "the query string cannot be read")) from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    mistakes = [
        FieldError(name, "unknown", "is no parameter of this operation")
        for name in found
        if name not in operation.query
    ]
    mistakes += [
        FieldError(name, "duplicate", "occurs twice")
        for name, values in found.items()
        if len(values) > 1 and name != "path" and name in operation.query
    ]
    mistakes += [
        FieldError(name, "empty", "must not be empty")
        for name, values in found.items()
        if "" in values and name in operation.query
    ]
    if mistakes:
        raise invalid(*mistakes)
    return found


def body(request: ApiRequest, operation: Operation) -> bytes:
    """The JSON body, or b"" where it may be absent. Raises Refused (400, 413, 415)."""
    if len(request.body) > MAX_BODY:
        raise Refused(413, f"the body has more than {MAX_BODY} bytes")
    if operation.body is None:
        if request.body.strip():
            raise invalid(FieldError("", "unexpected", "this operation takes no body"))
        return b""
    if not request.body and not operation.body_required:
        return b""
    _check_content_type(request.headers, operation)
    return request.body


def _check_content_type(headers: Mapping[str, str], operation: Operation) -> None:
    accepted = [JSON, MERGE_PATCH] if operation.method == "PATCH" else [JSON]
    kind, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.replace(" ", "").lower().strip('"')
    if (
        kind.strip().lower() not in accepted
        or charset not in ("", "charset=utf-8", 'charset="utf-8')
        or headers.get("content-encoding", "identity").lower() != "identity"
    ):
        header = "accept-patch" if operation.method == "PATCH" else "accept-post"
        raise Refused(415, f"the body must be {accepted[0]}", (header, ", ".join(accepted)))


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The Idempotency-Key, a quoted string or a bare one. Raises Refused."""
    text = headers.get("idempotency-key")
    if text is None:
        return None
    bare = text.strip()
    if len(bare) >= 2 and bare[0] == bare[-1] == '"':
        bare = bare[1:-1]
    if not bare or len(bare) > KEY_BYTES_MAX or not (bare.isascii() and bare.isprintable()):
        text = f"must be 1 to {KEY_BYTES_MAX} visible ASCII characters"
        raise invalid(FieldError("Idempotency-Key", "format", text))
    return bare


def satisfied(if_match: str | None, etag: str) -> bool:
    """The If-Match header, compared strongly (RFC 9110, 13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return True
    return etag in (part.strip() for part in if_match.split(","))


# --- JSON objects that are no subscriptions ------------------------------------------


def read_object(text: bytes) -> dict[str, Any]:
    """A strict JSON object. Raises ValidationError."""
    try:
        _core.check_json(text, _DEPTH_MAX)
        found = json.loads(text, object_pairs_hook=_without_duplicates)
    except ValidationError as error:
        message = error.errors[0].message
        raise ValidationError.of("", "json", message) from None
    except ValueError as error:
        raise ValidationError.of("", "json", str(error)) from None
    if not isinstance(found, dict):
        raise ValidationError.of("", "type", "must be a JSON object")
    return found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found, count = concealed(dict(pairs)), len(pairs)
    del pairs
    if len(found) != count:
        raise ValueError("a key occurs twice")
    return found


class Fields:
    """A small object's fields, taken one by one; what is wrong is told by :meth:`end`."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._left = dict(given)
        self.mistakes: list[FieldError] = []

    def refuse(self, name: str, code: str, message: str) -> None:
        self.mistakes.append(FieldError(name, code, message))

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self._left.pop(name, None)
        if value is None:
            if required:
                self.refuse(name, "required", "is required")
        elif not isinstance(value, str):
            self.refuse(name, "type", "must be a string")
        elif _is_text(value):
            return value
        else:
            self.refuse(name, "format", "holds a character that is none")
        return None

    def integer(self, name: str, least: int, most: int) -> int | None:
        value = self._left.pop(name, None)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # to JSON 60.0 and 60 are one number
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(name, "type", "must be a whole number")
        elif not least <= value <= most:
            self.refuse(name, "range", f"must be {least} to {most}")
        else:
            return value
        return None

    def moment(self, name: str) -> datetime | None:
        text = self.text(name)
        if text is None:
            return None
        found = read_moment(text)
        if found is None:
            self.refuse(name, "format", "must be an RFC 3339 date-time with offset")
        return found

    def end(self) -> None:
        """Raises ValidationError with every mistake, also of fields that nobody took."""
        for name in self._left:
            self.refuse(name, "unknown", "is no field of this object")
        if self.mistakes:
            raise ValidationError(self.mistakes)


def read_moment(text: str) -> datetime | None:
    """RFC 3339 with offset; None for all else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None or "T" not in text.upper() else found


def _is_text(value: str) -> bool:
    """A lone surrogate can be written in JSON and is no character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
