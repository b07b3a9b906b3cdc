"""Many events at once: the fast way must say what the slow way says, of each of them."""

from collections.abc import Sequence
from typing import Any

import pytest

from webhooksub import _core, catalogs
from webhooksub.errors import UnknownResource, ValidationError
from webhooksub.publishing import DATA_BYTES_MAX, Publication, PublishedEvents
from webhooksub.store.base import NewEvent, NewlyPublished, Published

DRAWER = "tenant/t1/sidedrawer/s1"
RECORD = f"{DRAWER}/record/r1"
OTHER = "tenant/t2/sidedrawer/s1"

GOOD: list[Sequence[Any]] = [
    (DRAWER, "update"),
    (DRAWER, "create", None),
    (RECORD, "delete", b'{"n": 1}'),
    (OTHER, "update", b"[]"),
    (RECORD, "update", b'"' + b"x" * (DATA_BYTES_MAX - 2) + b'"'),
    ("tenant/tän/sidedrawer/s1", "update", '{"ü": 1}'.encode()),
    (RECORD, "update", {"n": 1}),
    (RECORD, "update", "text"),
    (RECORD, "update", bytearray(b"1")),
    (RECORD, "update", b"1", "open|id"),
    ([RECORD, RECORD], "update", b"1"),
    [RECORD, "update", b"1"],
]
WRONG: list[tuple[Sequence[Any], str]] = [
    ((RECORD, "any"), "action"),
    ((RECORD, "Update"), "action"),
    ((RECORD, 2), "action"),
    ((RECORD, "update", b"{"), "data"),
    ((RECORD, "update", b"[" * 65 + b"]" * 65), "data"),
    ((RECORD, "update", b'"\xff"'), "data"),
    ((RECORD, "update", b'"' + b"x" * DATA_BYTES_MAX + b'"'), "data"),
    ((RECORD, "update", float("nan")), "data"),
    ((RECORD, "update", b"1", ""), "open_id"),
    (("tenant//sidedrawer/s1", "update"), "path"),
    (("tenant/\ud800/sidedrawer/s1", "update"), "path"),
    (([RECORD, OTHER], "update"), "path"),
]


@pytest.fixture
def publication() -> Publication:
    return Publication(catalogs.SIDEDRAWER, lambda: 1_700_000_000_000)


def without_ids(rows: Sequence[NewEvent]) -> list[NewEvent]:
    return [row._replace(id=b"") for row in rows]


def test_many_at_once_are_the_rows_that_each_would_be_alone(publication: Publication) -> None:
    one_by_one = [
        publication.event(*item[:3], open_id=item[3] if len(item) > 3 else None) for item in GOOD
    ]
    rows = publication.events(iter(GOOD))
    assert without_ids(rows) == without_ids(one_by_one)
    assert {type(row) for row in rows} == {NewEvent}


def test_each_of_many_has_an_id_of_its_own(publication: Publication) -> None:
    ids = [row.id for row in publication.events([(DRAWER, "update")] * 1_000)]
    assert len(set(ids)) == 1_000
    assert {(id_[:6], id_[6] >> 4, id_[8] >> 6) for id_ in ids} == {
        ((1_700_000_000_000).to_bytes(6, "big"), 7, 2)
    }


@pytest.mark.parametrize(("item", "field"), WRONG)
def test_a_wrong_one_among_many_is_refused_by_its_index(
    publication: Publication, item: Sequence[Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        publication.events([(DRAWER, "update"), item, (DRAWER, "update", b"1")])
    assert [error.field for error in refused.value.errors] == [f"[1].{field}"]


def test_every_wrong_one_is_named(publication: Publication) -> None:
    with pytest.raises(ValidationError) as refused:
        publication.events([item for item, _ in WRONG])
    assert [e.field for e in refused.value.errors] == [
        f"[{n}].{f}" for n, (_, f) in enumerate(WRONG)
    ]


def test_an_unknown_resource_among_many_is_told_as_such(publication: Publication) -> None:
    with pytest.raises(UnknownResource):
        publication.events([(DRAWER, "update"), ("planet/mars", "update")])


def test_published_events_are_made_when_looked_at(publication: Publication) -> None:
    rows = publication.events([(DRAWER, "update"), (OTHER, "create"), (RECORD, "delete")])
    published = NewlyPublished(range(7, 10), rows)
    events = PublishedEvents(rows, published)
    assert [p.seq for p in published] == [7, 8, 9]
    assert published[-1] == Published(9, rows[2].id, False)
    assert published[1:] == list(published)[1:]
    assert len(events) == 3
    assert [e.root for e in events] == ["tenant/t1", "tenant/t2", "tenant/t1"]
    assert events[1] == list(events)[1]
    assert events[::2] == [events[0], events[-1]]
    assert events == list(events)
    with pytest.raises(IndexError):
        events[3]


def test_rows_that_got_their_numbers_are_what_the_engine_takes(publication: Publication) -> None:
    rows = publication.events([(DRAWER, "update"), (RECORD, "create", b"1", "open|id")])
    first, second = rows
    assert _core.number_events(rows, 7, 1_000, 3) == [
        (7, first.id, 2, (DRAWER,), None, None, 1_000, 3, None, first.root),
        (8, second.id, 1, (RECORD,), "open|id", b"1", 1_000, 3, None, second.root),
    ]
    assert _core.number_events([], 7, 1_000, 3) == []
    with pytest.raises(TypeError, match="NewEvent"):
        _core.number_events([(1, 2)], 7, 1_000, 3)
