"""SideDrawer's resources: each entity and action, and the same table wherever it is told."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from webhooksub import UnknownResource
from webhooksub.catalogs import SIDEDRAWER, SIDEDRAWER_WIDE, Catalog

ROOT = Path(__file__).parents[2]
ACTIONS = ("create", "update", "delete")

DRAWER = "tenant/t1/sidedrawer/s1"
PLAN = DRAWER + "/plan-request/p1"
PERSON = "tenant/t1/network/auth0|12345abcde"

#: resource: {an entity that it covers: the marks}, c(reate), u(pdate), d(elete)
TABLE = {
    "tenant/t1/sidedrawer": {DRAWER: "cud"},
    DRAWER + "/record": {DRAWER + "/record/r1": "cud"},
    DRAWER + "/record/r1": {DRAWER + "/record/r1": "ud"},
    DRAWER + "/record/r1/network": {DRAWER + "/record/r1/network/n1": "cud"},
    DRAWER + "/record/r1/files": {DRAWER + "/record/r1/files/f1": "cud"},
    DRAWER + "/inbox": {DRAWER + "/inbox/i1": "cud"},
    DRAWER + "/network": {DRAWER + "/network/n1": "cud"},
    DRAWER + "/plan-request": {PLAN: "cud", PLAN + "/item/x1": "cud"},
    PLAN: {PLAN + "/item/x1": "cud", PLAN: "u"},
    PLAN + "/item": {PLAN + "/item/x1": "cud"},
    PLAN + "/item/x1": {PLAN + "/item/x1": "ud"},
    PERSON: {PERSON: "cud"},
    "subscription/b1/license": {"subscription/b1/license/l1": "cu"},
}
ENTITIES = sorted({entity for covered in TABLE.values() for entity in covered})


def heard(catalog: Catalog, resource: str, wanted: str = "any") -> dict[str, str]:
    """Every entity and action that a subscription hears, as TABLE writes them."""
    marks = {
        entity: "".join(a[0] for a in ACTIONS if catalog.covers(resource, wanted, [entity], a))
        for entity in ENTITIES
    }
    return {entity: marked for entity, marked in marks.items() if marked}


@pytest.mark.parametrize("resource", TABLE)
def test_each_resource_hears_what_its_row_marks_and_nothing_else(resource: str) -> None:
    assert heard(SIDEDRAWER, resource) == TABLE[resource]


@pytest.mark.parametrize("resource", TABLE)
def test_one_action_hears_its_part_of_any(resource: str) -> None:
    for action in SIDEDRAWER.actions(resource):
        expected = {e: action[0] for e, marks in TABLE[resource].items() if action[0] in marks}
        assert heard(SIDEDRAWER, resource, action) == expected


@pytest.mark.parametrize("resource", TABLE)
def test_the_wide_catalog_covers_the_same_entities_with_every_mark(resource: str) -> None:
    assert heard(SIDEDRAWER_WIDE, resource) == dict.fromkeys(TABLE[resource], "cud")


def test_every_row_of_the_reference_is_there_once() -> None:
    templates = [template for template, _ in SIDEDRAWER.rows]
    assert len(templates) == len(set(templates)) == 13
    assert templates == [template for template, _ in SIDEDRAWER_WIDE.rows]


def test_a_collaborator_is_heard_by_either_of_its_paths() -> None:
    paths = [DRAWER + "/network/n1", PERSON]
    assert SIDEDRAWER.check(paths) == "tenant/t1"
    for resource in (DRAWER + "/network", PERSON):
        assert SIDEDRAWER.covers(resource, "any", paths, "create")


def test_a_path_of_no_row_is_answered_by_the_nearest_template() -> None:
    with pytest.raises(UnknownResource, match=re.escape("{sidedrawerId}/record/{recordId}")):
        SIDEDRAWER.check([DRAWER + "/records/r1"])


def test_each_entity_ends_in_a_parameter_of_its_own() -> None:
    ends = {
        entity: entity.rpartition("/")[2] for _, rules in SIDEDRAWER.rows for entity, _ in rules
    }
    assert sorted(ends.values()) == sorted(
        ["{sidedrawerId}", "{recordId}", "{networkId}", "{networkId}", "{fileId}", "{inboxId}"]
        + ["{planRequestId}", "{planItemId}", "{openId}", "{licenseId}"]
    )


# --- the same table, told elsewhere -----------------------------------------------------


def rows_in_c() -> Iterator[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]]:
    """The rows of tests/c/sidedrawer.c, its macros expanded."""
    source = (ROOT / "tests" / "c" / "sidedrawer.c").read_text()
    defined = dict(re.findall(r"^#define (\w+) (.+)$", source, re.MULTILINE))
    table = re.search(r"sidedrawer_rows\[.*?\] = \{(.*?)\n\};", source, re.DOTALL)
    assert table

    def text(words: str) -> str:
        parts = re.findall(r'"([^"]*)"|(\w+)', words)
        return "".join(literal or text(defined[name]) for literal, name in parts)

    for row in re.split(r"\bROW\(", table[1])[1:]:
        resource, *rules = re.split(r",\s*RULE\(", row)
        yield (
            text(resource),
            tuple(
                (text(entity), tuple(re.findall("[a-z]+", actions.lower())))
                for entity, actions in (rule.rsplit(",", 1) for rule in map(_closed, rules))
            ),
        )


def _closed(rule: str) -> str:
    """A rule up to its bracket."""
    return rule[: rule.index(")")]


def test_the_tests_in_c_use_the_same_table() -> None:
    assert tuple(rows_in_c()) == SIDEDRAWER.rows


def test_the_documentation_shows_the_same_table() -> None:
    page = (ROOT / "docs" / "subscriptions.md").read_text()
    shown = re.findall(r"^\| `([^`]*\{[^`]*)` \|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|$", page, re.M)
    assert len(shown) == 13
    for (template, rules), (resource, *marks) in zip(SIDEDRAWER.rows, shown, strict=True):
        assert template.endswith(resource.removeprefix("…/"))
        for action, mark in zip(ACTIONS, marks, strict=True):
            assert bool(mark.strip()) == any(action in actions for _, actions in rules), template
