"""Subscription as Python code makes and sees it. Its rules in full: tests/c/test_subscription*."""

import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from subscriptions import CANARY, MADE, NOW, SAMPLE, URL, columns, document, make, mistakes

from webhooksub import Catalog, Subscription, ValidationError, catalogs

# --- making one -------------------------------------------------------------------------


def test_the_references_sample_as_printed_has_exactly_two_mistakes() -> None:
    found = mistakes(lambda: Subscription.from_json(SAMPLE, now=NOW))
    assert found == [("notificationUrl", "scheme"), ("resource", "unbound")]


def test_the_sample_with_its_two_mistakes_mended_is_read() -> None:
    mended = SAMPLE.replace('"string"', f'"{URL}"').replace("{tenantId}", "t1")
    value = Subscription.from_json(mended, now=NOW)
    assert value.modification_type == "create"
    assert value.connection_type == "HTTP"
    assert value.notification_messages is None
    assert not value.has_integrity_key
    assert value.max_retries == 0
    assert value.warnings == ("maxRetries 0: one attempt only",)
    assert value.brand_code == "mybrand"


def test_each_field_is_seen_as_it_was_given() -> None:
    delivery = {
        "batch": {"maxNotifications": 10, "maxBytes": 65_536, "lingerMs": 5},
        "headers": {"X-Tenant": "t1"},
    }
    value = make(
        resource="tenant/t1/sidedrawer/s1/record/{recordId}/files",
        modification_type="Update",
        notification_url="https://example.com:8443/a?b=c",
        brand_code="mybrand",
        integrity_key="whsec_" + "QUJD" * 8,
        max_retries=3.0,
        delivery=delivery,
        ports=[8443],
    )
    assert value.resource == "tenant/t1/sidedrawer/s1/record/{recordId}/files"
    assert value.root == "tenant/t1"
    assert value.modification_type == "update"
    assert value.notification_url == "https://example.com:8443/a?b=c"
    assert value.origin == "https://example.com:8443"
    assert value.brand_code == "mybrand"
    assert value.has_integrity_key
    assert value._key() == b"ABC" * 8
    assert value.max_retries == 3
    assert value.delivery == delivery
    assert value.warnings == ()


def test_the_date_is_kept_as_text_and_as_a_moment() -> None:
    value = make(expires="2029-07-07T14:40:40-03:00")
    assert value.expires_text == "2029-07-07T14:40:40-03:00"
    assert value.expires == datetime(2029, 7, 7, 17, 40, 40, tzinfo=UTC)
    assert value.expires_at_ms == value.expires.timestamp() * 1000


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2029, 7, 7, 14, 40, 40, tzinfo=UTC),
        datetime(2029, 7, 7, 14, 40, 40, 123_000, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime.max.replace(microsecond=999_000, tzinfo=UTC),
    ],
)
def test_a_datetime_with_a_zone_is_a_date(moment: datetime) -> None:
    assert make(expires=moment).expires == moment
    assert make(expires=moment).expires_text == moment.isoformat()


@pytest.mark.parametrize("moment", [datetime(2029, 7, 7), date(2029, 7, 7)])
def test_a_moment_without_a_zone_is_none(moment: Any) -> None:
    assert mistakes(lambda: make(expires=moment)) == [("expirationDateTime", "format")]


def test_now_decides_what_lies_in_the_future() -> None:
    end = datetime(2027, 1, 1, tzinfo=UTC)
    make(expires=end, now=end - timedelta(milliseconds=1))
    assert mistakes(lambda: make(expires=end, now=end)) == [("expirationDateTime", "range")]
    with pytest.raises(TypeError, match="naive"):
        make(now=datetime(2026, 1, 1))


def test_it_lives_no_longer_than_allowed() -> None:
    day = 86_400_000
    tomorrow, later = NOW + timedelta(days=1), NOW + timedelta(days=1, milliseconds=1)
    assert make(expires=tomorrow, max_lifetime_ms=day).expires == tomorrow
    assert mistakes(lambda: make(expires=later, max_lifetime_ms=day)) == [
        ("expirationDateTime", "range")
    ]
    text = document(expirationDateTime=later.isoformat(), often=True)
    found = mistakes(lambda: Subscription.from_json(text, now=NOW, max_lifetime_ms=day))
    assert found == [("often", "unknown"), ("expirationDateTime", "range")]


def test_its_arguments_have_names() -> None:
    with pytest.raises(TypeError, match="positional"):
        Subscription("tenant/t1/sidedrawer")  # type: ignore[call-arg,misc]
    with pytest.raises(TypeError, match="resorce"):
        make(resorce="tenant/t1/sidedrawer")


def test_what_is_missing_is_told_at_once() -> None:
    assert mistakes(lambda: Subscription()) == [  # type: ignore[call-arg]
        ("modificationType", "required"),
        ("notificationUrl", "required"),
        ("resource", "required"),
        ("expirationDateTime", "required"),
    ]


def test_values_of_a_wrong_type_are_all_told_at_once_with_the_other_mistakes() -> None:
    found = mistakes(
        lambda: Subscription(
            resource=7,  # type: ignore[arg-type]
            modification_type=["any"],  # type: ignore[arg-type]
            expires=timedelta(days=1),  # type: ignore[arg-type]
            notification_url=b"https://example.com",  # type: ignore[arg-type]
            notification_messages=1.5,  # type: ignore[arg-type]
            connection_type={},  # type: ignore[arg-type]
            brand_code="\n",
            integrity_key=b"k" * 32,  # type: ignore[arg-type]
            max_retries=True,
            delivery=["batch"],  # type: ignore[arg-type]
        )
    )
    of_type = ["resource", "modificationType", "expirationDateTime", "notificationUrl"]
    of_type += ["notificationMessages", "connectionType", "integrityKey", "maxRetries", "delivery"]
    assert sorted(found) == sorted([(f, "type") for f in of_type] + [("brandCode", "format")])


@pytest.mark.parametrize("most", [-1, 101, 1.5, -0.0, float("nan"), float("inf"), 10**400, 2**63])
def test_retries_are_a_whole_number_up_to_100(most: Any) -> None:
    assert mistakes(lambda: make(max_retries=most)) == [("maxRetries", "range")]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"brand_code": "\udcff"}, ["brandCode"]),
        ({"integrity_key": "\ud800", "resource": "tenant/\udc80"}, ["integrityKey", "resource"]),
        ({"delivery": {"headers": {"X-A": "\udcff"}}}, ["delivery"]),
        ({"delivery": {"\udcff": 1}}, ["delivery"]),
    ],
)
def test_a_text_with_a_lone_surrogate_is_a_mistake_of_its_field(
    fields: dict[str, Any], names: list[str]
) -> None:
    assert sorted(field for field, _ in mistakes(lambda: make(**fields))) == names


def test_a_document_with_a_lone_surrogate_is_no_document() -> None:
    assert mistakes(lambda: Subscription.from_json(document() + "\udcff")) == [("", "encoding")]
    escaped = document(brandCode="\udcff")
    assert mistakes(lambda: Subscription.from_json(escaped)) == [("", "json")]


@pytest.mark.parametrize("value", [3, None, bytearray(b"{}"), {}])
def test_a_document_is_text(value: Any) -> None:
    with pytest.raises(TypeError, match="text must be"):
        Subscription.from_json(value)


def test_a_document_may_be_text_or_bytes() -> None:
    assert Subscription.from_json(document(), now=NOW) == make()
    assert Subscription.from_json(document().encode(), now=NOW) == make()


@pytest.mark.parametrize(
    "delivery",
    [{"batch": {1, 2}}, {"headers": float}, {"batch": {("a",): 1}}, "{}", 3],
    ids=["set", "class", "key", "text", "number"],
)
def test_delivery_is_a_mapping_that_json_can_hold(delivery: Any) -> None:
    assert mistakes(lambda: make(delivery=delivery)) == [("delivery", "type")]


def test_delivery_that_holds_itself_is_a_mistake() -> None:
    circle: dict[str, Any] = {}
    circle["batch"] = circle
    assert mistakes(lambda: make(delivery=circle)) == [("delivery", "type")]


# Some Pythons write the last one out, others raise RecursionError.
@pytest.mark.parametrize("depth", [33, 500, 10_000, 200_000])
def test_delivery_that_is_too_deep_is_the_same_mistake_in_every_python(depth: int) -> None:
    deep: dict[str, Any] = {}
    for _ in range(depth):
        deep = {"batch": deep}
    assert mistakes(lambda: make(delivery=deep)) == [("delivery", "json")]


def test_sockets_need_a_service_that_offers_them() -> None:
    fields = {
        "connection_type": "SOCKET",
        "notification_messages": "changed",
        "notification_url": None,
    }
    assert mistakes(lambda: make(**fields)) == [("connectionType", "unsupported")]
    value = make(**fields, sockets=True)
    assert (value.connection_type, value.notification_messages) == ("SOCKET", "changed")
    assert value.notification_url is None
    assert value.origin is None


def test_another_catalog_has_other_resources() -> None:
    repos = Catalog.of("repos/{owner}/{repo}/issues/{number}")
    assert make(resource="repos/ann/tool/issues", catalog=repos).root == "repos/ann"
    assert mistakes(lambda: make(catalog=repos)) == [("resource", "unknown")]
    with pytest.raises(TypeError):
        make(catalog="repos")
    plan = {"resource": "tenant/t1/sidedrawer/s1/plan-request/{planRequestId}"}
    plan |= {"modification_type": "delete"}
    assert make(**plan, catalog=catalogs.SIDEDRAWER_WIDE).modification_type == "delete"


def test_a_port_out_of_range_is_refused() -> None:
    for ports in ([0], [65_536], [-1], [2**80]):
        with pytest.raises((ValueError, OverflowError)):
            make(ports=ports)


# --- its value ----------------------------------------------------------------------------


def test_it_cannot_be_changed() -> None:
    value = make()
    for name in ("resource", "max_retries", "other"):
        with pytest.raises(AttributeError):
            setattr(value, name, "x")
    value.delivery["headers"] = {"X-A": "b"}
    assert value.delivery == {}
    with pytest.raises(TypeError):
        type("Mine", (Subscription,), {})  # no subclass may change what was checked
    with pytest.raises(TypeError):
        Subscription.resource = "x"  # type: ignore[assignment,misc]


def test_values_that_say_the_same_are_equal() -> None:
    one, same = make(integrity_key=CANARY), make(integrity_key=CANARY)
    assert one == same
    assert hash(one) == hash(same)
    assert len({one, same, make()}) == 2
    others: list[dict[str, Any]] = [
        {"integrity_key": None},
        {"integrity_key": CANARY + "d"},
        {"resource": "tenant/t2/sidedrawer"},
        {"modification_type": "create"},
        {"expires": "2029-07-07T17:40:40Z"},
        {"notification_url": URL + "/"},
        {"max_retries": 1},
        {"brand_code": "b"},
        {"delivery": {"headers": {"X-A": "b"}}},
    ]
    for other in others:
        assert make(**({"integrity_key": CANARY} | other)) != one
    assert one != "Subscription"
    with pytest.raises(TypeError):
        one < same  # type: ignore[operator]  # noqa: B015


def test_replace_changes_what_it_names_and_checks_it_anew() -> None:
    before = make(integrity_key=CANARY, max_retries=3, delivery={"headers": {"X-A": "b"}})
    after = before.replace(max_retries=None, notification_url="https://other.example/", now=NOW)
    assert after == make(
        integrity_key=CANARY,
        notification_url="https://other.example/",
        delivery={"headers": {"X-A": "b"}},
    )
    assert before.max_retries == 3
    assert not before.replace(integrity_key=None, now=NOW).has_integrity_key
    assert before.replace(delivery=None, now=NOW).delivery == {}
    found = mistakes(lambda: before.replace(max_retries="3", resource="tenant/t1/nothing"))
    assert sorted(found) == [("maxRetries", "type"), ("resource", "unknown")]


def test_replace_keeps_the_catalog() -> None:
    repos = Catalog.of("repos/{owner}/{repo}/issues/{number}")
    value = make(resource="repos/ann/tool/issues", catalog=repos)
    assert value.replace(resource="repos/bob/tool/issues", now=NOW).root == "repos/bob"


@pytest.mark.parametrize(
    ("given_key", "change", "has"),
    [
        (..., "absent", False),
        ("", "cleared", False),
        (None, "cleared", False),
        ("k" * 32, "set", 1),
    ],
)
def test_it_tells_what_the_document_said_about_the_key(
    given_key: Any, change: str, has: bool
) -> None:
    fields = {} if given_key is ... else {"integrityKey": given_key}
    read = Subscription.from_json(document(**fields), now=NOW)
    assert (read.key_change, read.has_integrity_key) == (change, has)
    made = make(**({} if given_key is ... else {"integrity_key": given_key}))
    assert (made.key_change, made.has_integrity_key) == (change, has)


# --- replacing a stored one ----------------------------------------------------------------


def test_what_the_service_made_may_be_repeated() -> None:
    value = Subscription.from_json(document(**MADE), now=NOW, current=MADE)
    assert value == make()


@pytest.mark.parametrize("name", MADE)
def test_what_the_service_made_may_not_be_changed(name: str) -> None:
    changed = MADE | {name: not MADE[name] if name == "hasIntegrityKey" else "other"}
    text = document(**changed)
    found = mistakes(lambda: Subscription.from_json(text, now=NOW, current=MADE))
    assert found == [(name, "read_only")]


def test_a_new_subscription_has_nothing_that_the_service_made() -> None:
    found = mistakes(lambda: Subscription.from_json(document(**MADE), now=NOW))
    assert found == [(name, "read_only") for name in MADE]


def test_what_the_current_one_does_not_have_may_not_be_given() -> None:
    for current in ({}, {"id": None}):
        found = mistakes(
            lambda c=current: Subscription.from_json(document(id="sub_1"), now=NOW, current=c)
        )
        assert found == [("id", "read_only")]


class Computed:
    """A mapping that makes its values when it is asked for them."""

    def __getitem__(self, name: str) -> Any:
        value = MADE[name]
        return value if isinstance(value, bool) else "".join(list(value))


def test_the_current_one_may_be_a_mapping_that_computes() -> None:
    current: Any = Computed()
    for _ in range(100):
        Subscription.from_json(document(**MADE), now=NOW, current=current)


# --- what the store gives back -----------------------------------------------------------------


def test_a_stored_row_is_the_value_that_was_written() -> None:
    assert Subscription._restore(columns(), catalogs.SIDEDRAWER) == make()
    assert Subscription._restore(columns(key=b"k" * 32), catalogs.SIDEDRAWER) == make(
        integrity_key="k" * 32
    )


@pytest.mark.parametrize("code", [0, 5, 99, -1, -5, 2**31 - 1, -(2**31)])
def test_a_row_whose_action_is_damaged_is_refused(code: int) -> None:
    found = mistakes(lambda: Subscription._restore(columns(action=code), catalogs.SIDEDRAWER))
    assert ("modificationType", "required") in found


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": "nothing/t1"},
        {"url": "x"},
        {"expires": "soon"},
        {"options": "{"},
        {"retries": 1000},
        {"key": b"k" * 257},
    ],
)
def test_a_damaged_row_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Subscription._restore(columns(**changes), catalogs.SIDEDRAWER)


# --- documents ---------------------------------------------------------------------------------


def test_its_document_has_the_references_names_and_no_key() -> None:
    value = make(integrity_key=CANARY, max_retries=0, brand_code="b")
    assert json.loads(value.to_json()) == {
        "modificationType": "any",
        "connectionType": "HTTP",
        "notificationUrl": URL,
        "resource": "tenant/t1/sidedrawer",
        "expirationDateTime": "2029-07-07T14:40:40-03:00",
        "brandCode": "b",
        "maxRetries": 0,
    }


@settings(deadline=None, max_examples=200)
@given(
    brand=st.none()
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60),
    retries=st.none() | st.integers(0, 100),
    action=st.sampled_from(["create", "update", "delete", "any"]),
    id_=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60),
)
def test_its_document_read_again_is_the_same_value(
    brand: str | None, retries: int | None, action: str, id_: str
) -> None:
    try:
        resource = catalogs.SIDEDRAWER.path("tenant/{tenantId}/sidedrawer", tenantId=id_)
    except ValidationError:
        return
    value = make(brand_code=brand, max_retries=retries, modification_type=action, resource=resource)
    assert value.resource == f"tenant/{id_}/sidedrawer"
    again = Subscription.from_json(value.to_json(), now=NOW)
    assert again == value
    assert hash(again) == hash(value)
    assert pickle.loads(pickle.dumps(value)) == value


@settings(deadline=None, max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_value_of_any_field_is_answered_by_another_exception(value: Any) -> None:
    for name in json.loads(document(brandCode="", maxRetries=0, delivery={}, integrityKey="")):
        try:
            Subscription.from_json(json.dumps({**json.loads(document()), name: value}), now=NOW)
        except ValidationError as error:
            assert error.errors
    for name in ("resource", "expires", "brand_code", "integrity_key", "max_retries", "delivery"):
        try:
            make(**{name: value})
        except ValidationError as error:
            assert error.errors
