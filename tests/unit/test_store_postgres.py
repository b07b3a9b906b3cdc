"""Many processes on one PostgreSQL: who gets what, in which order things happen, what survives."""

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from postgres import shared_server
from psycopg.rows import dict_row
from seen import wait_until
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from webhooksub.errors import (
    ConfigurationError,
    Conflict,
    LimitReached,
    OutboxFull,
    StoreUnavailable,
)
from webhooksub.store import migrations
from webhooksub.store.postgres import PostgresDatabase

pytestmark = pytest.mark.stores("postgresql")

TAKEOVER = 40_000


def claim(store: Any, limit: int = 1_000) -> list[tuple[int, int]]:
    """(seq, take-overs) of a claim."""
    claimed = store.claim_events(limit, 10**9)
    return [(event[0], claims) for event, claims in zip(*claimed, strict=True)]


def start(kit: Any, host: str = "here", **settings: Any) -> Any:
    store = kit.store(**settings)
    store.begin_dispatching(kit.info(host))
    return store


class Later:
    """A call in a thread of its own."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._answer: list[Any] = []
        self._act = act
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer.append(self._act())
        except Exception as error:
            self._answer.append(error)

    def waits(self) -> bool:
        """Still, after a while."""
        self._thread.join(0.4)
        return self._thread.is_alive()

    def answer(self) -> Any:
        self._thread.join(20)
        [answer] = self._answer
        return answer


# --- many dispatchers ----------------------------------------------------------------


def test_several_dispatchers_have_the_role_and_are_all_named(kit: Any) -> None:
    one, two = start(kit, "machine-one"), start(kit, "machine-two")
    assert one.stats()["dispatchers_alive"] == 2
    assert "machine-one" in two.facts()["dispatcher"] and "machine-two" in one.facts()["dispatcher"]
    two.end_dispatching()
    assert one.stats()["dispatchers_alive"] == 1
    assert one.heartbeat()


def test_what_is_read_while_the_store_closes_is_closed_when_it_was_read(kit: Any) -> None:
    store = kit.store()
    gc.disable()  # it would close what nobody did, some day
    try:
        with store._process.reading() as connection:
            raw = connection.connection.driver_connection
            store.close()
            connection.exec_driver_sql("SELECT count(*) FROM webhooksub_event")
            assert not raw.closed
        assert raw.closed
    finally:
        gc.enable()


def test_who_commits_when_the_store_is_closed_tells_nobody_and_leaves_no_thread(kit: Any) -> None:
    store = kit.store()
    store.close()
    store._process.database.tell_others()  # as does a writer that close did not wait for
    assert wait_until(lambda: "webhooksub-teller" not in [t.name for t in threading.enumerate()])


def test_each_event_is_claimed_once_however_many_ask(kit: Any) -> None:
    stores = [start(kit) for _ in range(3)]
    seqs = [p.seq for p in kit.store().publish(kit.events(300))]
    taken: list[list[int]] = [[] for _ in stores]
    all_have_some = threading.Barrier(len(stores))

    def take(n: int) -> None:
        while some := claim(stores[n], 10):
            if not taken[n]:
                all_have_some.wait(30)
            taken[n] += [seq for seq, _ in some]

    for one in [Later(lambda n=n: take(n)) for n in range(3)]:
        one.answer()
    assert sorted(sum(taken, [])) == seqs
    assert all(taken), "the work is spread"


def test_what_another_transaction_has_locked_is_left_to_it(kit: Any) -> None:
    store = start(kit)
    [first, second] = [p.seq for p in store.publish(kit.events(2))]
    with closing(kit.connect()) as other:
        other.execute("SELECT FROM webhooksub_outbox WHERE event_seq = %s FOR UPDATE", (first,))
        assert claim(store) == [(second, 0)]
        other.rollback()
    assert claim(store) == [(first, 0)]


def test_each_due_delivery_is_claimed_once(kit: Any) -> None:
    one = start(kit)
    sub = kit.subscribe(one)
    events = [p.seq for p in one.publish(kit.events(40))]
    one.settle(kit.spilled([(e, sub) for e in events]))
    two = start(kit)
    first = {e[0] for e, _, _ in one.claim_due(10, 10)}
    second = {e[0] for e, _, _ in two.claim_due(64, 100)}
    assert len(first) == 10
    assert first | second == set(events) and not first & second


def test_what_waits_is_known_to_the_others_when_its_dispatcher_ends(kit: Any) -> None:
    one, two = start(kit), start(kit)
    sub = kit.subscribe(one)
    [event] = [p.seq for p in one.publish([kit.event()])]
    assert two.claim_due(9, 9) == []
    one.settle(kit.failed(event, sub, delay=5_000))
    one.end_dispatching()
    kit.clock.advance(5_000)
    assert [(e[0], s) for e, s, _ in two.claim_due(9, 9)] == [(event, sub.seq)]


# --- taking over ---------------------------------------------------------------------


def test_who_is_silent_for_its_time_is_taken_over_and_not_before(kit: Any) -> None:
    dead, store = start(kit), start(kit)
    sub = kit.subscribe(dead)
    [held, waits] = [p.seq for p in dead.publish(kit.events(2))]
    claim(dead)
    dead.settle(kit.failed(waits, sub, delay=1))
    kit.clock.advance(TAKEOVER)
    assert store.heartbeat()
    assert claim(store) == []
    kit.clock.advance(1)
    assert store.heartbeat()
    assert claim(store) == [(held, 1)]
    assert [e[0] for e, _, _ in store.claim_due(9, 9)] == [waits], "only the dead one knew of it"
    assert not dead.settle(kit.delivered([(held, sub)])), "it is fenced"
    assert not dead.heartbeat()
    assert claim(dead) == []


def test_who_begins_takes_over_too_and_leaves_the_living_alone(kit: Any) -> None:
    dead, living = start(kit), start(kit)
    seqs = [p.seq for p in dead.publish(kit.events(4))]
    claim(dead, 2), claim(living, 2)
    kit.clock.advance(TAKEOVER + 1)
    living.heartbeat()  # it is the one that lives, and takes over
    store = start(kit)
    assert claim(store) == [(seq, 1) for seq in seqs[:2]]
    assert store.stats()["dispatchers_alive"] == 2


def test_when_the_store_was_away_for_all_nobody_is_judged_by_that(kit: Any) -> None:
    stores = [start(kit) for _ in range(3)]
    kit.clock.advance(TAKEOVER + 1)
    assert all([store.heartbeat() for store in stores])
    assert stores[0].stats()["dispatchers_alive"] == 3


def test_who_is_just_writing_is_not_declared_dead(kit: Any) -> None:
    slow, store = start(kit), start(kit)
    slow.publish(kit.events(1))
    assert len(claim(slow)) == 1
    kit.clock.advance(TAKEOVER)
    assert store.heartbeat()
    kit.clock.advance(1)
    with closing(kit.connect()) as writing:
        writing.execute("SELECT FROM webhooksub_dispatcher WHERE seq = 1 FOR SHARE")
        assert store.heartbeat()
        assert store.stats()["dispatchers_alive"] == 1, "its sign of life is old"
        assert claim(store) == []
        writing.rollback()  # which the server has heard of when it returns, unlike a close
    assert store.heartbeat()
    assert len(claim(store)) == 1


MARK = "UPDATE webhooksub_outbox SET claims = claims WHERE event_seq = "


def mark_by_driver(transaction: Any) -> None:
    transaction.cursor.executemany(MARK + "?", [(1,), (2,)])


def mark_by_sqlalchemy(transaction: Any) -> None:
    transaction.connection.execute(text(MARK + ":n"), [{"n": 1}, {"n": 2}])


@pytest.mark.parametrize("write", [lambda transaction: None, mark_by_driver, mark_by_sqlalchemy])
def test_who_is_stopped_amid_a_transaction_is_taken_over_too(
    kit: Any, write: Callable[[Any], None]
) -> None:
    """Its lock ends with its session, which the server does not let stand idle for so long."""
    stopped, store = start(kit, takeover_ms=6_000), start(kit, takeover_ms=6_000)
    stopped.publish(kit.events(1))
    assert claim(stopped)
    writing = threading.Event()

    def stand_still(transaction: Any) -> None:
        write(transaction)
        writing.set()
        threading.Event().wait(4)
        transaction.hot.delete_outbox(transaction.cursor, [(1,)])

    amid = Later(lambda: stopped._process.write(stand_still))
    writing.wait(10)
    kit.clock.advance(3_600)
    assert store.heartbeat()
    kit.clock.advance(2_401)
    assert store.heartbeat()
    assert claim(store) == []
    assert isinstance(amid.answer(), StoreUnavailable)
    assert store.heartbeat()
    assert claim(store) == [(1, 1)]


def test_a_settle_that_comes_while_its_dispatcher_is_declared_dead_writes_nothing(kit: Any) -> None:
    store = start(kit)
    sub = kit.subscribe(store)
    [event] = [p.seq for p in store.publish([kit.event()])]
    with closing(kit.connect()) as other:
        other.execute("UPDATE webhooksub_dispatcher SET state = 3")
        settling = Later(lambda: store.settle(kit.delivered([(event, sub)])))
        assert settling.waits()
        other.commit()
    assert settling.answer() is False
    assert store.deliveries() == []
    assert store.stats()["outbox"] == 1


def test_declaring_dead_waits_for_a_settle_that_came_before(kit: Any) -> None:
    """By whatever tool it is done."""
    store = start(kit)
    with closing(kit.connect()) as settling:
        settling.execute("SELECT FROM webhooksub_dispatcher FOR SHARE")
        burying = Later(lambda: kit.sql("UPDATE webhooksub_dispatcher SET state = 3"))
        assert burying.waits()
    burying.answer()
    assert not store.heartbeat()


def test_suspects_that_nobody_here_saw_die_are_found(kit: Any) -> None:
    """Freed by another, which ended."""
    [event] = [p.seq for p in kit.store().publish([kit.event()])]
    store = start(kit)
    for _ in range(3):
        dead = start(kit)
        assert claim(dead)
        kit.die(dead)
    other = start(kit)
    other.end_dispatching()
    store.claim_due(9, 9)
    assert claim(store) == [(event, 3)]


# --- what sees what ------------------------------------------------------------------


def test_revisions_are_seen_in_their_order(kit: Any) -> None:
    store, other = kit.store(), kit.store()
    kit.subscribe(store)
    with closing(kit.connect()) as open_change:
        open_change.execute("UPDATE webhooksub_meta SET value = '2' WHERE key = 'subscription_rev'")
        later = Later(lambda: kit.subscribe(other).rev)
        assert later.waits(), "its revision would be seen before an older one"
        event = kit.event()
        store.publish([event])
        assert store.event(event.id).revision == 1, "no change is waited for that may not come"
        open_change.commit()
    assert later.answer() == 3
    event = kit.event()
    store.publish([event])
    assert store.event(event.id).revision == store.revision() == 3


def test_an_event_brings_every_change_that_it_saw_to_whoever_matches_it(kit: Any) -> None:
    stores = [kit.store() for _ in range(3)]
    for n in range(6):
        sub = kit.subscribe(stores[n % 3])
        event = kit.event()
        stores[(n + 1) % 3].publish([event])
        revision = stores[(n + 1) % 3].event(event.id).revision
        seen, records = stores[(n + 2) % 3].changes(0)
        assert sub.created_rev <= revision <= seen
        assert sub.id in {record.id for record in records}


def test_of_two_changes_that_insist_on_one_revision_one_is_refused(kit: Any) -> None:
    one, two = kit.store(), kit.store()
    record = kit.subscribe(one)
    with closing(kit.connect()) as other:
        other.execute("SELECT FROM webhooksub_meta WHERE key = 'subscription_rev' FOR UPDATE")
        changes = [
            Later(
                lambda s=s: s.update_subscription(record.id, {"status": 3}, expected_rev=record.rev)
            )
            for s in (one, two)
        ]
        assert all([change.waits() for change in changes])
    answers = [change.answer() for change in changes]
    assert sum(isinstance(answer, Conflict) for answer in answers) == 1
    assert one.subscription(record.id).rev == record.rev + 1


def test_a_limit_of_subscriptions_holds_though_two_ask_at_once(kit: Any) -> None:
    one, two = kit.store(), kit.store()
    kit.subscribe(one)
    with closing(kit.connect()) as other:
        other.execute("SELECT FROM webhooksub_meta WHERE key = 'subscription_rev' FOR UPDATE")
        asked = [Later(lambda s=s: kit.subscribe(s, per_root_max=2)) for s in (one, two)]
        assert all([one.waits() for one in asked])
    assert sum(isinstance(one.answer(), LimitReached) for one in asked) == 1
    assert kit.store().count_subscriptions(roots=None) == 2


def test_one_key_of_two_publishers_at_once_is_one_event(kit: Any) -> None:
    store = kit.store()
    first, again = (kit.event(idempotency_key="k", fingerprint=b"1") for _ in range(2))
    with closing(kit.connect()) as host:
        [published] = store.publish_on(host, [first])
        waiting = Later(lambda: store.publish([again])[0])
        assert waiting.waits(), "whether it is new is not known yet"
        host.commit()
    assert waiting.answer() == published._replace(duplicate=True)


def test_a_key_that_was_rolled_back_was_never_used(kit: Any) -> None:
    store = kit.store()
    first, again = (kit.event(idempotency_key="k", fingerprint=b"1") for _ in range(2))
    with closing(kit.connect()) as host:
        store.publish_on(host, [first])
        waiting = Later(lambda: store.publish([again])[0])
        assert waiting.waits()
        host.rollback()
    assert waiting.answer().id == again.id


def test_an_event_that_commits_after_younger_ones_is_not_missed(kit: Any) -> None:
    store = start(kit)
    with closing(kit.connect()) as slow:
        [old] = store.publish_on(slow, [kit.event()])
        [young] = store.publish([kit.event()])
        assert old.seq < young.seq
        assert claim(store) == [(young.seq, 0)]
        slow.commit()
    assert claim(store) == [(old.seq, 0)]


def test_transactions_that_wait_for_each_other_are_begun_anew(kit: Any) -> None:
    store = kit.store()
    ran: list[int] = []
    first_has, second_has = threading.Event(), threading.Event()

    def crosswise(transaction: Any) -> None:
        ran.append(1)
        transaction.cursor.execute("SET LOCAL deadlock_timeout = '3s'")
        transaction.hot.lock(transaction.cursor, ["one"])
        first_has.set()
        second_has.wait(5)
        transaction.hot.lock(transaction.cursor, ["two"])

    job = Later(lambda: store._process.write(crosswise))
    first_has.wait(5)
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('webhooksub_' || %s, 0))"
    with closing(kit.connect()) as other:
        other.execute("SET deadlock_timeout = '60s'")  # the job is the one that finds it
        other.execute(lock, ("two",))
        second_has.set()
        waits = "SELECT pid FROM pg_stat_activity WHERE ? = ANY(pg_blocking_pids(pid))"
        assert wait_until(lambda: bool(kit.sql(waits, other.info.backend_pid)))
        other.execute(lock, ("one",))
        other.commit()
    assert job.answer() is None
    assert len(ran) == 2


# --- in a host's transaction ---------------------------------------------------------


def count(kit: Any) -> int:
    [(found,)] = kit.sql("SELECT count(*) FROM webhooksub_outbox")
    return found


def test_an_event_joins_the_transaction_of_a_raw_connection_in_one_round_trip(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kit.store()
    store.publish([kit.event()])
    executed: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(self: Any, query: Any, *given: Any, **options: Any) -> Any:
        if self.connection is host:
            executed.append(query)
        return execute(self, query, *given, **options)

    with psycopg.connect(shared_server().conninfo(kit.schema), row_factory=dict_row) as host:
        store.publish_on(host, [kit.event()])
        monkeypatch.setattr(psycopg.Cursor, "execute", counted)
        [published] = store.publish_on(host, [kit.event()])
        monkeypatch.undo()
        assert len(executed) == 1
        assert count(kit) == 1, "it is not committed"
    assert count(kit) == 3
    assert published.seq == 3


def test_many_events_join_in_one_round_trip_and_keep_their_order(kit: Any) -> None:
    store = kit.store()
    events = kit.events(500, data=None)
    with kit.connect() as host:
        published = store.publish_on(host, events)
    assert [p.id for p in published] == [e.id for e in events]
    assert [p.seq for p in published] == sorted(p.seq for p in published)
    assert [store.event(e.id).seq for e in events[::99]] == [p.seq for p in published[::99]]


def test_what_is_rolled_back_never_was_also_to_a_savepoint(kit: Any) -> None:
    store = kit.store()
    with kit.connect() as host:
        with host.transaction(force_rollback=True):
            store.publish_on(host, [kit.event()])
        store.publish_on(host, [kit.event()])
    assert count(kit) == 1
    with closing(kit.connect()) as host:
        store.publish_on(host, [kit.event()])
    assert count(kit) == 1


def test_an_event_joins_sqlalchemys_connections_and_sessions(kit: Any) -> None:
    store = kit.store()
    engine = create_engine(kit.url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE folder (name text)"))
        store.publish_on(connection, [kit.event()])
    with Session(engine) as session:
        session.execute(text("INSERT INTO folder VALUES ('Taxes')"))
        store.publish_on(session, [kit.event()])
        assert count(kit) == 1
        session.commit()
        store.publish_on(session, [kit.event()])
        session.rollback()
    assert count(kit) == 2
    engine.dispose()


def test_an_event_joins_an_awaited_session(kit: Any) -> None:
    store = kit.store()

    async def publish() -> None:
        engine = create_async_engine(kit.url)
        async with AsyncSession(engine) as session:
            await session.run_sync(lambda sync: store.publish_on(sync, [kit.event()]))
            assert count(kit) == 0
            await session.commit()
            keyed = kit.event(idempotency_key="k", fingerprint=b"1")
            await session.run_sync(lambda sync: store.publish_on(sync, [keyed]))
            await session.rollback()
        await engine.dispose()

    asyncio.run(publish())
    assert count(kit) == 1


def test_a_connection_that_cannot_carry_an_event_is_refused_by_name(kit: Any) -> None:
    store = kit.store()
    with closing(kit.connect()) as host:
        host.autocommit = True
        with pytest.raises(ConfigurationError, match="no transaction open"):
            store.publish_on(host, [kit.event()])
    with pytest.raises(ConfigurationError, match="builtins.str"):
        store.publish_on("default", [kit.event()])


def test_another_store_s_connection_is_refused_and_gets_nothing(kit: Any, tmp_path: Any) -> None:
    store, other = kit.store(), kit.another(tmp_path)
    other.store()
    with other.connect() as host, pytest.raises(ConfigurationError, match="another database"):
        store.publish_on(host, [kit.event()])
    assert count(other) == 0
    other.close()


def test_a_full_outbox_is_known_to_who_joins(kit: Any) -> None:
    store = kit.store(outbox_rows_max=10)
    with kit.connect() as host:
        store.publish_on(host, kit.events(10))
    with kit.connect() as host, pytest.raises(OutboxFull):
        store.publish_on(host, kit.events(1))


# --- connections ---------------------------------------------------------------------


def test_a_dispatcher_is_woken_by_other_processes(kit: Any) -> None:
    store, publisher = start(kit), kit.store()
    woken = threading.Event()
    store.hand_over_to(lambda: 0, lambda events: None, woken.set)
    assert woken.wait(10), "who begins to listen looks at once"
    woken.clear()
    publisher.publish([kit.event()])
    assert woken.wait(10)


def test_who_listened_has_ended_when_the_store_is_closed(kit: Any) -> None:
    store = start(kit)
    before, woken = set(threading.enumerate()), threading.Event()
    store.hand_over_to(lambda: 0, lambda events: None, woken.set)
    assert woken.wait(10)
    during = set(threading.enumerate()) - before
    assert "webhooksub-listener" in {thread.name for thread in during}
    store.hand_over_to(None, None)
    store.close()
    assert not [thread for thread in during if thread.is_alive()]


def test_a_host_s_transaction_sends_no_notification(kit: Any) -> None:
    """NOTIFY takes a lock of the whole server at its commit: that is not for the host to wait for.

    Notifications come in the order of the commits, so that after the marker nothing of the host's
    can be on its way.
    """
    store = start(kit)
    database = store._process.database
    with closing(kit.connect()) as listener:
        listener.autocommit = True
        listener.execute(f"LISTEN {database._channel()}")
        with closing(kit.connect()) as host:
            store.publish_on(host, [kit.event()])
            host.commit()
            pid = host.info.backend_pid
            assert store.stats()["outbox"] == 1
        kit.sql(f"NOTIFY {database._channel()}, 'marker'")
        heard = []
        for notification in listener.notifies(timeout=10):
            heard.append(notification)
            if notification.payload == "marker":
                break
    assert heard and heard[-1].payload == "marker"
    assert pid not in {notification.pid for notification in heard}


def test_a_server_that_was_restarted_is_used_again(kit: Any) -> None:
    store = start(kit)
    sub = kit.subscribe(store)
    [event] = [p.seq for p in store.publish([kit.event()])]
    shared_server().restart()
    for _ in range(3):
        try:
            store.publish([kit.event()])
            break
        except StoreUnavailable:
            continue
    assert store.heartbeat()
    assert store.settle(kit.delivered([(event, sub)]))
    assert store.stats()["outbox"] == 1
    assert store.revision() == 1


def test_a_session_that_was_ended_is_replaced(kit: Any) -> None:
    store = start(kit)
    kit.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'webhooksub'"
    )
    with pytest.raises(StoreUnavailable):
        store.publish([kit.event()])
    assert store.revision() == 0
    assert store.subscriptions(roots=None) == []
    assert len(store.publish([kit.event()])) == 1


def test_behind_a_pooler_nothing_is_kept_in_a_session(kit: Any) -> None:
    store = start(kit, pooled=True)
    store.hand_over_to(lambda: 0, lambda events: None, lambda: None)
    database = store._process.database
    assert isinstance(database, PostgresDatabase)
    for _ in range(8):
        store.publish([kit.event()])
        store.revision()
    assert {raw.prepare_threshold for raw in database._raws} == {None}
    assert database._listener is None
    woken = threading.Event()
    direct = start(kit, pooled=True, listen_url=kit.url)
    direct.hand_over_to(lambda: 0, lambda events: None, woken.set)
    assert woken.wait(10), "past the pooler it listens"


FORKED = """
import os, sys
from webhooksub import Dispatcher, allow_all

hooks = Dispatcher(sys.argv[1], authorizer=allow_all)
hooks.publish("tenant/acme/sidedrawer/s1", "update", {"by": "parent"})
hooks.subscriptions()
pid = os.fork()
if not pid:
    hooks.publish("tenant/acme/sidedrawer/s1", "update", {"by": "child"})
    hooks.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
hooks.publish("tenant/acme/sidedrawer/s1", "update", {"by": "parent"})
print(hooks.stats()["outbox"])
hooks.close()
"""


def test_a_forked_child_has_connections_of_its_own(kit: Any) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKED, kit.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("3\n", "")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg2://x/y", "postgresql[+]psycopg"),
        ("postgresql+asyncpg://x/y", "postgresql[+]psycopg"),
        ("postgresql://x:port/y", "no database URL"),
    ],
)
def test_what_is_no_url_of_ours_is_refused(kit: Any, url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        kit.closed_store(url)


def test_no_password_is_shown(kit: Any) -> None:
    store = kit.closed_store("postgresql://ann:canary@db.example:5433/hooks?sslpassword=canary")
    assert store.name == "postgresql://db.example:5433/hooks"
    with pytest.raises(StoreUnavailable) as told:
        store.open()
    assert "canary" not in str(told.value)


def test_what_the_server_quotes_of_a_row_is_not_told(kit: Any) -> None:
    store = kit.store()
    sub = kit.subscribe(store, keys=(b"canary-key",))
    kit.sql("ALTER TABLE webhooksub_secret ADD CONSTRAINT one CHECK (n < 2)")
    with pytest.raises(StoreUnavailable, match="violates check constraint") as told:
        store.update_subscription(sub.id, {}, keys=(b"canary-two",), keys_overlap_ms=1_000)
    assert b"canary-two".hex() not in str(told.value)
    assert "Failing row" not in str(told.value)


# --- the schema ----------------------------------------------------------------------


def test_two_that_open_an_empty_store_at_once_make_one_schema(kit: Any) -> None:
    stores = [kit.closed_store() for _ in range(4)]
    for opening in [Later(store.open) for store in stores]:
        assert opening.answer() is None
    assert {store.facts()["schema_version"] for store in stores} == {migrations.latest()}


def test_a_step_that_old_code_can_live_with_is_made_under_its_feet(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = start(kit)
    step = Step("added", min_reader=1)
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, step])
    assert kit.closed_store().migrate() == 2
    monkeypatch.undo()
    assert old.heartbeat()
    old.publish([kit.event()])
    assert kit.store().stats()["outbox"] == 1, "older code opens it too"


def test_a_step_that_it_cannot_live_with_waits_for_its_end(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = start(kit, "elsewhere")
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, Step("added", min_reader=2)])
    with pytest.raises(ConfigurationError, match="elsewhere"):
        kit.closed_store().migrate()
    old.end_dispatching()
    assert kit.closed_store().migrate() == 2


class Step:
    """A migration that adds a table."""

    def __init__(self, table: str, min_reader: int) -> None:
        self._table, self.MIN_READER = table, min_reader

    def upgrade(self, connection: Any) -> None:
        connection.exec_driver_sql(f"CREATE TABLE webhooksub_{self._table} (x integer)")


# --- plans ---------------------------------------------------------------------------


def explain(kit: Any, statement: str) -> str:
    return "\n".join(row[0] for row in kit.sql("EXPLAIN " + statement))


def test_claims_walk_over_nothing_that_was_delivered(kit: Any) -> None:
    store = start(kit)
    kit.subscribe(store)
    kit.sql(
        "INSERT INTO webhooksub_delivery (event_seq, subscription_seq, state, attempts, origin,"
        " updated_at, next_at) SELECT n, 1, CASE WHEN n % 1000 = 0 THEN 1 ELSE 3 END, 1, n % 7, 0,"
        " 0 FROM generate_series(1, 50000) n"
    )
    kit.sql(
        "INSERT INTO webhooksub_outbox SELECT n, CASE WHEN n % 100 > 0 THEN 7 END, 0"
        " FROM generate_series(1, 20000) n"
    )
    kit.sql("ANALYZE")
    due = explain(
        kit,
        "SELECT event_seq FROM webhooksub_delivery WHERE state = 1 AND origin = 3"
        " AND next_at <= 5 ORDER BY next_at LIMIT 64 FOR UPDATE SKIP LOCKED",
    )
    assert "webhooksub_delivery_due" in due and "Seq Scan" not in due
    free = explain(
        kit,
        "SELECT event_seq FROM webhooksub_outbox WHERE dispatcher IS NULL AND claims < 3"
        " ORDER BY event_seq LIMIT 100 FOR UPDATE SKIP LOCKED",
    )
    assert "webhooksub_outbox_free" in free and "Seq Scan" not in free
