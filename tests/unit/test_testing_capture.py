"""What a test captures is what its own transaction sees."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from acme import PATH, RECORDS
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from webhooksub import Dispatcher, allow_all
from webhooksub.contrib.hostsqlite import set_up_sqlite
from webhooksub.testing import CapturedEvents, capture


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Dispatcher]:
    made = Dispatcher(f"sqlite:///{tmp_path / 'shop.db'}", authorizer=allow_all)
    yield made
    made.close()


@pytest.fixture
def engine(hooks: Dispatcher, tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    set_up_sqlite(made)
    yield made
    made.dispose()


@pytest.fixture
def events() -> Iterator[CapturedEvents]:
    with capture() as captured:
        yield captured


def test_an_event_is_captured_with_all_that_was_said_of_it(
    hooks: Dispatcher, events: CapturedEvents
) -> None:
    also = f"{RECORDS}/r2"
    made = hooks.publish([PATH, also], "update", {"name": "Taxes"}, open_id="auth0|1")
    [event] = events
    assert (event.id, event.path, event.paths) == (made.id, PATH, (PATH, also))
    assert (event.action, event.data, event.open_id) == ("update", {"name": "Taxes"}, "auth0|1")


def test_a_transaction_that_never_commits_is_seen_from_inside(
    hooks: Dispatcher, engine: Engine, events: CapturedEvents
) -> None:
    with Session(engine) as session:
        hooks.publish(PATH, "create", connection=session)
        assert [e.action for e in events] == ["create"]
        session.rollback()
        assert len(events) == 0


def test_an_event_of_a_savepoint_goes_with_it(
    hooks: Dispatcher, engine: Engine, events: CapturedEvents
) -> None:
    with Session(engine) as session:
        hooks.publish(f"{RECORDS}/kept", "create", connection=session)
        nested = session.begin_nested()
        hooks.publish(f"{RECORDS}/undone", "create", connection=session)
        assert len(events) == 2
        nested.rollback()
        assert [e.path for e in events] == [f"{RECORDS}/kept"]
        session.commit()
    engine.dispose()
    assert [e.path for e in events] == [f"{RECORDS}/kept"]


def test_what_was_never_committed_is_gone_with_its_connection(
    hooks: Dispatcher, tmp_path: Path, events: CapturedEvents
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as raw:
        hooks.publish(PATH, "create", connection=raw)
        assert len(events) == 1
    assert len(events) == 0


def test_what_was_committed_is_known_when_all_is_closed(
    hooks: Dispatcher, tmp_path: Path, events: CapturedEvents
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as raw:
        hooks.publish(PATH, "create", connection=raw)
        raw.commit()
    hooks.publish(PATH, "update")
    hooks.close()
    assert [e.action for e in events] == ["create", "update"]


def test_a_host_that_makes_rows_of_its_own_is_no_hindrance(
    hooks: Dispatcher, tmp_path: Path, events: CapturedEvents
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as raw:
        raw.row_factory = lambda cursor, row: {"row": row}
        hooks.publish(PATH, "create", connection=raw)
        assert len(events) == 1


def test_an_idempotency_key_that_comes_again_publishes_nothing(
    hooks: Dispatcher, events: CapturedEvents
) -> None:
    for _ in range(2):
        hooks.publish(PATH, "update", {"n": 1}, idempotency_key="order-17")
    assert len(events) == 1


def test_what_is_refused_is_not_captured(hooks: Dispatcher, events: CapturedEvents) -> None:
    with pytest.raises(ValueError, match="nearest template"):
        hooks.publish("nowhere/1", "update")
    assert events == []


def test_nobody_delivering_is_no_news_while_capturing(
    hooks: Dispatcher, events: CapturedEvents
) -> None:
    hooks.publish(PATH, "update")  # pytest makes an error of the warning
    hooks.publish_many([(PATH, "delete")])
    assert [e.action for e in events] == ["update", "delete"]


def test_events_are_found_by_path_and_action(hooks: Dispatcher, events: CapturedEvents) -> None:
    other = f"{RECORDS}/r2"
    for path, action in ((PATH, "create"), (PATH, "update"), (other, "update")):
        hooks.publish(path, action)
    assert [e.action for e in events.matching(PATH)] == ["create", "update"]
    assert [e.path for e in events.matching(action="update")] == [PATH, other]
    assert len(events.matching(other, "create")) == 0
    assert events[-1].path == other
    assert [e.path for e in events[1:]] == [PATH, other]
    events.clear()
    assert list(events) == []


def test_only_what_happens_inside_the_block_is_captured() -> None:
    with Dispatcher.in_memory(authorizer=allow_all) as hooks:
        with capture() as outer:
            hooks.publish(PATH, "create")
            with capture() as inner:
                hooks.publish(PATH, "update")
            hooks.publish(PATH, "delete")
        hooks.publish(PATH, "update")
    assert [e.action for e in outer] == ["create", "update", "delete"]
    assert [e.action for e in inner] == ["update"]
