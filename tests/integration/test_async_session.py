"""Publishing in a transaction of SQLAlchemy's asyncio extension."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from acme import PATH, Make
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from webhooksub import ConfigurationError, Dispatcher, SubscriptionInfo
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]
Work = Callable[[AsyncEngine], Awaitable[Any]]


class NoMatter(Exception):
    """Ends a transaction by a rollback."""


pytestmark = pytest.mark.stores("sqlite")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "hooks.db"


@pytest.fixture(params=["the driver begins", "immediate"])
def run(request: pytest.FixtureRequest, database: Path) -> Callable[[Work], Any]:
    """Runs with a host's engine: as SQLAlchemy makes it, or beginning by BEGIN IMMEDIATE."""

    def run_work(work: Work) -> Any:
        async def main() -> Any:
            engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
            if request.param == "immediate":
                begin_immediate(engine)
            try:
                return await work(engine)
            finally:
                await engine.dispose()

        return asyncio.run(main())

    return run_work


def begin_immediate(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def leave_it_to_us(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def data_of(receiver: Receiver) -> list[Any]:
    return [request.json()["data"] for request in receiver.requests]


def test_a_committed_event_arrives_with_the_rows_of_its_transaction(
    run: Callable[[Work], Any], make: Make, receiver: Receiver, subscribe: Subscribe, database: Path
) -> None:
    hooks = make().start()
    subscribe(hooks)

    async def work(engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session, session.begin():
            await session.execute(text("create table folder (name text)"))
            await session.execute(text("insert into folder values ('Taxes')"))
            made = await hooks.apublish(PATH, "create", {"name": "Taxes"}, connection=session)
            assert not made.duplicate
        assert (await hooks.aflush(10)).delivered == 1

    run(work)
    assert data_of(receiver) == [{"name": "Taxes"}]
    with sqlite3.connect(database) as connection:
        assert connection.execute("select name from folder").fetchall() == [("Taxes",)]
    connection.close()


def test_its_commit_wakes_the_dispatcher(
    run: Callable[[Work], Any], make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make(config={"poll_ms": 60_000}).start()
    subscribe(hooks)

    async def work(engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session, session.begin():
            await hooks.apublish(PATH, "update", 1, connection=session)
        await asyncio.to_thread(receiver.wait_for, 1, 5)
        async with engine.begin() as connection:
            await hooks.apublish(PATH, "update", 2, connection=connection)
        await asyncio.to_thread(receiver.wait_for, 2, 5)

    run(work)
    assert data_of(receiver) == [1, 2]


def test_what_was_rolled_back_is_never_sent(
    run: Callable[[Work], Any], make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)

    async def work(engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session:
            with pytest.raises(NoMatter):
                async with session.begin():
                    await hooks.apublish(PATH, "update", "rolled back", connection=session)
                    raise NoMatter
            await hooks.apublish(PATH, "update", "never committed", connection=session)
        await hooks.apublish(PATH, "update", "kept")
        await hooks.aflush(10)

    run(work)
    assert data_of(receiver) == ["kept"]
    assert hooks.stats()["outbox"] == 0


def test_what_a_savepoint_took_back_is_never_sent(
    run: Callable[[Work], Any], make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)

    async def work(engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session, session.begin():
            await hooks.apublish(PATH, "update", "before", connection=session)
            with pytest.raises(NoMatter):
                async with session.begin_nested():
                    await hooks.apublish(PATH, "update", "taken back", connection=session)
                    raise NoMatter
            async with session.begin_nested():
                await hooks.apublish(PATH, "update", "released", connection=session)
        await hooks.aflush(10)

    run(work)
    assert sorted(data_of(receiver)) == ["before", "released"]


def test_an_idempotency_key_is_known_within_the_transaction(
    run: Callable[[Work], Any], make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)

    async def work(engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session, session.begin():
            for duplicate in (False, True):
                published = await hooks.apublish(
                    PATH, "update", 1, connection=session, idempotency_key="once"
                )
                assert published.duplicate is duplicate
        assert (await hooks.aflush(10)).delivered == 1

    run(work)


def test_sessions_publish_side_by_side(
    run: Callable[[Work], Any], make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    subscribe(hooks)

    async def work(engine: AsyncEngine) -> None:
        async def one(n: int) -> None:
            async with AsyncSession(engine) as session, session.begin():
                await hooks.apublish(PATH, "update", n, connection=session)

        await asyncio.gather(*(one(n) for n in range(20)))
        assert (await hooks.aflush(20)).complete

    run(work)
    assert sorted(data_of(receiver)) == list(range(20))


def test_an_event_of_another_database_is_refused(make: Make, tmp_path: Path) -> None:
    hooks = make()

    async def work() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}")
        async with AsyncSession(engine) as session:
            with pytest.raises(ConfigurationError, match="another database"):
                await hooks.apublish(PATH, "update", connection=session)
        await engine.dispose()

    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        asyncio.run(work())


def test_a_deferred_transaction_that_has_only_read_is_refused(make: Make, database: Path) -> None:
    hooks: Dispatcher = make()  # a dispatcher may be writing when it is looked who does

    async def work() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{database}")

        @event.listens_for(engine.sync_engine, "connect")
        def leave_it_to_us(connection: Any, _: Any) -> None:
            connection.isolation_level = None

        async with AsyncSession(engine) as session:
            await session.execute(text("begin"))
            with pytest.raises(ConfigurationError, match="DEFERRED"):
                await hooks.apublish(PATH, "update", connection=session)
        await engine.dispose()

    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        asyncio.run(work())
