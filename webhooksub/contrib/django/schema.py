"""The store's migrations, run by Django's.

There is one sequence: Django's migration n runs step n of the store, which does nothing in a
store that is as far already, whoever brought it there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from ...dispatcher import system_clock
from ...errors import ConfigurationError
from ...store import dispatchers, migrations
from ...store.lock import DispatcherLock
from ...store.schema import metadata
from . import database, settings


class Lent:
    """Django's connection in SQLAlchemy's hands, which may end neither it nor its transaction,
    nor replace the functions that Django gave it."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def _leave(self, *_: Any, **__: Any) -> None:
        """Django's business."""

    commit = rollback = close = create_function = _leave


@contextmanager
def lent(wrapper: Any) -> Iterator[Connection]:
    """Django's connection, as the store's migrations want it."""
    database.check_vendor(wrapper)
    wrapper.ensure_connection()
    given: dict[str, Any] = {"creator": lambda: Lent(wrapper.connection), "poolclass": NullPool}
    if database.on_server(wrapper):
        # Its types are not asked for: that would be done with the connection itself.
        engine = create_engine("postgresql+psycopg://", use_native_hstore=False, **given)
    else:
        engine = create_engine("sqlite://", **given)
    with engine.connect() as connection:
        yield connection


class Step(Operation):
    """Runs one step of the store's migrations."""

    reversible = True
    reduces_to_sql = False

    def __init__(self, number: int) -> None:
        self.number = number

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The models' states stand beside it."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        wrapper = schema_editor.connection
        if wrapper.alias == settings.alias():
            with lent(wrapper) as connection, _alone(wrapper, connection, self.number):
                migrations.run(connection, self.number)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """From the first step to nothing: all tables go."""
        wrapper = schema_editor.connection
        if wrapper.alias == settings.alias():
            with lent(wrapper) as connection, _alone(wrapper, connection, 0):
                metadata.drop_all(connection)

    def describe(self) -> str:
        return f"Run step {self.number} of webhooksub's own migrations"


@contextmanager
def _alone(wrapper: Any, connection: Connection, number: int) -> Iterator[None]:
    """While nobody delivers, where there is something to change."""
    found = migrations.version(connection)
    if database.in_memory(wrapper) or found is None or found >= number > 0:
        yield
        return
    if database.on_server(wrapper):
        least = migrations.STEPS[number - 1].MIN_READER if number else migrations.latest() + 1
        _check_dispatchers(connection, found, least)
        yield
        return
    lock = DispatcherLock(str(database.path_of(wrapper)))
    lock.acquire({"migrate": wrapper.alias})
    try:
        yield
    finally:
        lock.release()


def _check_dispatchers(connection: Connection, found: int, min_reader: int) -> None:
    """Raises ConfigurationError when somebody delivers who could not use the result."""
    if found >= min_reader:
        return
    since = system_clock() - settings.read().config.store.takeover_ms
    if holders := dispatchers.describe_alive(connection, since):
        raise ConfigurationError(f"somebody delivers: {'; '.join(holders)}")


def make_without_migrations(*, using: str, **_: Any) -> None:
    """After ``migrate`` in a test run that was told to run no migrations."""
    module, _explicit = MigrationLoader.migrations_module("webhooksub")
    if module is not None or using != settings.alias():
        return
    with lent(connections[using]) as connection:
        for number in range(1, migrations.latest() + 1):
            migrations.run(connection, number)


def check_tables(wrapper: Any) -> None:
    """Raises ConfigurationError unless the schema is one that this code can use."""
    with lent(wrapper) as connection:
        found = migrations.version(connection) or 0
        if found < migrations.latest():
            raise ConfigurationError(
                f"the tables of webhooksub in the database {wrapper.alias!r} have version "
                f"{found}, this webhooksub needs {migrations.latest()}: run `manage.py migrate`"
            )
        migrations.check(connection)
