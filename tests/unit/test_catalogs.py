"""The resources of the reference, and anybody else's."""

import pickle
import re
from pathlib import Path

import pytest

from webhooksub import Catalog, ConfigurationError, UnknownResource, ValidationError, catalogs

DRAWER = "tenant/{tenantId}/sidedrawer/{sidedrawerId}"
PLAN = "tenant/t/sidedrawer/s/plan-request/p"
ITEM = PLAN + "/item/i"


def covers(resource: str, wanted: str, path: str, action: str) -> bool:
    return catalogs.SIDEDRAWER.covers(resource, wanted, [path], action)


@pytest.mark.parametrize(
    ("resource", "actions"),
    [
        ("tenant/t/sidedrawer", "create update delete"),
        ("tenant/t/sidedrawer/s/record", "create update delete"),
        ("tenant/t/sidedrawer/s/record/r", "update delete"),
        ("tenant/t/sidedrawer/s/record/r/network", "create update delete"),
        ("tenant/t/sidedrawer/s/record/r/files", "create update delete"),
        ("tenant/t/sidedrawer/s/inbox", "create update delete"),
        ("tenant/t/sidedrawer/s/network", "create update delete"),
        ("tenant/t/sidedrawer/s/plan-request", "create update delete"),
        ("tenant/t/sidedrawer/s/plan-request/p", "create update delete"),
        ("tenant/t/sidedrawer/s/plan-request/p/item", "create update delete"),
        ("tenant/t/sidedrawer/s/plan-request/p/item/i", "update delete"),
        ("tenant/t/network/auth0|12345abcde", "create update delete"),
        ("subscription/b/license", "create update"),
    ],
)
def test_each_resource_marks_the_actions_of_the_reference(resource: str, actions: str) -> None:
    assert catalogs.SIDEDRAWER.actions(resource) == tuple(actions.split())
    assert catalogs.SIDEDRAWER_WIDE.actions(resource) == ("create", "update", "delete")


def test_any_on_a_plan_hears_its_updates_and_its_items_and_not_its_end() -> None:
    assert covers(PLAN, "any", PLAN, "update")
    assert covers(PLAN, "any", ITEM, "delete")
    assert not covers(PLAN, "any", PLAN, "delete")


def test_a_collection_hears_its_members_and_not_what_is_in_them() -> None:
    drawers = "tenant/t/sidedrawer"
    assert covers(drawers, "any", "tenant/t/sidedrawer/s", "create")
    assert not covers(drawers, "any", "tenant/t/sidedrawer/s/record/r", "create")
    assert not covers(drawers, "any", "tenant/T/sidedrawer/s", "create")


def test_an_unbound_parameter_means_any() -> None:
    everywhere = "tenant/t/sidedrawer/{sidedrawerId}/record"
    assert covers(everywhere, "any", "tenant/t/sidedrawer/s9/record/r", "delete")


def test_the_core_tests_the_same_rows() -> None:
    text = (Path(__file__).parents[1] / "c/sidedrawer.c").read_text()
    rows = text[text.index("sidedrawer_rows") : text.index("};", text.index("sidedrawer_rows"))]
    assert len(re.findall(r"\bROW\(", rows)) == len(catalogs.SIDEDRAWER.rows)
    assert len(re.findall(r"\bRULE\(", rows)) == sum(len(r[1]) for r in catalogs.SIDEDRAWER.rows)


@pytest.mark.parametrize("value", ["a/b", "", "a\nb", "x" * 257, "\udcff"])
def test_a_path_is_never_made_of_what_is_no_id(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        catalogs.SIDEDRAWER.path(DRAWER, tenantId="t", sidedrawerId=value)
    assert value == "" or value not in str(caught.value)


def test_a_path_takes_exactly_its_parameters() -> None:
    path = catalogs.SIDEDRAWER.path(DRAWER, tenantId="t", sidedrawerId="auth0|é")
    assert path == "tenant/t/sidedrawer/auth0|é"
    for wrong in ({"tenantId": "t"}, {"tenantId": "t", "sidedrawerId": "s", "x": "y"}):
        with pytest.raises(ValidationError):
            catalogs.SIDEDRAWER.path(DRAWER, **wrong)


def test_other_paths_have_collections_and_items() -> None:
    catalog = Catalog.of("repos/{owner}/{repo}/issues/{number}")
    assert catalog.actions("repos/o/r/issues") == ("create", "update", "delete")
    assert catalog.actions("repos/o/r/issues/1") == ("update", "delete")
    assert catalog.check(["repos/o/r/issues/1"]) == "repos/o"
    with pytest.raises(UnknownResource, match="issues"):
        catalog.check(["repos/o/r/issue/1"])


def test_a_wrong_row_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"a/\{b\}"):
        Catalog([("a/{b}", [("a/{c}/d/{e}", ["create"])])])
    for wrong in ([("a",)], [1], 5, [("a/{b}", [("a/{b}/c/{d}", ["any"])])]):
        with pytest.raises((TypeError, ValueError)):
            Catalog(wrong)  # type: ignore[arg-type]


def test_catalogs_are_values() -> None:
    again = Catalog(catalogs.SIDEDRAWER.rows)
    assert again == catalogs.SIDEDRAWER and hash(again) == hash(catalogs.SIDEDRAWER)
    assert pickle.loads(pickle.dumps(again)) == again
    assert again != catalogs.SIDEDRAWER_WIDE
