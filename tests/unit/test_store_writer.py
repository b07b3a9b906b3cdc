"""The writer's thread: groups, neighbours, failures, interruption, end."""

import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seen import wait_until

from webhooksub.errors import Closed, Conflict, StoreUnavailable
from webhooksub.store import postgres as postgres_module
from webhooksub.store import sqlite as sqlite_module
from webhooksub.store.postgres import PostgresDatabase
from webhooksub.store.sqlite import SqliteFile
from webhooksub.store.writer import Job

DATABASES: dict[str, Any] = {"sqlite": SqliteFile, "postgresql": PostgresDatabase}


def count_events(kit: Any) -> int:
    [(count,)] = kit.sql("SELECT count(*) FROM webhooksub_event")
    return count


def in_thread(act: Any) -> tuple[threading.Thread, list[Any]]:
    """Runs it; the list gets its result or its exception."""
    answer: list[Any] = []

    def run() -> None:
        try:
            answer.append(act())
        except BaseException as error:
            answer.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answer


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One number per job that was queued, and is waited for."""
    jobs: list[int] = []
    wait = Job.wait

    def counted(self: Any) -> Any:
        jobs.append(1)
        return wait(self)

    monkeypatch.setattr(Job, "wait", counted)
    return jobs


@pytest.fixture
def begins(kit: Any, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as a transaction is about to begin."""
    begun = threading.Event()
    begin = DATABASES[kit.kind].begin

    def told(self: Any, *given: Any) -> Any:
        begun.set()
        return begin(self, *given)

    monkeypatch.setattr(DATABASES[kit.kind], "begin", told)
    return begun


@pytest.fixture
def commits(kit: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One number per commit."""
    made: list[int] = []
    commit = DATABASES[kit.kind].commit

    def counted(self: Any, transaction: Any) -> None:
        commit(self, transaction)
        made.append(1)

    monkeypatch.setattr(DATABASES[kit.kind], "commit", counted)
    return made


def test_publish_returns_after_the_commit_and_not_before(kit: Any) -> None:
    store = kit.store()
    with kit.locked():
        thread, answer = in_thread(lambda: store.publish([kit.event()]))
        thread.join(0.3)
        assert thread.is_alive(), "it answered while nothing could be committed"
        assert count_events(kit) == 0
    thread.join(10)
    assert len(answer[0]) == 1
    assert count_events(kit) == 1


def test_everything_that_waits_is_one_commit(
    kit: Any, commits: list[int], queued: list[int]
) -> None:
    store = kit.store()
    store.publish([kit.event()])
    commits.clear()
    queued.clear()
    with kit.locked():
        threads = [in_thread(lambda: store.publish([kit.event()]))[0] for _ in range(30)]
        assert wait_until(lambda: len(queued) == 30)
    for thread in threads:
        thread.join(10)
    assert count_events(kit) == 31
    assert len(commits) <= 3


def test_an_idle_writer_does_not_pause(kit: Any) -> None:
    store = kit.store(synchronous="NORMAL")
    store.publish([kit.event()])
    took = []
    for _ in range(100):
        began = time.perf_counter()
        store.publish([kit.event()])
        took.append(time.perf_counter() - began)
    assert min(took) < 0.005, "on a busy machine others come between, and not each time"


def test_one_bad_job_fails_alone(kit: Any) -> None:
    store = kit.store()
    twice = kit.event()
    store.publish([twice])
    with kit.locked():
        jobs = [in_thread(lambda e=e: store.publish([e])) for e in kit.events(5)]
        bad = in_thread(lambda: store.publish([kit.event(), twice]))
        gone = in_thread(lambda: store.delete_subscription(kit.id()))
        more = [in_thread(lambda e=e: store.publish([e])) for e in kit.events(5)]
        time.sleep(0.3)
    for thread, _ in (*jobs, bad, gone, *more):
        thread.join(10)
    assert isinstance(bad[1][0], StoreUnavailable)
    assert isinstance(gone[1][0], LookupError)
    for _, answer in jobs + more:
        assert len(answer[0]) == 1
    assert count_events(kit) == 11


def test_a_refused_call_takes_back_what_it_wrote_and_only_that(kit: Any) -> None:
    store = kit.store()
    kit.subscribe(store)
    writer = store._process.writer

    def refuse(transaction: Any) -> None:
        transaction.cursor.execute("DELETE FROM webhooksub_subscription")
        transaction.revision += 5
        raise Conflict("on second thoughts")

    with pytest.raises(Conflict):
        writer.call(refuse)
    assert len(store.subscriptions(roots=None)) == 1
    assert kit.subscribe(store).rev == 2


def test_a_defect_of_ours_is_told_as_what_it_is(kit: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        kit.store()._process.writer.call(lambda t: 1 // 0)


def test_a_locked_database_fails_those_who_wait_and_heals(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(postgres_module, "_LOCK_TIMEOUT_MS", 50)
    store = kit.store()
    store.publish([kit.event()])
    with kit.locked(), pytest.raises(StoreUnavailable, match="locked|lock timeout"):
        store.publish([kit.event()])
    assert len(store.publish([kit.event()])) == 1
    assert count_events(kit) == 2


@pytest.mark.stores("sqlite")
def test_a_full_disk_refuses_what_does_not_fit_and_heals(kit: Any) -> None:
    store = kit.store()
    store.publish([kit.event()])
    limit_pages(store, 60)
    large = kit.events(40, data=b'"' + b"x" * 50_000 + b'"')
    with pytest.raises(StoreUnavailable, match="full"):
        store.publish(large)
    assert count_events(kit) == 1
    assert len(store.publish([kit.event()])) == 1, "the connection is a fresh one"
    assert len(store.publish(large)) == 40


def limit_pages(store: Any, pages: int) -> None:
    """The file may not grow past this, on the writer's present connection."""
    store._process.writer.between(
        lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}").all()
    )


@pytest.mark.stores("sqlite")
def test_a_full_disk_fails_the_large_job_and_not_its_neighbours(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kit.store()
    store.publish([kit.event()])
    connect = SqliteFile.connect_writer

    def connect_limited(self: Any, **options: Any) -> Any:
        connection = connect(self, **options)
        connection.exec_driver_sql("PRAGMA max_page_count = 60").all()
        return connection

    monkeypatch.setattr(SqliteFile, "connect_writer", connect_limited)
    limit_pages(store, 60)
    with kit.locked():
        large = in_thread(lambda: store.publish(kit.events(40, data=b"1" * 50_000)))
        small = [in_thread(lambda e=e: store.publish([e])) for e in kit.events(5)]
        time.sleep(0.3)
    for thread, _ in (large, *small):
        thread.join(10)
    assert isinstance(large[1][0], StoreUnavailable)
    assert [len(answer[0]) for _, answer in small] == [1] * 5
    assert count_events(kit) == 6


def test_a_failed_commit_is_told_and_the_next_one_works(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kit.store()
    taken: list[Any] = []
    store.begin_dispatching(kit.info())
    store.hand_over_to(lambda: 10, taken.extend)
    commit = DATABASES[kit.kind].commit

    def broken(self: Any, transaction: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(DATABASES[kit.kind], "commit", broken)
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        store.publish([kit.event()])
    monkeypatch.setattr(DATABASES[kit.kind], "commit", commit)
    assert taken == [], "nothing is handed over that was not committed"
    store.publish([kit.event()])
    assert len(taken) == count_events(kit) == 1


# --- a file that is gone -------------------------------------------------------------


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").rename(path)


def delete_wal(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.stores("sqlite")
@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (Path.unlink, "not there any more"),
        (move_away, "not there any more"),
        (replace, "replaced by another file"),
        (delete_wal, "lost its WAL"),
        (empty, "was emptied"),
    ],
)
def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    kit: Any, happens: Callable[[Path], None], told: str
) -> None:
    store = kit.store()
    store.publish([kit.event()])
    happens(kit.path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=told):
            store.publish([kit.event()])


@pytest.mark.stores("sqlite")
def test_a_file_that_goes_amid_a_transaction_is_told(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kit.store()
    store.publish([kit.event()])
    begin = SqliteFile.begin

    def begin_and_lose(self: Any, *given: Any) -> Any:
        transaction = begin(self, *given)
        kit.path.unlink()
        return transaction

    monkeypatch.setattr(SqliteFile, "begin", begin_and_lose)
    with pytest.raises(StoreUnavailable, match="not there any more"):
        store.publish([kit.event()])


@pytest.mark.stores("sqlite")
def test_a_file_that_comes_back_is_written_to_again(kit: Any) -> None:
    store = kit.store()
    store.publish([kit.event()])
    move_away(kit.path)
    with pytest.raises(StoreUnavailable):
        store.publish([kit.event()])
    assert not kit.path.exists(), "no other file is made in its place"
    kit.path.with_name("elsewhere").rename(kit.path)
    store.publish([kit.event()])
    assert count_events(kit) == 2


def test_ctrl_c_ends_the_waiting_and_drops_what_was_not_begun(
    kit: Any, begins: threading.Event
) -> None:
    store = kit.store()
    store.publish([kit.event()])
    begins.clear()
    with kit.locked():
        in_thread(lambda: store.publish([kit.event()]))  # occupies the writer
        assert begins.wait(10)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            store.publish([kit.event()])
        assert time.monotonic() - began < 8, "the writer is held for ten seconds"
    store.publish([kit.event()])
    assert count_events(kit) == 3, "the interrupted event was never begun"


def test_close_writes_what_was_given(kit: Any, queued: list[int]) -> None:
    store = kit.store()
    store.publish([kit.event()])
    queued.clear()
    with kit.locked():
        threads = [in_thread(lambda: store.publish([kit.event()])) for _ in range(10)]
        assert wait_until(lambda: len(queued) == 10)
        closing_thread, _ = in_thread(lambda: store.close(timeout=10))
    for thread, answer in (*threads, (closing_thread, [[None]])):
        thread.join(10)
        assert len(answer[0]) == 1
    assert count_events(kit) == 11
    with pytest.raises(Closed):
        store.publish([kit.event()])


def test_who_had_looked_whether_the_store_is_open_is_told_too_that_it_was_closed(kit: Any) -> None:
    store = kit.store()
    database = store._process.database
    store.close()
    with pytest.raises(Closed), database.reading():
        pass
    with pytest.raises(Closed):
        database.peek()


def test_close_gives_up_after_its_time(kit: Any) -> None:
    store = kit.store()
    store.publish([kit.event()])
    with kit.locked():
        thread, _ = in_thread(lambda: store.publish([kit.event()]))
        time.sleep(0.1)
        began = time.monotonic()
        store.close(timeout=0.2)
        assert time.monotonic() - began < 8, "the writer is held for ten seconds"
    thread.join(15)


def test_a_job_on_the_writers_own_thread_runs_at_once(kit: Any) -> None:
    store = kit.store()
    writer = store._process.writer
    seen: list[int] = []

    def nested(transaction: Any) -> None:
        transaction.after.append(lambda: seen.append(len(store.publish([kit.event()]))))

    writer.submit(Job(nested))
    assert seen == [1]
