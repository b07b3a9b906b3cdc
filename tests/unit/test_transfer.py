"""Subscriptions from one store to another: all of what they say, keys only when asked for."""

import json
from typing import Any

import pytest

from webhooksub import Catalog, ValidationError, catalogs
from webhooksub.events import SubscriptionStatus
from webhooksub.store import Store
from webhooksub.transfer import Imported, export_lines, import_lines

SIDEDRAWER = catalogs.SIDEDRAWER


def another(kit: Any) -> Store:
    store: Store = kit.store("memory://")
    return store


def same(record: Any) -> tuple[Any, ...]:
    """What an import keeps."""
    return (
        record.id,
        record.owner,
        record.root,
        record.resource,
        record.action,
        record.url,
        record.origin,
        record.expires_text,
        record.expires_at,
        record.brand_code,
        record.max_retries,
        json.loads(record.options),
        record.status,
        record.status_reason,
        record.keys,
    )


def test_what_is_exported_is_imported_as_it_was(store: Store, kit: Any) -> None:
    options = '{"batch":{"maxNotifications":5,"maxBytes":65536,"lingerMs":0},"ratePerSecond":2.5}'
    expiry = {"expires_at": 1_878_140_440_000}
    made = [
        kit.subscribe(store, "one", brand_code="ü", max_retries=0, options=options, **expiry),
        kit.subscribe(store, "two", keys=(), action=2, **expiry),
        kit.subscribe(store, "three", status=3, **expiry),
        kit.subscribe(store, "four", status=4, status_reason="gone", **expiry),
    ]
    deleted = kit.subscribe(store, "five")
    store.delete_subscription(deleted.id)
    lines = list(export_lines(store, with_keys=True))
    target = another(kit)
    assert import_lines(target, SIDEDRAWER, lines, {}) == Imported(4, 0)
    assert [same(r) for r in target.subscriptions(roots=None)] == [same(r) for r in made]
    assert import_lines(target, SIDEDRAWER, lines, {}) == Imported(0, 4)
    assert [same(r) for r in target.subscriptions(roots=None)] == [same(r) for r in made]


def test_keys_come_along_only_when_asked_for(store: Store, kit: Any) -> None:
    kit.subscribe(store)
    [line] = export_lines(store)
    assert "integrityKey" not in line
    assert "kkk" not in line and "a2tr" not in line
    target = another(kit)
    import_lines(target, SIDEDRAWER, [line], {})
    assert target.subscriptions(roots=None)[0].keys == ()


def test_one_root_may_be_asked_for(store: Store, kit: Any) -> None:
    kit.subscribe(store)
    other = kit.subscribe(store, root="tenant/globex", resource="tenant/globex/sidedrawer")
    [line] = export_lines(store, root="tenant/globex")
    assert json.loads(line)["resource"] == other.resource


def test_what_expired_and_what_no_catalog_knew_comes_along(store: Store, kit: Any) -> None:
    past = "2001-01-01T00:00:00Z"
    kit.subscribe(store, expires_text=past, expires_at=978_307_200_000)
    kit.subscribe(store, resource="repos/a/b/issues", root="repos/a", status=6)
    lines = list(export_lines(store))
    catalog = Catalog.of("repos/{owner}/{repo}/issues/{number}")
    with pytest.raises(ValidationError, match=r"line 2: resource"):
        import_lines(another(kit), SIDEDRAWER, lines, {})
    target = another(kit)
    assert import_lines(target, SIDEDRAWER, lines[:1], {}) == Imported(1, 0)
    assert target.subscriptions(roots=None)[0].expires_text == past
    import_lines(target, catalog, lines[1:], {})
    [record] = target.subscriptions(roots=["repos/a"])
    assert record.status == SubscriptionStatus.ACTIVE


def test_a_wrong_line_writes_nothing_and_every_mistake_is_told(store: Store, kit: Any) -> None:
    kit.subscribe(store)
    [line] = export_lines(store)
    document = json.loads(line)
    wrong = [
        line,
        "nonsense",
        "[]",
        json.dumps(document | {"id": 5, "owner": None, "status": "odd", "statusReason": 1}),
        json.dumps(document | {"notificationUrl": "http://x/", "often": True}),
        "",
        json.dumps({k: v for k, v in document.items() if k != "id"}),
        '{"a": "\\ud800"}',
    ]
    target = another(kit)
    with pytest.raises(ValidationError) as caught:
        import_lines(target, SIDEDRAWER, wrong, {})
    found = [(e.field, e.code) for e in caught.value.errors]
    assert found[:9] == [
        ("line 2", "json"),
        ("line 3", "type"),
        ("line 4: id", "format"),
        ("line 4: owner", "type"),
        ("line 4: statusReason", "type"),
        ("line 4: status", "enum"),
        ("line 5: often", "unknown"),
        ("line 5: notificationUrl", "scheme"),
        ("line 7: id", "format"),
    ]
    assert found[9][0].startswith("line 8")
    assert target.count_subscriptions(roots=None) == 0


def test_a_file_of_something_else_is_given_up_early(kit: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        import_lines(another(kit), SIDEDRAWER, ("x" for _ in range(10**9)), {})
    assert len(caught.value.errors) == 100
