"""The Python face of a subscription. Its rules are tested in C."""

import copy
import gc
import json
import pickle
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from webhooksub import Catalog, Subscription, ValidationError, catalogs

SAMPLE = """
{"modificationType": "Create", "notificationUrl": "string", "resource": "tenant/{tenantId}/sidedrawer", "expirationDateTime": "2029-07-07T14:40:40-03:00",
 "brandCode": "mybrand", "notificationMessages": "", "integrityKey": "", "maxRetries": 0}
"""  # noqa: E501
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GIVEN: dict[str, Any] = {
    "resource": "tenant/acme/sidedrawer/s1/record",
    "modification_type": "any",
    "notification_url": "https://example.com/hook?token=hidden",
    "expires": "2029-07-07T14:40:40-03:00",
    "brand_code": "mybrand",
    "integrity_key": "a-key-of-more-than-24-bytes",
    "max_retries": 3,
    "delivery": {"batch": {"maxNotifications": 10}, "headers": {"X-Token": "t"}},
    "now": NOW,
}


def mistakes(call: Any, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        call(*args, **kwargs)
    return [(error.field, error.code) for error in caught.value.errors]


def test_the_printed_sample_has_exactly_two_mistakes() -> None:
    found = mistakes(Subscription.from_json, SAMPLE, now=NOW)
    assert [field for field, _ in found] == ["notificationUrl", "resource"]


def test_a_key_in_a_wrong_document_is_not_repeated() -> None:
    document = json.loads(SAMPLE) | {"integrityKey": "CANARY", "often": "CANARY"}
    with pytest.raises(ValidationError) as caught:
        Subscription.from_json(json.dumps(document), now=NOW)
    assert len(caught.value.errors) == 3
    assert "CANARY" not in str(caught.value) + repr(caught.value)


def test_what_was_given_can_be_read() -> None:
    value = Subscription(**GIVEN)
    assert value.root == "tenant/acme"
    assert value.origin == "https://example.com:443"
    assert value.expires == datetime(2029, 7, 7, 17, 40, 40, tzinfo=UTC)
    assert value.expires_text == "2029-07-07T14:40:40-03:00"
    assert value.expires_at_ms == int(value.expires.timestamp() * 1000)
    assert (value.connection_type, value.notification_messages) == ("HTTP", None)
    assert (value.max_retries, value.brand_code) == (3, "mybrand")
    assert value.delivery["headers"] == {"X-Token": "t"}
    assert value.has_integrity_key and value.key_change == "set"
    assert value.warnings == ()


def test_fields_are_given_by_name_only() -> None:
    with pytest.raises(TypeError):
        Subscription("tenant/acme/sidedrawer")  # type: ignore[call-arg, misc]
    with pytest.raises(TypeError):
        Subscription(**GIVEN, often=True)


def test_mistakes_of_python_types_come_with_all_others() -> None:
    wrong = {"resource": 1, "brand_code": b"x", "max_retries": True, "delivery": [1]}
    found = mistakes(Subscription, **(GIVEN | wrong | {"expires": datetime(2029, 1, 1)}))
    assert set(found) == {
        ("resource", "type"),
        ("brandCode", "type"),
        ("maxRetries", "type"),
        ("delivery", "type"),
        ("expirationDateTime", "format"),
    }


@pytest.mark.parametrize("text", ["\udcff", "a\ud800b"])
@pytest.mark.parametrize("name", ["resource", "notification_url", "brand_code", "integrity_key"])
def test_a_lone_surrogate_is_a_mistake_of_its_field(name: str, text: str) -> None:
    [(_, code)] = mistakes(Subscription, **(GIVEN | {name: text}))
    assert code == "encoding"


def test_an_aware_datetime_is_written_with_its_offset() -> None:
    zone = timezone(timedelta(hours=-3))
    value = Subscription(**(GIVEN | {"expires": datetime(2029, 7, 7, 14, 40, 40, tzinfo=zone)}))
    assert value.expires_text == "2029-07-07T14:40:40-03:00"


def test_equal_values_are_equal_and_the_key_counts() -> None:
    value = Subscription(**GIVEN)
    assert value == Subscription(**GIVEN)
    assert hash(value) == hash(Subscription(**GIVEN))
    assert value != Subscription(**(GIVEN | {"integrity_key": "another-key-of-24-bytes.."}))
    assert value != "value"


def test_a_pickle_holds_everything_but_the_key() -> None:
    value = Subscription(**GIVEN)
    restored = pickle.loads(pickle.dumps(value))
    assert not restored.has_integrity_key
    assert restored.to_json() == value.to_json()
    assert restored == value.replace(integrity_key=None, now=NOW)
    assert copy.copy(value).resource == value.resource


def test_a_repr_shows_neither_key_nor_query() -> None:
    text = repr(Subscription(**GIVEN))
    assert "hidden" not in text and "a-key-of" not in text
    assert "tenant/acme/sidedrawer/s1/record" in text and "***" in text


def test_a_document_written_is_a_document_that_can_be_read() -> None:
    value = Subscription(**(GIVEN | {"integrity_key": None}))
    assert Subscription.from_json(value.to_json(), now=NOW) == value
    assert Subscription.from_json(value.to_json().encode(), now=NOW) == value


def test_replace_changes_only_what_is_named_and_checks_it() -> None:
    value = Subscription(**GIVEN)
    other = value.replace(brand_code="other", now=NOW)
    assert (other.brand_code, other.resource, other.has_integrity_key) == (
        "other",
        value.resource,
        True,
    )
    assert other.replace(brand_code="mybrand", now=NOW) == value
    assert value.replace(integrity_key=None, now=NOW).key_change == "cleared"
    assert mistakes(value.replace, max_retries=101, now=NOW) == [("maxRetries", "range")]


def test_read_only_fields_may_be_repeated_and_not_changed() -> None:
    value = Subscription(**(GIVEN | {"integrity_key": None}))
    current = {"id": "1", "owner": "ann", "status": "active", "hasIntegrityKey": True}
    document = json.loads(value.to_json())
    read = Subscription.from_json(json.dumps(document | current), now=NOW, current=current)
    assert read.key_change == "absent"
    changed = json.dumps(document | {"owner": "eve"})
    found = mistakes(Subscription.from_json, changed, now=NOW, current=current)
    assert found == [("owner", "read_only")]
    assert mistakes(Subscription.from_json, changed, now=NOW) == [("owner", "read_only")]


def test_another_catalog_judges_the_resource() -> None:
    catalog = Catalog.of("repos/{owner}/{repo}/issues/{number}")
    given = GIVEN | {"resource": "repos/ann/tool/issues", "catalog": catalog}
    assert Subscription(**given).root == "repos/ann"
    assert mistakes(Subscription, **(GIVEN | {"catalog": catalog})) == [("resource", "unknown")]
    assert Subscription(**(GIVEN | {"catalog": catalogs.SIDEDRAWER_WIDE}))


class Hostile(dict[str, Any]):
    """A mapping that fails when it is looked at."""

    def keys(self) -> Any:
        raise LookupError("on purpose")


def test_an_argument_that_raises_is_heard_and_leaks_nothing() -> None:
    class Text(str):
        def __str__(self) -> str:
            raise LookupError("on purpose")

    assert Subscription(**(GIVEN | {"brand_code": Text("mybrand")})).brand_code == "mybrand"
    resource = "".join(["tenant/acme/", "sidedrawer"])
    before = sys.getrefcount(resource)
    for _ in range(100):
        with pytest.raises((ValidationError, LookupError)):
            Subscription(**(GIVEN | {"resource": resource, "delivery": Hostile(a=1)}))
        with pytest.raises(ValidationError):
            Subscription(**(GIVEN | {"resource": resource, "max_retries": -1}))
        Subscription(**(GIVEN | {"resource": resource}))
    gc.collect()
    assert sys.getrefcount(resource) == before


def test_values_are_immutable() -> None:
    value = Subscription(**GIVEN)
    with pytest.raises(AttributeError):
        value.resource = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Subscription.resource = "x"  # type: ignore[assignment, misc]
    with pytest.raises(TypeError):
        type("Sub", (Subscription,), {})
