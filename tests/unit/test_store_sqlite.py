"""The store's file: how it is made, opened, refused, brought forward and pruned."""

import gc
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import inspect

from webhooksub.config import StoreConfig
from webhooksub.errors import ConfigurationError, KeyUnreadable
from webhooksub.events import DeliveryState
from webhooksub.store import migrations, open_store
from webhooksub.store.sqlstore import SqlStore

pytestmark = pytest.mark.stores("sqlite")


def rows(kit: Any, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(kit.path)) as connection:
        return connection.execute(sql, parameters).fetchall()


def change(kit: Any, sql: str, *parameters: Any) -> None:
    with closing(sqlite3.connect(kit.path)) as connection, connection:
        connection.execute(sql, parameters)


# --- the file ------------------------------------------------------------------------


def test_a_new_file_is_ours_alone_and_ready_for_many_writers(kit: Any) -> None:
    store = kit.store()
    store.publish([kit.event()])
    for suffix in ("", "-wal", "-shm"):
        assert os.stat(f"{kit.path}{suffix}").st_mode & 0o777 == 0o600
    facts = store.facts()
    assert (facts["journal_mode"], facts["synchronous"]) == ("wal", "FULL")
    assert (facts["schema_version"], facts["dispatcher"]) == (migrations.latest(), None)
    assert facts["wal_reset_bug"] == (sqlite3.sqlite_version_info < (3, 51, 3))
    assert not facts["others_may_read"]
    assert rows(kit, "PRAGMA auto_vacuum") == [(2,)]


def opened(path: object) -> list[str]:
    """What this process has open of the file and what belongs to it."""
    names = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # listing takes one itself
            names.append(os.readlink(f"/proc/self/fd/{fd}"))
    return [name for name in names if name.startswith(str(path))]


def test_what_is_read_while_the_store_closes_is_closed_when_it_was_read(kit: Any) -> None:
    store = kit.store()
    gc.disable()  # it would close what nobody did, some day
    try:
        with store._process.reading() as connection:
            store.close()
            connection.exec_driver_sql("SELECT count(*) FROM webhooksub_event")
            assert opened(kit.path)
        assert not opened(kit.path)
    finally:
        gc.enable()


def test_normal_synchronous_is_had_by_name(kit: Any) -> None:
    assert kit.store(synchronous="NORMAL").facts()["synchronous"] == "NORMAL"


def test_a_file_that_others_may_read_is_told(kit: Any) -> None:
    store = kit.store()
    os.chmod(kit.path, 0o644)
    assert store.facts()["others_may_read"]


def test_every_table_and_index_carries_the_prefix(kit: Any) -> None:
    kit.store()
    names = [name for (name,) in rows(kit, "SELECT name FROM sqlite_master")]
    assert len(names) > 15
    strangers = [n for n in names if "webhooksub_" not in n and n != "sqlite_sequence"]
    assert strangers == []


@pytest.mark.parametrize("table", ["subscription", "event", "attempt", "origin", "dispatcher"])
def test_seqs_are_never_given_twice(kit: Any, table: str) -> None:
    kit.store()
    [(sql,)] = rows(kit, "SELECT sql FROM sqlite_master WHERE name = ?", f"webhooksub_{table}")
    assert "seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT" in sql


def test_an_events_seq_is_not_used_again_after_it_was_deleted(kit: Any) -> None:
    store = kit.store()
    store.publish(kit.events(3))
    change(kit, "DELETE FROM webhooksub_event")
    change(kit, "DELETE FROM webhooksub_outbox")
    assert store.publish([kit.event()])[0].seq == 4


def test_a_hosts_own_file_must_be_in_wal_mode(kit: Any) -> None:
    change(kit, "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    with pytest.raises(ConfigurationError, match=r"PRAGMA journal_mode = WAL"):
        kit.store()
    change(kit, "PRAGMA journal_mode = WAL")
    store = kit.store()
    store.publish([kit.event()])
    assert rows(kit, "SELECT count(*) FROM orders") == [(0,)]
    assert rows(kit, "PRAGMA auto_vacuum") == [(0,)], "a host's file is not changed"


def test_a_file_that_a_start_without_room_left_is_made_ready_by_the_next_one(kit: Any) -> None:
    change(kit, "CREATE TABLE half (id INTEGER)")
    change(kit, "DROP TABLE half")
    assert kit.path.stat().st_size > 0
    kit.store().publish([kit.event()])
    assert rows(kit, "PRAGMA journal_mode") == [("wal",)]
    assert rows(kit, "PRAGMA auto_vacuum") == [(2,)]


# What SQLite locks in the file while a connection is open: see "Locking" in its sources.
_TAKE_THE_FILE = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError:
        sys.exit("locked")
"""


def test_opening_the_store_leaves_the_locks_of_the_hosts_connection(kit: Any) -> None:
    kit.store().close()
    with closing(sqlite3.connect(kit.path)) as hosts:
        hosts.execute("SELECT count(*) FROM webhooksub_event").fetchall()
        kit.store()
        other = [sys.executable, "-c", _TAKE_THE_FILE, str(kit.path)]
        done = subprocess.run(other, capture_output=True, text=True, timeout=60)
        assert done.stderr.strip() == "locked"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_file_is_needed(kit: Any, url: str) -> None:
    with pytest.raises(ConfigurationError, match="memory://"):
        kit.store(url)


READ_AND_CLOSE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM webhooksub_event").fetchone()[0])
connection.close()
"""


def test_a_second_store_on_the_file_leaves_the_first_ones_locks_alone(kit: Any) -> None:
    """Without them whoever closes last elsewhere would delete the WAL that we write to."""
    first = kit.store()
    first.publish([kit.event()])
    wal = kit.path.with_name("hooks.db-wal")
    before = wal.stat().st_ino
    kit.store().close()
    done = subprocess.run(
        [sys.executable, "-c", READ_AND_CLOSE, str(kit.path)], capture_output=True, text=True
    )
    assert done.stdout == "1\n", done.stderr
    assert wal.exists() and wal.stat().st_ino == before
    first.publish([kit.event()])
    assert kit.store().stats()["outbox"] == 2


def test_what_is_no_file_or_not_ours_is_told(kit: Any) -> None:
    (kit.folder / "folder.db").mkdir()
    with pytest.raises(ConfigurationError, match="not a file that we may read and write"):
        kit.store(f"sqlite:///{kit.folder}/folder.db")


def test_a_link_leads_to_the_file(kit: Any) -> None:
    (kit.folder / "link.db").symlink_to(kit.folder / "behind.db")
    kit.store(f"sqlite:///{kit.folder}/link.db")
    assert (kit.folder / "behind.db").stat().st_mode & 0o777 == 0o600


def test_an_unknown_scheme_is_refused_by_name(kit: Any) -> None:
    with pytest.raises(ConfigurationError, match="'mysql'"):
        kit.store("mysql://x/y")


def test_a_folder_that_is_not_there_is_told(kit: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot open the database"):
        kit.store(f"sqlite:///{kit.folder}/missing/hooks.db")
    with pytest.raises(ConfigurationError, match="not a file"):
        kit.store(f"sqlite:///{kit.folder}")


def test_constructing_a_store_makes_no_file(kit: Any) -> None:
    open_store(f"sqlite:///{kit.path}", StoreConfig(), kit.clock)
    assert not kit.path.exists()


# --- versions ------------------------------------------------------------------------


def test_an_older_schema_is_refused_naming_the_command(kit: Any) -> None:
    kit.store()
    change(kit, "UPDATE webhooksub_meta SET value = '0' WHERE key = 'schema_version'")
    with pytest.raises(ConfigurationError, match="`webhooksub migrate`"):
        kit.store()


def test_a_newer_schema_is_refused_unless_it_lets_us_read(kit: Any) -> None:
    kit.store()
    newer = str(migrations.latest() + 1)
    change(kit, "UPDATE webhooksub_meta SET value = ? WHERE key = 'schema_version'", newer)
    kit.store().publish([kit.event()])
    change(kit, "UPDATE webhooksub_meta SET value = ? WHERE key = 'min_reader'", newer)
    with pytest.raises(ConfigurationError, match="newer"):
        kit.store()


def test_migrating_brings_an_older_store_forward(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.store().publish([kit.event()])

    def upgrade(connection: Any) -> None:
        connection.exec_driver_sql("CREATE TABLE webhooksub_added (x)")

    step = SimpleNamespace(upgrade=upgrade, MIN_READER=1)
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, step])
    with pytest.raises(ConfigurationError, match="migrate"):
        kit.store()
    store = open_store(f"sqlite:///{kit.path}", kit.made[0]._config, kit.clock)
    assert isinstance(store, SqlStore)
    assert store.migrate() == 2
    store.close()
    again = kit.store()
    assert again.facts()["schema_version"] == 2
    assert again.stats()["outbox"] == 1
    assert rows(kit, "SELECT count(*) FROM webhooksub_added") == [(0,)]


def test_a_migration_that_fails_leaves_the_version_it_found(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.store()

    def upgrade(connection: Any) -> None:
        connection.exec_driver_sql("CREATE TABLE webhooksub_added (x)")
        raise RuntimeError("power cut")

    step = SimpleNamespace(upgrade=upgrade, MIN_READER=1)
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, step])
    store = open_store(f"sqlite:///{kit.path}", kit.made[0]._config, kit.clock)
    assert isinstance(store, SqlStore)
    with pytest.raises(RuntimeError, match="power cut"):
        store.migrate()
    store.close()
    version = "SELECT value FROM webhooksub_meta WHERE key = 'schema_version'"
    assert rows(kit, version) == [("1",)]
    assert rows(kit, "SELECT count(*) FROM sqlite_master WHERE name = 'webhooksub_added'") == [(0,)]


def test_nobody_migrates_under_a_dispatchers_feet(kit: Any) -> None:
    store = kit.store()
    store.begin_dispatching(kit.info("elsewhere"))
    other = open_store(f"sqlite:///{kit.path}", store._config, kit.clock)
    assert isinstance(other, SqlStore)
    with pytest.raises(ConfigurationError, match="elsewhere"):
        other.migrate()
    other.close()


# --- plans ---------------------------------------------------------------------------


def plan_of(kit: Any, recorded: list[tuple[str, Any]], words: str) -> str:
    """The query plan of the one recorded statement that holds `words`."""
    [statement, *_] = [(sql, p) for sql, p in recorded if words in " ".join(sql.split())]
    sql, parameters = statement
    given = parameters[0] if isinstance(parameters, list) else parameters
    with closing(sqlite3.connect(kit.path)) as connection:
        found = connection.execute("EXPLAIN QUERY PLAN " + sql, given).fetchall()
    return "\n".join(row[3] for row in found)


@pytest.fixture
def recorded(kit: Any) -> list[tuple[str, Any]]:
    """Statements that SQLAlchemy executes on the kit's store."""
    from sqlalchemy import event as hooks  # noqa: PLC0415

    store = kit.store()
    statements: list[tuple[str, Any]] = []

    def record(_c: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        statements.append((sql, parameters))

    hooks.listen(store._process.database._engine, "before_cursor_execute", record)
    return statements


def filled(kit: Any) -> Any:
    store = kit.made[0]
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    events = [p.seq for p in store.publish(kit.events(20))]
    store.settle(kit.spilled([(e, sub) for e in events[:10]]))
    return store


def test_claiming_events_walks_the_free_ones_only(kit: Any, recorded: Any) -> None:
    assert filled(kit).claim_events(5, 10**6)[0]
    plan = plan_of(kit, recorded, "SELECT webhooksub_outbox.claims")
    assert "SEARCH webhooksub_outbox USING INDEX" in plan
    assert "SEARCH webhooksub_event USING INTEGER PRIMARY KEY" in plan
    assert "TEMP B-TREE" not in plan
    plan = plan_of(kit, recorded, "UPDATE webhooksub_outbox SET dispatcher=?")
    assert "event_seq>? AND event_seq<?" in plan or "rowid>? AND rowid<?" in plan


def test_claiming_what_is_due_reads_the_index_of_its_origin(kit: Any, recorded: Any) -> None:
    assert filled(kit).claim_due(5, 5)
    plan = plan_of(kit, recorded, "SELECT webhooksub_delivery.event_seq")
    assert "USING INDEX webhooksub_delivery_due (origin=? AND next_at" in plan
    assert "TEMP B-TREE" not in plan
    plan = plan_of(kit, recorded, "WITH RECURSIVE")
    assert plan.count("INDEX webhooksub_delivery_due") == 3
    assert "SCAN webhooksub_delivery" not in plan
    plan = plan_of(kit, recorded, "UPDATE webhooksub_delivery SET state=?, origin=?")
    assert "PRIMARY KEY (event_seq=? AND subscription_seq=?)" in plan


def test_taking_over_touches_only_what_was_held(kit: Any, recorded: Any) -> None:
    filled(kit)
    plan = plan_of(kit, recorded, "UPDATE webhooksub_outbox SET dispatcher=CASE")
    assert "INDEX webhooksub_outbox_dispatcher (dispatcher>?)" in plan
    plan = plan_of(kit, recorded, "UPDATE webhooksub_delivery SET state=?, dispatcher=?")
    assert "webhooksub_delivery_claimed" in plan


def test_counting_never_walks_over_what_was_delivered(kit: Any, recorded: Any) -> None:
    store = filled(kit)
    recorded.clear()
    store.stats()
    counts = [(sql, p) for sql, p in recorded if "webhooksub_delivery" in sql]
    assert len(counts) == 3
    with closing(sqlite3.connect(kit.path)) as connection:
        for sql, parameters in counts:
            [row] = connection.execute("EXPLAIN QUERY PLAN " + sql, parameters).fetchall()
            assert any(
                f"webhooksub_delivery_{name}" in row[3] for name in ("due", "claimed", "dead")
            )


# --- secrets on disk -----------------------------------------------------------------


def test_a_cleared_key_is_gone_from_the_file(kit: Any) -> None:
    store = kit.store()
    record = kit.subscribe(store, keys=(b"canary-in-the-coal-mine",))
    store.update_subscription(record.id, {}, keys=())
    store.prune(older_than_ms=0)
    content = kit.path.read_bytes()
    assert b"canary-in-the" not in content
    assert record.id in content


def test_plain_keys_are_warned_of_at_the_start(kit: Any, caplog: pytest.LogCaptureFixture) -> None:
    store = kit.store()
    kit.subscribe(store, keys=())
    store.begin_dispatching(kit.info())
    store.end_dispatching()
    assert caplog.text == ""
    kit.subscribe(store, keys=(b"canary",))
    store.begin_dispatching(kit.info())
    assert "stored as they are" in caplog.text
    assert "canary" not in caplog.text


def test_a_key_in_an_unknown_format_does_not_open(kit: Any) -> None:
    store = kit.store()
    record = kit.subscribe(store)
    change(kit, "UPDATE webhooksub_secret SET sealed = ?", b"\x01xyz")
    with pytest.raises(KeyUnreadable, match="its format is unknown, or it is cut"):
        store.subscription(record.id).keys[0]


# --- pruning -------------------------------------------------------------------------


def finished(kit: Any, store: Any, many: int, subscriptions: list[Any]) -> list[int]:
    """Publishes and ends events for all the subscriptions; answers their seqs."""
    seqs = [p.seq for p in store.publish(kit.events(many))]
    for sub in subscriptions:
        store.settle(kit.delivered([(seq, sub) for seq in seqs]))
    return seqs


def test_pruning_deletes_what_ended_and_keeps_what_waits(kit: Any) -> None:
    store = kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    finished(kit, store, 10, [sub])
    [waits, queued, dead] = [p.seq for p in store.publish(kit.events(3))]
    store.settle(kit.failed(waits, sub))
    store.settle(kit.ended(dead, sub, DeliveryState.DEAD))
    kit.clock.advance(10_000)
    young = finished(kit, store, 2, [sub])
    deleted = store.prune(older_than_ms=kit.clock.now)
    assert deleted["events"] == 11
    assert deleted["deliveries"] == 11
    left = [seq for (seq,) in rows(kit, "SELECT seq FROM webhooksub_event ORDER BY seq")]
    assert left == [waits, queued, *young]
    assert len(store.attempts(waits, sub.seq)) == 1
    kit.clock.advance(10_000)
    assert [s for _, s, _ in store.claim_due(10, 10)] == [sub.seq], "it is still delivered"


def test_pruning_passes_events_of_a_clock_that_ran_ahead(kit: Any) -> None:
    store = kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    ahead_ms = 3_600_000
    kit.clock.advance(ahead_ms)
    early = finished(kit, store, 2, [sub])
    kit.clock.advance(-ahead_ms)
    finished(kit, store, 3, [sub])
    kit.clock.advance(1)
    assert store.prune(older_than_ms=kit.clock.now)["events"] == 3
    left = [seq for (seq,) in rows(kit, "SELECT seq FROM webhooksub_event ORDER BY seq")]
    assert left == early


def test_pruning_deletes_few_rows_in_each_transaction(kit: Any) -> None:
    store = kit.store()
    subs = [kit.subscribe(store) for _ in range(3)]
    store.begin_dispatching(kit.info())
    finished(kit, store, 900, subs)
    kit.clock.advance(1_000)
    seen = [dict(events=0, deliveries=0, attempts=0)]
    store.prune(older_than_ms=kit.clock.now, progress=seen.append)
    totals = [s["events"] + s["deliveries"] + s["attempts"] for s in seen]
    assert totals[-1] == 900 * 4
    assert max(b - a for a, b in zip(totals, totals[1:], strict=False)) <= 1_000


def test_a_large_fan_out_is_pruned_in_parts(kit: Any) -> None:
    store = kit.store()
    store.begin_dispatching(kit.info())
    [event] = [p.seq for p in store.publish([kit.event()])]
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
    change(
        kit,
        "INSERT INTO webhooksub_delivery (event_seq, subscription_seq, state, attempts, origin,"
        f" updated_at) {many} SELECT {event}, i, 3, 1, 1, 0 FROM n",
    )
    store.settle(None, [(event,)])
    kit.clock.advance(1_000)
    seen: list[Any] = []
    deleted = store.prune(older_than_ms=kit.clock.now, progress=seen.append)
    assert (deleted["events"], deleted["deliveries"]) == (1, 2_500)
    assert len(seen) >= 3


def test_pruning_forgets_keys_and_tombstones_when_their_time_has_come(kit: Any) -> None:
    store = kit.store()
    old, fresh, living = (kit.subscribe(store) for _ in range(3))
    store.begin_dispatching(kit.info())
    [published] = store.publish([kit.event(idempotency_key="k", fingerprint=b"1")])
    store.settle(None, [(published.seq,)])
    store.delete_subscription(old.id)
    kit.clock.advance(2 * 86_400_000)
    store.publish([kit.event(idempotency_key="young", fingerprint=b"1")])
    store.delete_subscription(fresh.id)
    deleted = store.prune(older_than_ms=kit.clock.now - 86_400_000)
    assert (deleted["keys"], deleted["subscriptions"]) == (1, 1)
    assert store.subscription(old.id) is None
    assert store.subscription(fresh.id) is not None
    assert store.subscription(living.id) is not None


def test_a_tombstone_stays_while_a_dispatcher_may_hold_a_delivery_for_it(kit: Any) -> None:
    store = kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    [held] = store.publish(kit.events(1))
    store.delete_subscription(sub.id)
    kit.clock.advance(10_000)
    assert store.prune(older_than_ms=kit.clock.now)["subscriptions"] == 0
    store.settle(kit.ended(held.seq, sub, DeliveryState.CANCELLED))
    assert [d.state for d in store.deliveries()] == [DeliveryState.CANCELLED]
    assert store.prune(older_than_ms=kit.clock.now)["subscriptions"] == 1


def test_pruning_gives_the_space_back_and_empties_the_wal(kit: Any) -> None:
    store = kit.store()
    sub = kit.subscribe(store)
    store.begin_dispatching(kit.info())
    data = b'"' + b"x" * 4_000 + b'"'
    seqs = [p.seq for p in store.publish(kit.events(3_000, data=data))]
    store.settle(kit.delivered([(seq, sub) for seq in seqs]))
    store.end_dispatching()
    assert store.facts()["bytes"] > 12_000_000
    kit.clock.advance(1_000)
    store.prune(older_than_ms=kit.clock.now)
    facts = store.facts()
    assert facts["wal_bytes"] == 0
    assert facts["bytes"] < 6_000_000


def test_only_who_holds_the_lock_checkpoints(kit: Any) -> None:
    publisher = kit.store()
    data = b'"' + b"x" * 100_000 + b'"'
    publisher.publish(kit.events(400, data=data))
    assert publisher.facts()["wal_bytes"] > 40_000_000, "a publisher leaves the WAL alone"
    dispatcher = kit.store()
    dispatcher.begin_dispatching(kit.info())
    dispatcher.publish([kit.event()])
    with closing(sqlite3.connect(kit.path)) as connection:
        busy, pages, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert (busy, pages) == (0, copied)
    assert inspect(dispatcher._process.database._engine).has_table("webhooksub_event")
