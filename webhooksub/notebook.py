"""How does a value look in a notebook? Jupyter asks it for ``_repr_html_``.

Text is escaped, cut, and keeps the notebook's own colours, light or dark. Secrets stay out: no
key, no value of a header, no query of a URL. The same columns, whole, make a DataFrame.
"""

import html as escaping
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from importlib import import_module
from itertools import islice
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

from .errors import ConfigurationError

_T = TypeVar("_T")

#: Rows of a list that are shown; the rest is counted. More than a screen is read by filters.
ROWS_SHOWN_MAX = 50
#: Characters of a cell that are shown: a hostile answer cannot fill the page.
CHARS_SHOWN_MAX = 160

# Of the states, statuses, outcomes and codes: all others are bad news.
_TONES = {
    "good": {"active", "delivered", "hears", "success"},
    "waits": {"pending", "paused", "waiting", "claimed", "queued", "spilled", "breaker_open"},
    "neutral": {"not_covered", "created_later", "cancelled", "expired"},
}
# Figures that should be 0.
_ALARMS = {"dead", "quarantined", "unresolved", "backlog_full", "fenced"}
_ACTIONS = ("create", "update", "delete")

# Jupyter's own rules for tables would push texts to the right.
_STYLE = """<style>
table.webhooksub {border-collapse: collapse; color: inherit; font-size: 0.9em; margin: 0.5em 0}
table.webhooksub caption {caption-side: top; color: inherit; font-weight: bold; text-align: left}
table.webhooksub th, table.webhooksub td {border: 0; color: inherit; max-width: 40em;
 border-bottom: 1px solid rgba(127, 127, 127, 0.3); overflow-wrap: anywhere;
 padding: 0.25em 0.7em 0.25em 0; text-align: left !important; vertical-align: top}
table.webhooksub th, table.webhooksub .id, table.webhooksub .moment {white-space: nowrap}
table.webhooksub .text {min-width: 8em}
table.webhooksub .number {font-variant-numeric: tabular-nums; text-align: right !important}
table.webhooksub .word {border-left: 0.35em solid #888; padding-left: 0.4em; white-space: nowrap}
table.webhooksub .good {border-color: #2da44e}
table.webhooksub .waits {border-color: #d29922}
table.webhooksub .bad {border-color: #e5534b}
</style>"""


class InNotebook:
    """Is shown as a table of its fields."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return html(self)


class Listing(list[_T], Generic[_T]):
    """A list of values of one `kind`, which a notebook shows as a table."""

    __slots__ = ("kind",)

    def __init__(self, kind: type[_T], items: Iterable[_T]) -> None:
        super().__init__(items)
        self.kind = kind

    def _repr_html_(self) -> str:
        name, columns = _KINDS[self.kind.__name__]
        first = self[:ROWS_SHOWN_MAX]
        shown = [c for c in columns if not c.aside and (not first or _says_something(c, first))]
        rows = [[column.get(item) for column in shown] for item in first]
        head, kinds = [c.name for c in shown], [c.kind for c in shown]
        return _table(_count(len(self), name), head, kinds, rows)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``, a column for each field; times are UTC, durations
        milliseconds. Raises ConfigurationError without the extra ``notebook``."""
        pandas = optional("pandas")
        _, columns = _KINDS[self.kind.__name__]
        return pandas.DataFrame(
            {
                c.name: pandas.Series([_plain(c.get(item)) for item in self], dtype=c.kind.dtype)
                for c in columns
            }
        )


class Stats(dict[str, Any]):
    """Figures by their names, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        rows = [(name, _figure(name, value)) for name, value in self.items()]
        return _table("stats", (), (Kind.TEXT, Kind.HTML), rows)


def optional(module: str) -> Any:
    """A library of the extra ``notebook``. Raises ConfigurationError."""
    try:
        return import_module(module)
    except ImportError as error:
        text = f"{module} is missing: pip install 'webhooksub[notebook]'"
        raise ConfigurationError(text) from error


def html(value: Any) -> str:
    """Of one value: a catalog, a subscription, or what else _KINDS names."""
    kind = type(value).__name__
    if kind == "Catalog":
        return _catalog(value)
    name, columns = _KINDS[kind]
    rows = [(c.name, _cell(c.get(value), c.kind)) for c in columns]
    return _table(name, (), (Kind.TEXT, Kind.HTML), rows)


def published_at(event_id: str) -> datetime:
    """When the event of this id was published: a UUIDv7 begins with its milliseconds."""
    return datetime.fromtimestamp((uuid.UUID(event_id).int >> 80) / 1_000, UTC)


# --- Columns ---------------------------------------------------------------------------


class Kind(Enum):
    """What a column holds: pandas' type, and the class of its cells."""

    TEXT = "string", "text"
    ID = "string", "id"
    WORD = "string", "state"
    NUMBER = "Int64", "number"
    TRUTH = "boolean", "truth"
    MOMENT = "datetime64[ms, UTC]", "moment"
    OBJECT = "object", "object"
    HTML = "", "html"  # ready to be shown

    def __init__(self, dtype: str, style: str) -> None:
        self.dtype, self.style = dtype, style


class Column(NamedTuple):
    """`aside`: too much for a list, shown of a single value and in a DataFrame."""

    name: str
    kind: Kind
    get: Callable[[Any], Any]
    aside: bool = False


def _of(name: str, kind: Kind = Kind.TEXT, *, aside: bool = False) -> Column:
    return Column(name, kind, attrgetter(name), aside)


def _says_something(column: Column, items: Iterable[Any]) -> bool:
    """One that is empty in every row only takes room."""
    return any(column.get(item) not in (None, "") for item in items)


def _url(url: str | None) -> str | None:
    """Without its query, which may hold a secret."""
    base, mark, _ = (url or "").partition("?")
    return f"{base}?…" if mark else base or None


def _endpoint(subscription: Any) -> str | None:
    if subscription is None:
        return None
    return _url(subscription.notification_url) or subscription.notification_messages


def _headers(subscription: Any) -> str | None:
    names = () if subscription is None else subscription.delivery.get("headers", {})
    return ", ".join(names) or None


def _within(field: str) -> Callable[[Any], Any]:
    """A field of the subscription inside an info, which has none when it is invalid."""
    return lambda info: getattr(info.subscription, field, None)


_KINDS: dict[str, tuple[str, tuple[Column, ...]]] = {
    "SubscriptionInfo": (
        "subscription",
        (
            _of("id", Kind.ID),
            _of("owner"),
            _of("status", Kind.WORD),
            _of("status_reason"),
            _of("resource"),
            Column("modification_type", Kind.TEXT, _within("modification_type")),
            Column("endpoint", Kind.TEXT, lambda info: _endpoint(info.subscription)),
            Column("headers", Kind.TEXT, lambda info: _headers(info.subscription), aside=True),
            Column("brand_code", Kind.TEXT, _within("brand_code"), aside=True),
            Column("max_retries", Kind.NUMBER, _within("max_retries"), aside=True),
            _of("has_integrity_key", Kind.TRUTH, aside=True),
            Column("expires", Kind.MOMENT, _within("expires")),
            _of("created_at", Kind.MOMENT, aside=True),
            _of("updated_at", Kind.MOMENT, aside=True),
        ),
    ),
    "Subscription": (
        "subscription",
        (
            _of("resource"),
            _of("modification_type"),
            Column("endpoint", Kind.TEXT, _endpoint),
            Column("headers", Kind.TEXT, _headers),
            _of("brand_code"),
            _of("max_retries", Kind.NUMBER),
            _of("has_integrity_key", Kind.TRUTH),
            _of("expires", Kind.MOMENT),
        ),
    ),
    "Delivery": (
        "delivery",
        (
            Column("published_at", Kind.MOMENT, lambda delivery: published_at(delivery.event_id)),
            _of("event_id", Kind.ID),
            _of("subscription_id", Kind.ID),
            _of("state", Kind.WORD),
            _of("attempts", Kind.NUMBER),
            _of("outcome", Kind.WORD),
            _of("http_status", Kind.NUMBER),
            _of("duration_ms", Kind.NUMBER),
            _of("next_at", Kind.MOMENT),
            _of("updated_at", Kind.MOMENT, aside=True),
            _of("batch", aside=True),
        ),
    ),
    "Attempt": (
        "attempt",
        (
            _of("event_id", Kind.ID, aside=True),
            _of("subscription_id", Kind.ID, aside=True),
            _of("n", Kind.NUMBER),
            _of("started_at", Kind.MOMENT),
            _of("duration_ms", Kind.NUMBER),
            _of("outcome", Kind.WORD),
            _of("http_status", Kind.NUMBER),
            _of("address"),
            _of("snippet", Kind.OBJECT),
            _of("batch", aside=True),
        ),
    ),
    "Explanation": (
        "explanation",
        (
            _of("subscription_id", Kind.ID),
            _of("hears", Kind.TRUTH),
            _of("code", Kind.WORD),
            _of("reason"),
            _of("attempts", Kind.NUMBER),
            _of("http_status", Kind.NUMBER),
            _of("until", Kind.MOMENT),
        ),
    ),
    "Event": (
        "event",
        (
            _of("id", Kind.ID),
            _of("root"),
            _of("action"),
            _of("paths", Kind.OBJECT),
            _of("duplicate", Kind.TRUTH),
        ),
    ),
    "FlushResult": (
        "flush",
        tuple(
            _of(name, Kind.NUMBER)
            for name in (
                "delivered",
                "waiting",
                "dead",
                "expired",
                "cancelled",
                "retried",
                "ready",
                "in_flight",
            )
        ),
    ),
}

# --- Cells -----------------------------------------------------------------------------


def _catalog(catalog: Any) -> str:
    rows = []
    for resource, rules in catalog.rows:
        marked = {action for _, actions in rules for action in actions}
        entities = tuple(
            entity if set(actions) == marked else f"{entity} ({', '.join(actions)})"
            for entity, actions in rules
        )
        marks = ("yes" if action in marked else "" for action in _ACTIONS)
        rows.append((resource, *marks, entities))
    head = ("resource", *_ACTIONS, "entities")
    return _table(_count(len(rows), "resource"), head, [Kind.TEXT] * len(head), rows)


def _count(number: int, name: str) -> str:
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    text = f"{number:,} {name if number == 1 else plural}"
    return text if number <= ROWS_SHOWN_MAX else f"{text}, the first {ROWS_SHOWN_MAX} are shown"


def _plain(value: Any) -> Any:
    """As a DataFrame holds it: an enum is its word."""
    return value.name.lower() if isinstance(value, Enum) else value


def _text(value: str) -> str:
    """Escaped and cut; what cannot be seen, or turns a line around, by its number."""
    shown = value[:CHARS_SHOWN_MAX] + ("…" if len(value) > CHARS_SHOWN_MAX else "")
    seen = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return escaping.escape("".join(seen))


def _mark(word: str, tone: str) -> str:
    return f'<span class="word {tone}">{_text(word)}</span>'


def _tone(word: str) -> str:
    return next((tone for tone, words in _TONES.items() if word in words), "bad")


def _figure(name: str, value: Any) -> str:
    """A word where something is wrong that somebody should look at."""
    alarm = not value if name == "dispatchers_alive" else value and name in _ALARMS
    return _mark(str(value), "bad") if alarm else _cell(value, Kind.NUMBER)


def _cell(value: Any, kind: Kind) -> str:
    """HTML of one value; None is empty."""
    if value is None or kind is Kind.HTML:
        return value or ""
    if kind is Kind.WORD:
        word = str(_plain(value))
        return _mark(word, _tone(word))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bytes):
        return _text(value.decode(errors="replace"))
    if isinstance(value, tuple):
        return "<br>".join(_text(str(item)) for item in value)
    return _text(str(value))


def _table(
    caption: str, head: Sequence[str], kinds: Sequence[Kind], rows: Iterable[Iterable[Any]]
) -> str:
    """The first rows, below `head` where there is one."""
    names = zip(head, kinds, strict=True) if head else ()
    heads = "".join(f'<th class="{kind.style}">{_text(name)}</th>' for name, kind in names)
    body = "".join(f"<tr>{_row(row, kinds)}</tr>\n" for row in islice(rows, ROWS_SHOWN_MAX))
    return (
        f'{_STYLE}\n<table class="webhooksub"><caption>{_text(caption)}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table>"
    )


def _row(row: Iterable[Any], kinds: Sequence[Kind]) -> str:
    return "".join(
        f'<td class="{kind.style}">{_cell(value, kind)}</td>'
        for value, kind in zip(row, kinds, strict=True)
    )
