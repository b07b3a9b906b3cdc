"""A Flask app publishes in its session's transaction, and each app has its own store."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from acme import KEY, PATH, RECORDS
from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from seen import rows, wait_until
from sqlalchemy.orm import Mapped, mapped_column

from webhooksub import (
    ConfigurationError,
    OperatorEvent,
    SubscriptionStatus,
    Verifier,
    allow_all,
)
from webhooksub.contrib.flask import Webhooksub
from webhooksub.contrib.hostsqlite import set_up_sqlite
from webhooksub.testing import Receiver

pytestmark = pytest.mark.filterwarnings("ignore:no dispatcher delivers")

db = SQLAlchemy()
hooks = Webhooksub(authorizer=allow_all, dev=True)


class Record(db.Model):  # type: ignore[name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def create_app(database: Path, **config: object) -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{database}"
    app.config.update(config)
    db.init_app(app)
    hooks.init_app(app, db=db)
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    made = create_app(tmp_path / "shop.db")
    with made.app_context():
        yield made
        hooks.close()


def names(app: Flask) -> list[str]:
    return [name for (name,) in rows(file_of(app), "select name from record order by id")]


def published(app: Flask) -> list[str]:
    return [path for (path,) in rows(file_of(app), "select paths from webhooksub_event")]


def file_of(app: Flask) -> Path:
    return Path(app.config["SQLALCHEMY_DATABASE_URI"].removeprefix("sqlite:///"))


def save(name: str) -> None:
    record = Record(name=name)
    db.session.add(record)
    db.session.flush()
    hooks.publish(f"{RECORDS}/{name}", "create", {"name": name})


# --- in the session's transaction ----------------------------------------------------------


def test_an_event_exists_when_the_session_commits(app: Flask) -> None:
    save("taxes")
    assert published(app) == []
    db.session.commit()
    assert (names(app), published(app)) == (["taxes"], [f"{RECORDS}/taxes"])


def test_an_event_never_existed_when_the_session_rolls_back(app: Flask) -> None:
    save("taxes")
    db.session.rollback()
    save("will")
    db.session.commit()
    assert (names(app), published(app)) == (["will"], [f"{RECORDS}/will"])


def test_an_event_goes_with_the_savepoint_it_was_published_in(app: Flask) -> None:
    save("kept")
    nested = db.session.begin_nested()
    save("undone")
    nested.rollback()
    with db.session.begin_nested():
        save("also")
    db.session.commit()
    assert names(app) == ["kept", "also"]
    assert published(app) == [f"{RECORDS}/kept", f"{RECORDS}/also"]


def test_a_released_savepoint_commits_nothing_where_it_was_the_first_statement(app: Flask) -> None:
    with db.session.begin_nested():
        save("undone")
    db.session.rollback()
    assert (names(app), published(app)) == ([], [])


def test_a_request_that_fails_publishes_nothing(tmp_path: Path) -> None:
    app = create_app(tmp_path / "shop.db")

    @app.post("/records/<name>")
    def create(name: str) -> str:
        save(name)
        if name == "broken":
            raise RuntimeError
        db.session.commit()
        return name

    client = app.test_client()
    assert client.post("/records/broken").status_code == 500
    assert client.post("/records/taxes").status_code == 200
    assert (names(app), published(app)) == (["taxes"], [f"{RECORDS}/taxes"])


def test_publishing_without_the_session_is_durable_at_once(app: Flask) -> None:
    hooks.publish(PATH, "update", connection=None)
    hooks.publish_many([(PATH, "update")], connection=None)
    db.session.rollback()
    assert published(app) == [PATH, PATH]


def test_many_events_join_as_one_does(app: Flask) -> None:
    hooks.publish_many([(PATH, "create"), (PATH, "update")])
    assert published(app) == []
    db.session.commit()
    assert published(app) == [PATH, PATH]


def test_a_reader_that_writes_later_is_not_refused_because_others_wrote(app: Flask) -> None:
    assert db.session.query(Record).count() == 0
    hooks.publish(f"{RECORDS}/meanwhile", "create", connection=None)
    save("taxes")
    db.session.commit()
    assert len(published(app)) == 2


def test_an_event_is_delivered_after_the_commit_without_waiting_for_a_poll(tmp_path: Path) -> None:
    app = create_app(tmp_path / "shop.db", WEBHOOKSUB_POLL_MS=3_600_000)
    with app.app_context(), Receiver() as receiver, hooks.dispatcher as dispatcher:
        dispatcher.subscribe(
            RECORDS, "any", receiver.url("/hook"), expires=timedelta(days=1), integrity_key=KEY
        )
        save("taxes")
        dispatcher.flush(5)
        assert receiver.requests == []
        db.session.commit()
        [request] = receiver.wait_for(1)
    [notification] = Verifier(KEY, require_standard=True).verify(request.body, request.headers)
    assert notification.data == {"name": "taxes"}


def test_a_store_apart_from_any_session_is_named_in_the_configuration(tmp_path: Path) -> None:
    app = Flask(__name__)
    app.config["WEBHOOKSUB_DATABASE"] = f"sqlite:///{tmp_path / 'hooks.db'}"
    hooks.init_app(app)
    with app.app_context():
        hooks.publish(PATH, "update")
        hooks.close()
    assert rows(tmp_path / "hooks.db", "select paths from webhooksub_event") == [(PATH,)]


# --- in the background ---------------------------------------------------------------------


def test_who_may_still_receive_is_asked_in_the_apps_context(tmp_path: Path) -> None:
    asked: list[str] = []
    told: list[tuple[str, str]] = []

    class Records:
        """Whoever has a record may receive."""

        def allows(self, actor: str, root: tuple[str, str], operation: str) -> bool:
            return self.still_allowed(actor, root)

        def roots(self, actor: str) -> list[tuple[str, str]]:
            return [("tenant", "acme")]

        def owner_id(self, actor: str) -> str:
            return actor

        def still_allowed(self, owner_id: str, root: tuple[str, str]) -> bool:
            asked.append(current_app.name)
            return db.session.query(Record).filter_by(name=owner_id).count() > 0

    def tell(event: OperatorEvent) -> None:
        told.append((event.kind, current_app.name))

    app = Flask("background")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'shop.db'}"
    app.config["WEBHOOKSUB_RECHECK_MS"] = 20
    db.init_app(app)
    own = Webhooksub(authorizer=Records(), on_operator_event=tell)
    own.init_app(app, db=db)
    with app.app_context():
        db.create_all()
        db.session.add(Record(name="ann"))
        db.session.commit()
        dispatcher = own.dispatcher.start()
        made = dispatcher.subscribe(
            RECORDS, "any", "https://one.example/hook", expires=timedelta(days=30), actor="ann"
        )
        known = len(asked)
        assert wait_until(lambda: len(asked) > known + 1)
        assert dispatcher.subscription(made.id, actor="ann").status is SubscriptionStatus.ACTIVE
        db.session.query(Record).delete()
        db.session.commit()
        assert wait_until(lambda: told != [])
        own.close()
    assert set(asked) == {"background"}
    assert told == [("disabled", "background")]


# --- several apps --------------------------------------------------------------------------


def test_two_apps_of_one_extension_have_each_their_own_store(tmp_path: Path) -> None:
    first, second = (create_app(tmp_path / f"{name}.db") for name in ("first", "second"))
    for app, name in ((first, "taxes"), (second, "will")):
        with app.app_context():
            save(name)
            db.session.commit()
    assert published(first) == [f"{RECORDS}/taxes"]
    assert published(second) == [f"{RECORDS}/will"]
    with first.app_context():
        one = hooks.dispatcher
        hooks.close()
    with second.app_context():
        assert hooks.dispatcher is not one
        hooks.close()


def test_all_threads_of_an_app_share_one_dispatcher(app: Flask) -> None:
    seen: list[object] = []
    start = threading.Barrier(8)

    def look() -> None:
        start.wait(10)
        with app.app_context():
            seen.append(hooks.dispatcher)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [hooks.dispatcher] * 8


def test_making_an_app_opens_no_database(tmp_path: Path) -> None:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'shop.db'}"
    other = SQLAlchemy()
    other.init_app(app)
    hooks.init_app(app, db=other)
    assert list(tmp_path.iterdir()) == []


def test_what_an_app_changes_in_its_configuration_counts_until_the_first_use(
    tmp_path: Path,
) -> None:
    app = bare(WEBHOOKSUB_DATABASE=f"sqlite:///{tmp_path / 'hooks.db'}")
    hooks.init_app(app)
    app.config["WEBHOOKSUB_POLL_MS"] = 77
    with app.app_context():
        assert hooks.dispatcher.config.dispatcher.poll_ms == 77
        hooks.close()


# --- what is refused -----------------------------------------------------------------------


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make()
    return str(caught.value)


def bare(**config: object) -> Flask:
    app = Flask(__name__)
    app.config.update(config)
    return app


def test_every_unknown_or_wrong_setting_is_named_at_once() -> None:
    app = bare(WEBHOOKSUB_DATABASE="sqlite:///x.db", WEBHOOKSUB_POL_MS=5, WEBHOOKSUB_LEASE_MS="no")
    said = refusal(lambda: hooks.init_app(app))
    assert "pol_ms: no such setting" in said
    assert "lease_ms: " in said
    assert "webhooksub" not in app.extensions


def test_settings_of_other_extensions_are_none_of_ours() -> None:
    hooks.init_app(bare(WEBHOOKSUB_DATABASE="sqlite:///x.db", WEBHOOKS_POL_MS=5))


def test_an_app_without_a_store_is_refused() -> None:
    assert "WEBHOOKSUB_DATABASE" in refusal(lambda: hooks.init_app(bare()))


def test_a_store_named_twice_is_refused(tmp_path: Path) -> None:
    app = bare(WEBHOOKSUB_DATABASE="sqlite:///x.db", SQLALCHEMY_DATABASE_URI="sqlite:///y.db")
    other = SQLAlchemy(app)
    assert "both name the store" in refusal(lambda: hooks.init_app(app, db=other))


def test_a_db_that_the_app_does_not_have_yet_is_refused() -> None:
    assert "db.init_app(app)" in refusal(lambda: hooks.init_app(bare(), db=SQLAlchemy()))


def test_an_app_has_one_extension_only() -> None:
    app = bare(WEBHOOKSUB_DATABASE="sqlite:///x.db")
    hooks.init_app(app)
    assert "already" in refusal(lambda: hooks.init_app(app))


def test_there_is_no_default_authorizer_and_no_unknown_argument() -> None:
    app = bare(WEBHOOKSUB_DATABASE="sqlite:///x.db")
    said = refusal(lambda: Webhooksub(catalogue=None).init_app(app))
    assert "authorizer: is missing" in said
    assert "catalogue: no such setting" in said


def test_an_app_that_has_no_extension_says_so() -> None:
    with bare().app_context():
        assert "init_app" in refusal(lambda: hooks.publish(PATH, "update"))


def test_db_without_an_app_is_refused() -> None:
    assert "init_app" in refusal(lambda: Webhooksub(db=db, authorizer=allow_all))


# --- the host's connections ----------------------------------------------------------------


def test_a_store_that_cannot_be_used_hurts_publishing_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as raw:
        raw.execute("create table webhooksub_meta (key text primary key, value text)")
        raw.execute("insert into webhooksub_meta values ('schema_version', '0')")
        raw.commit()
    app = create_app(tmp_path / "shop.db")
    assert "publishing will fail: the store's schema has version 0" in caplog.text
    with app.app_context():
        db.session.add(Record(name="taxes"))
        db.session.commit()
        assert "webhooksub migrate" in refusal(lambda: hooks.publish(PATH, "update"))
    assert names(app) == ["taxes"]


def test_an_engine_is_set_up_once(app: Flask) -> None:
    set_up_sqlite(db.engine)
    set_up_sqlite(db.engine)
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("pragma wal_autocheckpoint").scalar() == 0
        with connection.begin_nested():
            pass
        connection.rollback()
