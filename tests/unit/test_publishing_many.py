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
    numbered = [
        (7, first.id, 2, (DRAWER,), None, None, 1_000, 3, None, first.root),
        (8, second.id, 1, (RECORD,), "open|id", b"1", 1_000, 3, None, second.root),
    ]
    assert list(_core.number_events(rows, 7, 1_000, 3)) == numbered
    assert list(_core.number_events([first, second], 7, 1_000, 3)) == numbered
    assert list(_core.number_events([], 7, 1_000, 3)) == []
    with pytest.raises(TypeError, match="NewEvent"):
        _core.number_events([(1, 2)], 7, 1_000, 3)


def test_what_is_numbered_twice_keeps_both_numbers(publication: Publication) -> None:
    """A transaction that failed is done again: what it had numbered may still be held."""
    rows = publication.events([(DRAWER, "update", b"1"), (RECORD, "update")])
    before = _core.number_events(rows, 7, 1_000, 3)
    after = _core.number_events(rows, 70, 2_000, 4)
    assert [(*row[:1], *row[6:8]) for row in before] == [(7, 1_000, 3), (8, 1_000, 3)]
    assert [(*row[:1], *row[6:8]) for row in after] == [(70, 2_000, 4), (71, 2_000, 4)]
    assert [row[1:6] for row in before] == [row[1:6] for row in after]


def test_a_row_whose_root_is_not_its_paths_is_refused(publication: Publication) -> None:
    [row] = publication.events([(DRAWER, "update")])
    for root in ("tenant/t2", DRAWER + "/record"):
        with pytest.raises(ValueError, match="root"):
            _core.number_events([row._replace(root=root)], 1, 0, 0)


def test_an_exception_of_one_item_is_the_publishers(publication: Publication) -> None:
    with pytest.raises(TypeError, match="unpack"):
        publication.events([(DRAWER, "update"), 7])  # type: ignore[list-item]


# --- sequences of events ---------------------------------------------------------------


@pytest.fixture
def stored(publication: Publication) -> _core.Events:
    rows = publication.events([(DRAWER, "update", b"%d" % n) for n in range(10)])
    return _core.number_events(rows, 100, 1_000, 3)


@pytest.mark.parametrize(
    "part", [slice(None), slice(2, 5), slice(-3, None), slice(None, None, -2), slice(8, 2)]
)
def test_a_part_of_them_is_as_a_lists_part(
    publication: Publication, stored: _core.Events, part: slice
) -> None:
    assert list(stored[part]) == list(stored)[part]
    assert stored[part].seqs() == stored.seqs()[part]
    rows = publication.events([(DRAWER, "update", b"%d" % n) for n in range(10)])
    assert list(rows[part]) == list(rows)[part]
    assert rows[part].data_bytes == len(range(10)[part])


def test_one_of_them_is_found_by_index_and_by_id(stored: _core.Events) -> None:
    assert stored[-1] == stored[9] == list(stored)[9]
    assert stored.find(stored[4][1]) == stored[4]
    assert stored.find(bytes(16)) is None
    for index in (10, -11):
        with pytest.raises(IndexError):
            stored[index]
    with pytest.raises(ValueError, match="id"):
        stored.find(b"short")
    with pytest.raises(TypeError):
        stored["0"]  # type: ignore[call-overload]


def test_what_they_weigh_and_who_hears_them_is_told_of_all(publication: Publication) -> None:
    one = publication.events([(DRAWER, "update", b"[1,2]"), (DRAWER, "update")])
    other = publication.events([(DRAWER, "update", b"1")])
    parts = _core.number_events(one, 1, 0, 7), _core.number_events(other, 3, 0, 6)
    joined = _core.join_events(*parts)
    assert (one.data_bytes, joined.data_bytes) == (5, 6)
    assert joined.revision == 7
    assert list(joined) == [*parts[0], *parts[1]]
    assert list(_core.join_events()) == []
    with pytest.raises(TypeError, match="Events"):
        _core.join_events(one)  # type: ignore[arg-type]


def test_they_are_made_of_their_rows_again(stored: _core.Events) -> None:
    assert list(_core.Events(list(stored))) == list(stored)
    assert list(_core.Events([row[:9] for row in stored])) == [(*r[:9], None) for r in stored]
    with pytest.raises(TypeError, match="nine fields"):
        _core.Events([stored[0][:8]])


# --- the outbox in memory --------------------------------------------------------------


def test_the_outbox_maps_seqs_to_rows_in_order(stored: _core.Events) -> None:
    outbox = _core.Outbox()
    assert (len(outbox), outbox.oldest, outbox.data_bytes, list(outbox)) == (0, None, 0, [])
    outbox.add(stored)
    assert list(outbox) == stored.seqs()
    assert {seq: outbox[seq] for seq in outbox} == {row[0]: row for row in stored}
    assert list(outbox.events()) == list(stored)
    assert (len(outbox), outbox.oldest, outbox.data_bytes) == (10, stored[0], 10)
    assert 100 in outbox and 99 not in outbox and 110 not in outbox
    with pytest.raises(KeyError):
        outbox[110]


def test_those_with_given_numbers_are_found_to_so_many_bytes(stored: _core.Events) -> None:
    outbox = _core.Outbox()
    outbox.add(stored)
    assert outbox.find([101, 103, 109], 10).seqs() == [101, 103, 109]
    assert outbox.find([101, 103, 109], 2).seqs() == [101, 103]
    assert outbox.find([101, 103], 0).seqs() == [101], "one at least"
    assert list(outbox.find([], 10)) == []
    assert list(outbox) == stored.seqs(), "they stay"
    with pytest.raises(KeyError):
        outbox.find([101, 99], 10)


def test_what_was_taken_out_of_the_outbox_is_there_no_more(stored: _core.Events) -> None:
    outbox = _core.Outbox()
    outbox.add(stored)
    assert list(outbox.take([(104,), (100,), (104,), (7,)])) == [stored[4], stored[0]]
    assert list(outbox) == [101, 102, 103, 105, 106, 107, 108, 109]
    assert (outbox.oldest, outbox.data_bytes) == (stored[1], 8)
    assert 104 not in outbox
    with pytest.raises(TypeError):
        outbox.take([(1,), 2])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="Events"):
        outbox.add([stored[0]])  # type: ignore[arg-type]


def test_one_that_stays_keeps_no_room_of_those_that_left(publication: Publication) -> None:
    outbox, last = _core.Outbox(), 0
    for _ in range(2_000):
        rows = publication.events([(DRAWER, "update")] * 10)
        outbox.add(_core.number_events(rows, last + 1, 0, 0))
        outbox.take([(seq,) for seq in range(max(2, last + 1), last + 11)])
        last += 10
    assert list(outbox) == [1]
    assert outbox[1][0] == 1
