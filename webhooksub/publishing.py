"""What a publisher gives, checked and written down as rows: the first step of an event.

Paths are checked against the catalog, data is encoded or syntax-checked once, and every
event gets its id here. Nothing here waits for a delivery.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast, overload

from . import _core
from .errors import FieldError, ValidationError
from .events import Action, Event
from .store.base import NewEvent, Published

DATA_BYTES_MAX = 1024 * 1024  # one notification; larger things are linked, not sent
OPEN_ID_BYTES_MAX = 256  # the length of an id in a path
IDEMPOTENCY_KEY_BYTES_MAX = 255  # what HTTP's Idempotency-Key commonly allows
_ACTIONS = {a.name.lower(): int(a) for a in Action if a is not Action.ANY}
_WORDS = {code: word for word, code in _ACTIONS.items()}

Encoder = Callable[[Any], str | bytes]


def encode_compact(value: Any) -> str:
    """The default encoder: compact JSON; NaN and infinity are refused."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Publication:
    """Makes :class:`NewEvent` rows of what callers give."""

    def __init__(
        self, catalog: _core.Catalog, clock: Callable[[], int], encode: Encoder = encode_compact
    ) -> None:
        self._catalog, self._clock, self._encode = catalog, clock, encode

    def event(
        self,
        path: str | Sequence[str],
        action: str,
        data: Any = None,
        *,
        open_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> NewEvent:
        """One row. Raises UnknownResource, or ValidationError naming the field."""
        paths = (path,) if isinstance(path, str) else tuple(path)
        code = _ACTIONS.get(action)
        if code is None:
            raise _invalid("action", "enum", "must be create, update or delete")
        root = self._catalog.check(paths)
        body = self._body(data)
        _check_text("open_id", open_id, OPEN_ID_BYTES_MAX)
        _check_text("idempotency_key", idempotency_key, IDEMPOTENCY_KEY_BYTES_MAX)
        fingerprint = None
        if idempotency_key is not None:
            fingerprint = _fingerprint(code, paths, open_id, body)
        id_ = _core.uuid7(self._clock())
        return NewEvent(id_, root, code, paths, open_id, body, idempotency_key, fingerprint)

    def events(self, items: Iterable[Sequence[Any]]) -> Sequence[NewEvent]:
        """Rows of ``(path, action[, data[, open_id]])`` items; every wrong one is named."""
        given = tuple(items)
        errors: list[FieldError] = []

        def one_by_one(index: int) -> NewEvent | None:
            path, action, *rest = given[index]
            try:
                return self.event(
                    path,
                    action,
                    rest[0] if rest else None,
                    open_id=rest[1] if len(rest) > 1 else None,
                )
            except ValidationError as error:
                errors.extend(
                    FieldError(f"[{index}].{e.field}", e.code, e.message) for e in error.errors
                )
                return None

        rows = _core.prepare_events(
            self._catalog, given, NewEvent, one_by_one, self._clock(), DATA_BYTES_MAX
        )
        if errors:
            raise ValidationError(errors)
        return rows

    def _body(self, data: Any) -> bytes | None:
        if data is None:
            return None
        if isinstance(data, bytes | bytearray | memoryview):
            body = bytes(data)
        else:
            body = self._encoded(data)
        if len(body) > DATA_BYTES_MAX:
            raise _invalid("data", "size", f"must be at most {DATA_BYTES_MAX} bytes of JSON")
        _core.check_json(body)
        return body

    def _encoded(self, data: Any) -> bytes:
        try:
            text = self._encode(data)
            return text if isinstance(text, bytes) else text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _invalid("data", "json", f"cannot be written as JSON: {error}") from error


class PublishedEvents(Sequence[Event]):
    """What :meth:`Dispatcher.publish_many` answers, in the order of its items.

    An event is made when it is looked at: most callers never do.
    """

    __slots__ = ("_published", "_rows")

    def __init__(self, rows: Sequence[NewEvent], published: Sequence[Published]) -> None:
        self._rows, self._published = rows, published

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        rows, published = self._rows[index], self._published[index]
        if isinstance(index, int):
            return published_event(cast(NewEvent, rows), cast(Published, published))
        pairs = zip(
            cast(Sequence[NewEvent], rows), cast(Sequence[Published], published), strict=True
        )
        return [published_event(row, p) for row, p in pairs]

    def __iter__(self) -> Iterator[Event]:
        return map(published_event, self._rows, self._published)

    def __repr__(self) -> str:
        return f"<{len(self)} published events>"


def published_event(row: NewEvent, published: Published) -> Event:
    """What the caller gets back for its row."""
    return Event(
        _core.uuid_text(published.id),
        row.root,
        _WORDS[row.action],
        row.paths,
        published.duplicate,
    )


def _fingerprint(
    action: int, paths: Sequence[str], open_id: str | None, body: bytes | None
) -> bytes:
    """What must be equal when an idempotency key comes again."""
    digest = hashlib.sha256(f"{action}\n{len(paths)}\n".encode())
    for part in (*paths, "" if open_id is None else f"={open_id}"):
        digest.update(part.encode() + b"\n")
    digest.update(b"" if body is None else b"=" + body)
    return digest.digest()


def _check_text(name: str, value: str | None, most: int) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise _invalid(name, "type", "must be a text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise _invalid(name, "encoding", "must be valid Unicode") from None
    if not 0 < size <= most or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise _invalid(name, "format", f"must be 1–{most} bytes without control characters")


def _invalid(field: str, code: str, message: str) -> ValidationError:
    return ValidationError([FieldError(field, code, message)])
