"""In a notebook values are tables: escaped, short, and without secrets."""

import html
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webhooksub import (
    Attempt,
    Catalog,
    Delivery,
    DeliveryState,
    Dispatcher,
    Event,
    Explanation,
    FlushResult,
    Outcome,
    Subscription,
    SubscriptionInfo,
    SubscriptionStatus,
    _core,
    allow_all,
    catalogs,
    notebook,
)
from webhooksub.errors import ConfigurationError
from webhooksub.notebook import CHARS_SHOWN_MAX, ROWS_SHOWN_MAX, Listing, Stats

NOW = datetime(2026, 7, 7, 12, 30, 1, 250_000, UTC)
EVENT = _core.uuid_text(_core.uuid7(int(NOW.timestamp() * 1_000)))
ID = "0195f7a2-0000-7000-8000-000000000001"
HOSTILE = (
    '<script>alert("x")</script>',
    "</td></table><img src=x onerror=alert(1)>",
    "a&b'c\"d",
    "\u202egnp.exe",
    "\ud800",
    "\x00\n\x1b[31m",
    "x" * 100_000,
)
#: Any text, the worst among it.
text = st.sampled_from(HOSTILE) | st.text(max_size=300)


# A machine that does much else is slow, and no text to blame for that.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Reader(HTMLParser):
    """The tags of a table, its cells' texts; raises where it is not well formed."""

    KNOWN = frozenset(
        ["style", "table", "caption", "thead", "tbody", "tr", "th", "td", "span", "br"]
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.caption = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.KNOWN
        assert {name for name, _ in attrs} <= {"class"}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "br":
            self.rows[-1][-1] += " "
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "caption":
            self.caption += data
        elif "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
        else:
            assert "style" in self.open or not data.strip()


def read(value: Any) -> Reader:
    return Reader(value._repr_html_())


def fields(value: Any) -> dict[str, str]:
    """What the table of a single value says."""
    return dict(row for row in read(value).rows if row)


def a_delivery(**changes: Any) -> Delivery:
    given: dict[str, Any] = {
        "event_id": EVENT,
        "subscription_id": ID,
        "state": DeliveryState.WAITING,
        "attempts": 2,
        "next_at": NOW + timedelta(minutes=5),
        "http_status": 503,
        "outcome": Outcome.HTTP_ERROR,
        "duration_ms": 42,
        "updated_at": NOW,
    }
    return Delivery(**given | changes)


def an_attempt(**changes: Any) -> Attempt:
    given: dict[str, Any] = {
        "event_id": EVENT,
        "subscription_id": ID,
        "n": 1,
        "started_at": NOW,
        "duration_ms": 7,
        "http_status": 500,
        "outcome": Outcome.HTTP_ERROR,
        "address": "203.0.113.7",
        "snippet": b"no such hook",
    }
    return Attempt(**given | changes)


def a_subscription(**changes: Any) -> Subscription:
    given: dict[str, Any] = {
        "resource": "tenant/acme/sidedrawer/s1/record",
        "modification_type": "any",
        "notification_url": "https://example.com/hook?token=of-the-query",
        "expires": NOW + timedelta(days=365),
        "integrity_key": "whsec_b2YtdGhlLWtleQ==",
        "delivery": {"headers": {"X-Api-Key": "of-the-header"}},
        "now": NOW,
    }
    return Subscription(**given | changes)


def an_info(subscription: Subscription | None, **changes: Any) -> SubscriptionInfo:
    given: dict[str, Any] = {
        "id": ID,
        "owner": "someone",
        "status": SubscriptionStatus.ACTIVE,
        "status_reason": None,
        "created_at": NOW,
        "updated_at": NOW,
        "subscription": subscription,
        "resource": "tenant/acme/sidedrawer/s1/record",
        "revision": 1,
        "has_integrity_key": True,
    }
    return SubscriptionInfo(**given | changes)


#: Makes each kind of value around one text that somebody else wrote.
MAKERS: dict[str, Callable[[str], Any]] = {
    "delivery": lambda text: a_delivery(batch=text),
    "attempt": lambda text: an_attempt(address=text, snippet=text.encode(errors="replace")),
    "explanation": lambda text: Explanation(ID, False, "not_covered", text),
    "code": lambda text: Explanation(ID, False, text, "reason"),
    "subscription": lambda text: an_info(None, owner=text, status_reason=text, resource=text),
    "event": lambda text: Event(EVENT, text, "update", (text, text)),
}


# --- What somebody else wrote -----------------------------------------------------------


@pytest.mark.parametrize("kind", MAKERS)
@unhurried
@given(text)
def test_any_text_is_shown_as_text(kind: str, text: str) -> None:
    value = MAKERS[kind](text)
    for shown in (value, Listing(type(value), [value, value])):
        written = shown._repr_html_()
        Reader(written)
        assert len(written) < 12_000
        assert all(c.isprintable() or c == "\n" for c in written)


@unhurried
@given(text)
def test_what_is_shown_is_what_it_says(text: str) -> None:
    seen = fields(Event(EVENT, text, "update", ()))["root"]
    if text.isprintable() and len(text) <= CHARS_SHOWN_MAX:
        assert seen == text
    elif text.isprintable():
        assert seen == text[:CHARS_SHOWN_MAX] + "…"
    else:
        assert "\\" in seen or len(text) > CHARS_SHOWN_MAX


@unhurried
@given(st.dictionaries(text, st.integers() | text | st.booleans(), max_size=4))
def test_stats_are_shown_whatever_they_are_called(stats: dict[str, Any]) -> None:
    assert len(read(Stats(stats)).rows) >= len(stats)


def test_a_hostile_id_in_a_path_is_only_text() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    path = f"tenant/{hostile}/sidedrawer/s1/record"
    info = an_info(a_subscription(resource=path), resource=path)
    for value in (info, info.subscription, Listing(SubscriptionInfo, [info])):
        assert "<img" not in value._repr_html_()  # type: ignore[union-attr]
        assert html.escape(path) in value._repr_html_()  # type: ignore[union-attr]


# --- Secrets ----------------------------------------------------------------------------


def test_no_secret_is_shown_nor_comes_into_a_frame() -> None:
    info = an_info(a_subscription())
    listing = Listing(SubscriptionInfo, [info])
    shown = [value._repr_html_() for value in (info, info.subscription, listing)]  # type: ignore[union-attr]
    for text in (*shown, listing.to_pandas().to_csv()):
        for secret in ("of-the-key", "b2YtdGhlLWtleQ", "of-the-query", "of-the-header"):
            assert secret not in text
    assert fields(info)["endpoint"] == "https://example.com/hook?…"
    assert fields(info)["headers"] == "X-Api-Key"
    assert fields(info)["has_integrity_key"] == "yes"


# --- Each kind --------------------------------------------------------------------------


def test_a_delivery_says_where_it_stands() -> None:
    seen = fields(a_delivery())
    assert seen["published_at"] == "2026-07-07 12:30:01"
    assert (seen["state"], seen["outcome"], seen["attempts"]) == ("waiting", "http_error", "2")
    assert seen["next_at"] == "2026-07-07 12:35:01"


def test_a_list_has_a_row_for_each_below_the_names() -> None:
    seen = read(Listing(Attempt, [an_attempt(n=1), an_attempt(n=2, snippet=None)]))
    assert seen.caption == "2 attempts"
    assert seen.rows[0][:3] == ["n", "started_at", "duration_ms"]
    assert [row[0] for row in seen.rows[1:]] == ["1", "2"]
    assert [row[-1] for row in seen.rows[1:]] == ["no such hook", ""]


def test_a_column_that_is_empty_in_all_rows_takes_no_room() -> None:
    seen = read(Listing(Delivery, [a_delivery(next_at=None, outcome=None)] * 2))
    assert "next_at" not in seen.rows[0]
    assert "outcome" not in seen.rows[0]
    assert "state" in seen.rows[0]


def test_of_a_long_list_the_first_are_shown_and_all_counted() -> None:
    seen = read(Listing(Delivery, [a_delivery()] * 1_234))
    assert seen.caption == f"1,234 deliveries, the first {ROWS_SHOWN_MAX} are shown"
    assert len(seen.rows) == 1 + ROWS_SHOWN_MAX


def test_an_empty_list_says_that_it_is() -> None:
    seen = read(Listing(Explanation, []))
    assert (seen.caption, len(seen.rows)) == ("0 explanations", 1)


def test_a_subscription_that_is_invalid_now_is_shown_without_its_document() -> None:
    seen = fields(an_info(None, status=SubscriptionStatus.INVALID))
    assert (seen["status"], seen["endpoint"], seen["expires"]) == ("invalid", "", "")


def test_a_catalog_is_shown_as_its_table() -> None:
    seen = read(catalogs.SIDEDRAWER)
    assert seen.caption == "13 resources"
    rows = {row[0]: row[1:] for row in seen.rows[1:]}
    record = "tenant/{tenantId}/sidedrawer/{sidedrawerId}/record/{recordId}"
    assert rows[record] == ["", "yes", "yes", record]
    plan = "tenant/{tenantId}/sidedrawer/{sidedrawerId}/plan-request/{planRequestId}"
    assert rows[plan] == ["yes", "yes", "yes", f"{plan}/item/{{planItemId}} {plan} (update)"]


def test_a_catalog_of_ones_own_is_escaped() -> None:
    assert "&lt;b&gt;" in read_source(Catalog.of("<b>/{owner}/repos/{repo}"))


def read_source(value: Any) -> str:
    written = value._repr_html_()
    Reader(written)
    return str(written)


def test_the_result_of_a_flush_and_an_event_are_shown() -> None:
    assert fields(FlushResult(1, 2, 3, 4, 5, 6, 7, 8))["in_flight"] == "8"
    assert fields(Event(EVENT, "tenant/acme", "update", ("a", "b")))["paths"] == "a b"


def test_figures_that_somebody_should_look_at_are_marked() -> None:
    calm = Stats(dead=0, waiting=3, dispatchers_alive=1)._repr_html_()
    alarmed = Stats(dead=2, waiting=3, dispatchers_alive=0)._repr_html_()
    assert (calm.count('"word bad"'), alarmed.count('"word bad"')) == (0, 2)


# --- They stay what they are ------------------------------------------------------------


def test_lists_and_figures_stay_lists_and_dictionaries() -> None:
    listing = Listing(Delivery, [a_delivery()])
    assert listing == [a_delivery()]
    assert isinstance(listing, list)
    assert pickle.loads(pickle.dumps(listing)).kind is Delivery
    assert json.dumps(Stats(a=1)) == '{"a": 1}'


@pytest.fixture
def hooks() -> Iterator[Dispatcher]:
    with Dispatcher.in_memory(authorizer=allow_all, dev=True) as dispatcher:
        yield dispatcher


def test_everything_that_a_dispatcher_answers_can_be_shown(hooks: Dispatcher) -> None:
    info = hooks.subscribe(
        "tenant/acme/sidedrawer/s1/record",
        "any",
        "https://localhost:1/hook",
        expires=timedelta(days=1),
    )
    event = hooks.publish("tenant/acme/sidedrawer/s1/record/r1", "update")
    assert fields(hooks.flush(10))["waiting"] == "1"
    assert read(hooks.subscriptions()).rows[1][0] == info.id
    assert read(hooks.deliveries()).rows[1][1:3] == [event.id, info.id]
    assert read(hooks.attempts(event.id, info.id)).rows[1][3] == "connect_error"
    assert read(hooks.explain(event=event.id)).rows[1][0] == info.id
    assert fields(hooks.stats())["waiting"] == "1"
    assert fields(event)["action"] == "update"


# --- DataFrames -------------------------------------------------------------------------


def test_a_frame_has_a_typed_column_for_each_field() -> None:
    frame = Listing(
        Delivery, [a_delivery(), a_delivery(next_at=None, http_status=None)]
    ).to_pandas()
    assert list(frame["state"]) == ["waiting", "waiting"]
    assert frame["published_at"][0] == pandas.Timestamp(NOW)
    assert frame["next_at"].isna().tolist() == [False, True]
    assert frame["http_status"].sum() == 503
    assert frame["updated_at"].dtype == "datetime64[ms, UTC]"


@pytest.mark.parametrize("kind", [Delivery, Attempt, Explanation, SubscriptionInfo, Event])
def test_an_empty_frame_has_the_same_columns_and_types(kind: type) -> None:
    made = {
        Delivery: a_delivery(),
        Attempt: an_attempt(),
        Explanation: Explanation(ID, True, "hears", "x"),
        SubscriptionInfo: an_info(a_subscription()),
        Event: Event(EVENT, "r", "update", ("a",)),
    }[kind]
    empty, one = (Listing(kind, items).to_pandas() for items in ([], [made]))
    assert (empty.dtypes == one.dtypes).all()
    assert (len(empty), len(one)) == (0, 1)


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'webhooksub\[notebook\]'"):
        Listing(Delivery, []).to_pandas()


def test_when_an_event_was_published_stands_in_its_id() -> None:
    assert notebook.published_at(EVENT) == NOW
