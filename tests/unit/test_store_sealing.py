"""Keys in a store with a keyring: sealed, opened when they are used, sealed anew by another."""

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from webhooksub import ConfigurationError, Keyring, KeyUnreadable, _core
from webhooksub.store import resealing
from webhooksub.store.sqlstore import SqlStore

OLD, NEW = {1: b"the secret of key 1, long enough"}, {2: b"the secret of key 2, long enough"}
CANARY = b"canary-integrity-key-0123456789"


def sealed_rows(kit: Any) -> list[bytes]:
    query = "select sealed from webhooksub_secret order by subscription_seq, n"
    return [row[0] for row in kit.sql(query)]


def bytes_of_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("hooks.db*"))


def test_a_key_is_sealed_and_comes_back(kit: Any) -> None:
    store = kit.store(keyring=OLD)
    record = kit.subscribe(store, keys=(CANARY,))
    assert record.keys == (CANARY,)
    assert kit.store(keyring=OLD).subscription(record.id).keys == (CANARY,)
    [sealed] = sealed_rows(kit)
    assert sealed[:5] == b"\x01\x00\x00\x00\x01"
    assert CANARY not in bytes_of_files(kit.folder)


@pytest.mark.stores("sqlite")
def test_the_file_and_what_lies_beside_it_is_its_owner_s_alone(kit: Any) -> None:
    kit.subscribe(kit.store(keyring=OLD))
    found = {path.name: path.stat().st_mode & 0o777 for path in kit.folder.glob("hooks.db*")}
    assert {"hooks.db", "hooks.db-wal", "hooks.db-shm"} <= set(found)
    assert set(found.values()) == {0o600}


def test_a_key_is_opened_when_it_is_looked_at_and_not_before(kit: Any) -> None:
    record = kit.subscribe(kit.store(keyring=OLD), keys=(CANARY,))
    asked = []

    def fetch() -> dict[int, bytes]:
        asked.append(1)
        return OLD

    store = kit.store(keyring=fetch)
    [found] = store.subscriptions(roots=None)
    assert len(found.keys) == 1
    assert found.keys
    assert "canary" not in repr(found) + repr(found.keys)
    assert asked == []
    assert found.keys[0] == CANARY
    assert asked == [1]
    assert store.subscription(record.id) == found


def test_a_keyring_is_fetched_by_who_needs_it_and_not_by_who_writes(kit: Any) -> None:
    threads = []

    def fetch() -> dict[int, bytes]:
        threads.append(threading.current_thread().name)
        return OLD

    store = kit.store(keyring=fetch)
    kit.subscribe(store, keys=())
    assert threads == []
    kit.subscribe(store)
    assert threads == [threading.current_thread().name]


def test_keys_of_before_serve_on_unsealed(kit: Any) -> None:
    record = kit.subscribe(kit.store(), keys=(CANARY,))
    assert sealed_rows(kit) == [b"\x00" + CANARY]
    store = kit.store(keyring=OLD)
    assert store.subscription(record.id).keys == (CANARY,)
    turned = store.update_subscription(record.id, {}, keys=(b"new",), keys_overlap_ms=1_000)
    assert turned.keys == (b"new", CANARY)
    assert [row[0] for row in sealed_rows(kit)] == [0, 1]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s[:-1] + bytes([s[-1] ^ 1]), "it was changed"),
        (lambda s: s[:17] + bytes([s[17] ^ 0x80]) + s[18:], "it was changed"),
        (lambda s: s[:4] + b"\x09" + s[5:], "key 9, which the keyring lacks"),
        (lambda s: b"\x07" + s[1:], "its format is unknown"),
        (lambda s: s[:20], "it is cut"),
        (lambda s: b"", "it is cut"),
    ],
)
def test_a_changed_row_is_no_key_and_its_neighbour_is(kit: Any, damage: Any, message: str) -> None:
    store = kit.store(keyring=OLD)
    hurt, well = kit.subscribe(store), kit.subscribe(store, keys=(CANARY,))
    changed = damage(sealed_rows(kit)[0])
    kit.sql("update webhooksub_secret set sealed = ? where subscription_seq = 1", changed)
    found = {record.id: record.keys for record in store.subscriptions(roots=None)}
    with pytest.raises(KeyUnreadable, match=message) as caught:
        found[hurt.id][0]
    assert _core.uuid_text(hurt.id) in str(caught.value)
    assert found[well.id] == (CANARY,)


def test_rows_that_changed_places_are_no_keys(kit: Any) -> None:
    store = kit.store(keyring=OLD)
    one, two = kit.subscribe(store, keys=(b"a",)), kit.subscribe(store, keys=(b"b",))
    kit.sql("update webhooksub_secret set subscription_seq = 3 - subscription_seq + 10")
    kit.sql("update webhooksub_secret set subscription_seq = subscription_seq - 10")
    for record in (one, two):
        with pytest.raises(KeyUnreadable, match="belongs to another row"):
            store.subscription(record.id).keys[0]


def test_a_row_of_another_store_is_no_key(kit: Any) -> None:
    store, other = kit.store(keyring=OLD), kit.store(f"sqlite:///{kit.folder}/b.db", keyring=OLD)
    record = kit.subscribe(store)
    kit.subscribe(other, keys=(CANARY,))
    with closing(sqlite3.connect(kit.folder / "b.db")) as raw:
        [(sealed,)] = raw.execute("select sealed from webhooksub_secret")
    kit.sql("update webhooksub_secret set sealed = ?", sealed)
    with pytest.raises(KeyUnreadable, match="belongs to another row"):
        store.subscription(record.id).keys[0]


def test_an_old_key_of_the_same_subscription_is_not_the_new_one(kit: Any) -> None:
    store = kit.store(keyring=OLD)
    record = kit.subscribe(store, keys=(b"old",))
    store.update_subscription(record.id, {}, keys=(b"new",), keys_overlap_ms=1_000)
    old, _ = sealed_rows(kit)
    kit.sql("update webhooksub_secret set sealed = ? where n = 2", old)
    with pytest.raises(KeyUnreadable):
        store.subscription(record.id).keys[0]


# --- dispatching ---------------------------------------------------------------------


def test_a_dispatcher_without_any_keyring_is_not_started_on_sealed_keys(kit: Any) -> None:
    kit.subscribe(kit.store(keyring=OLD))
    with pytest.raises(ConfigurationError, match="keyring"):
        kit.store().begin_dispatching(kit.info())
    kit.store(keyring=NEW).begin_dispatching(kit.info())


def test_a_keyring_that_cannot_be_had_is_told_at_the_start(kit: Any) -> None:
    kit.subscribe(kit.store(keyring=OLD))
    with pytest.raises(ConfigurationError, match="No such file"):
        kit.store(keyring_file="/nowhere/keyring").begin_dispatching(kit.info())


def test_keys_that_are_not_sealed_are_told_at_the_start(
    kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = kit.store()
    kit.subscribe(store)
    for settings, words in ({}, "protected by the mode"), ({"keyring": OLD}, "rotate-keys"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            starting = kit.store(**settings)
            starting.begin_dispatching(kit.info())
            starting.end_dispatching()
        assert [words in record.message for record in caplog.records] == [True]
    kit.store(keyring=OLD).rotate_keys()
    caplog.clear()
    kit.store(keyring=OLD).begin_dispatching(kit.info())
    assert caplog.records == []


# --- sealing anew --------------------------------------------------------------------


def test_all_keys_are_sealed_anew_by_the_first_key(kit: Any) -> None:
    plain = kit.subscribe(kit.store(), keys=(b"a", b"b"))
    old = kit.subscribe(kit.store(keyring=OLD), keys=(CANARY,))
    store = kit.store(keyring=NEW | OLD)
    progress: list[tuple[int, int]] = []
    rotated = store.rotate_keys(lambda *told: progress.append(told))
    assert (rotated.key_id, rotated.looked_at, rotated.sealed, rotated.unreadable) == (2, 3, 3, ())
    assert progress == [(3, 3)]
    assert {row[:5] for row in sealed_rows(kit)} == {b"\x01\x00\x00\x00\x02"}
    only_new = kit.store(keyring=NEW)
    assert only_new.subscription(plain.id).keys == (b"a", b"b")
    assert only_new.subscription(old.id).keys == (CANARY,)
    assert only_new.rotate_keys().sealed == 0


@pytest.mark.stores("sqlite")
def test_what_was_not_sealed_leaves_no_bytes_in_the_file(kit: Any) -> None:
    store = kit.store()
    for n in range(50):
        kit.subscribe(store, keys=(CANARY + bytes([n]),))
    assert CANARY in bytes_of_files(kit.folder)
    store.close()
    kit.store(keyring=NEW).rotate_keys()
    assert CANARY not in bytes_of_files(kit.folder)


def test_an_interrupted_run_is_ended_by_the_next(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "ROWS", 10)
    store = kit.store(keyring=OLD)
    for _ in range(35):
        kit.subscribe(store)

    def interrupt(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    rotating = kit.store(keyring=NEW | OLD)
    with pytest.raises(KeyboardInterrupt):
        rotating.rotate_keys(interrupt)
    progress: list[int] = []
    rotated = rotating.rotate_keys(lambda done, total: progress.append(done))
    assert (rotated.looked_at, rotated.sealed) == (35, 15)
    assert progress == [10, 20, 30, 35]


def test_a_row_that_is_changed_meanwhile_is_not_written_over(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kit.store(keyring=OLD)
    record = kit.subscribe(store, keys=(b"old",))
    seal_anew = resealing.Rotation.seal_anew

    def seal_slowly(self: Any, rows: Any) -> Any:
        changed = seal_anew(self, rows)
        store.update_subscription(record.id, {}, keys=(CANARY,))
        return changed

    monkeypatch.setattr(resealing.Rotation, "seal_anew", seal_slowly)
    assert kit.store(keyring=NEW | OLD).rotate_keys().sealed == 0
    assert store.subscription(record.id).keys == (CANARY,)


def test_what_cannot_be_opened_is_told_and_left_as_it_is(kit: Any) -> None:
    store = kit.store(keyring=OLD)
    hurt, well = kit.subscribe(store, keys=(b"a", b"b")), kit.subscribe(store)
    kit.sql("update webhooksub_secret set sealed = ? where subscription_seq = 1", b"\x01\x01")
    rotated = kit.store(keyring=NEW | OLD).rotate_keys()
    assert rotated.unreadable == (_core.uuid_text(hurt.id),)
    assert (rotated.looked_at, rotated.sealed) == (3, 1)
    assert sealed_rows(kit)[:2] == [b"\x01\x01"] * 2
    assert kit.store(keyring=NEW).subscription(well.id).keys == (b"k" * 32,)
    cut = sealed_rows(kit)[2][:-1]
    kit.sql("update webhooksub_secret set sealed = ? where subscription_seq = 2", cut)
    assert len(kit.store(keyring=NEW | OLD).rotate_keys().unreadable) == 2, "also by its own key"


def test_without_a_keyring_there_is_nothing_to_seal_by(kit: Any) -> None:
    for store in (kit.store(), kit.store("memory://")):
        with pytest.raises(ConfigurationError, match="keyring|in memory"):
            store.rotate_keys()


def test_an_error_of_the_database_shows_no_key(kit: Any) -> None:
    store = kit.store()
    assert isinstance(store, SqlStore)
    kit.sql("drop table webhooksub_secret")
    with pytest.raises(Exception) as caught:  # noqa: B017 - whatever it is
        kit.subscribe(store, keys=(CANARY,))
    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in str(error) + repr(error)
        error = error.__cause__ or error.__context__


def test_a_store_is_used_by_the_keyring_of_each_process(kit: Any) -> None:
    """The old and the new keyring at once, while a service is brought up to date."""
    before, meanwhile = kit.store(keyring=OLD), kit.store(keyring=OLD | NEW)
    after = kit.store(keyring=NEW | OLD)
    first = kit.subscribe(before, keys=(b"1",))
    second = kit.subscribe(meanwhile, keys=(b"2",))
    third = kit.subscribe(after, keys=(b"3",))
    assert meanwhile.subscription(third.id).keys == (b"3",)
    assert after.subscription(first.id).keys == (b"1",)
    assert after.subscription(second.id).keys == (b"2",)
    assert before.subscription(second.id).keys == (b"2",)


def test_a_keyring_is_given_as_such(kit: Any) -> None:
    keyring = Keyring.of(OLD)
    assert kit.store(keyring=keyring).rotate_keys().key_id == 1
