"""One sequence of migrations, whoever runs them: Django or the command line."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections
from sqlalchemy import Connection

from webhooksub import ConfigurationError, Dispatcher, allow_all
from webhooksub.contrib.django import hooks, schema
from webhooksub.store import migrations
from webhooksub.store.schema import metadata


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A database in which nothing ran yet."""
    connection.close()
    path = tmp_path / "empty.sqlite3"
    connection.settings_dict["NAME"] = str(path)
    return path


def tables() -> set[str]:
    connection.close()
    return {name for name in connection.introspection.table_names() if "webhooksub_" in name}


def rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        return list(cursor.execute(sql).fetchall())


ALL = set(metadata.tables)


def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "webhooksub", check=True, dry_run=True, verbosity=0)


def test_django_makes_what_the_command_line_makes(empty: Path, tmp_path: Path) -> None:
    call_command("migrate", verbosity=0)
    assert tables() == ALL
    sql = "SELECT type, name, sql FROM sqlite_master WHERE name LIKE 'webhooksub%' ORDER BY 2"
    django_made = rows(sql)
    connection.close()
    alone = tmp_path / "alone.db"
    Dispatcher(f"sqlite:///{alone}", authorizer=allow_all).close()
    connection.settings_dict["NAME"] = str(alone)
    assert rows(sql) == django_made


def test_what_the_command_line_made_is_left_as_it_is(empty: Path) -> None:
    connection.ensure_connection()  # in WAL mode, as a host's file must be
    connection.close()
    made = Dispatcher(f"sqlite:///{empty}", authorizer=allow_all)
    made.close()
    [(store_id,)] = rows("SELECT value FROM webhooksub_meta WHERE key = 'store_id'")
    call_command("migrate", verbosity=0)
    assert rows("SELECT value FROM webhooksub_meta WHERE key = 'store_id'") == [(store_id,)]


def test_a_later_step_runs_once_and_not_while_somebody_delivers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def upgrade(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE webhooksub_added (x)")

    step = SimpleNamespace(MIN_READER=1, upgrade=upgrade)
    hooks.start()
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, step])
    number = len(migrations.STEPS)
    with pytest.raises(ConfigurationError, match="another dispatcher"):
        run(schema.Step(number))
    hooks.close(0)
    run(schema.Step(number))
    run(schema.Step(number))
    assert "webhooksub_added" in tables()
    assert rows("SELECT value FROM webhooksub_meta WHERE key = 'schema_version'") == [
        (str(number),)
    ]


def test_a_step_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def upgrade(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE webhooksub_added (x)")
        raise ZeroDivisionError

    step = SimpleNamespace(MIN_READER=1, upgrade=upgrade)
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, step])
    with pytest.raises(ZeroDivisionError):
        run(schema.Step(len(migrations.STEPS)))
    assert "webhooksub_added" not in tables()


def run(step: schema.Step) -> None:
    """As Django's executor does."""
    with connection.schema_editor(atomic=True) as editor:
        step.database_forwards("webhooksub", editor, None, None)


def test_an_older_store_is_refused_naming_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    step = SimpleNamespace(MIN_READER=1, upgrade=lambda connection: None)
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, step])
    with pytest.raises(ConfigurationError, match=r"`manage\.py migrate`"):
        hooks.stats()


def test_migrating_to_zero_takes_the_tables_away_and_back(shop: Any) -> None:
    call_command("migrate", "webhooksub", "zero", verbosity=0)
    assert tables() == set()
    call_command("migrate", "webhooksub", verbosity=0)
    assert tables() == ALL


def test_lending_a_connection_leaves_djangos_functions_in_place() -> None:
    ask = "SELECT 'ab' REGEXP 'B', 'ab' REGEXP '(?i)B', NULL REGEXP 'x'"
    before = rows(ask)
    with schema.lent(connection) as lent:
        assert migrations.version(lent) == migrations.latest()
    assert rows(ask) == before
    assert connection.is_usable()


def test_another_database_gets_no_tables(empty: Path, settings: Any) -> None:
    settings(WEBHOOKSUB={"authorizer": allow_all, "alias": "other"})
    call_command("migrate", verbosity=0, skip_checks=True)
    assert tables() == set()


NO_MIGRATIONS = """
from config.settings import *
MIGRATION_MODULES = {"webhooksub": None, "shop": None}
"""


def test_a_test_run_without_migrations_has_the_tables(tmp_path: Path) -> None:
    (tmp_path / "nomigrations.py").write_text(NO_MIGRATIONS)
    environ = os.environ | {
        "DJANGO_SETTINGS_MODULE": "nomigrations",
        "PYTHONPATH": ":".join([str(tmp_path), *sys.path]),
    }
    command = [sys.executable, "-m", "django", "test", "shop"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "OK" in done.stderr


def test_all_connections_of_a_test_are_closed_by_it() -> None:
    assert [wrapper.alias for wrapper in connections.all()] == ["default"]


# --- a database of their own -----------------------------------------------------------

APART = """
from config.settings import *
DATABASES["hooks"] = DATABASES["default"] | {"NAME": BASE_DIR_OF_TEST / "hooks.sqlite3"}
DATABASES["default"] = DATABASES["default"] | {"OPTIONS": {}}
WEBHOOKSUB = WEBHOOKSUB | {"alias": "hooks"}
"""
PUBLISH = """
import django; django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections, transaction
from shop.models import Order, Shop
from webhooksub import ConfigurationError
from webhooksub.contrib.django import hooks
from webhooksub.contrib.django.models import Event
call_command("check")
call_command("migrate", verbosity=0)
call_command("migrate", "webhooksub", database="hooks", verbosity=0)
made = [set(connections[a].introspection.table_names()) for a in ("default", "hooks")]
print(*["webhooksub_event" in tables for tables in made])
user = get_user_model().objects.create_user("ann")
with transaction.atomic():
    shop = Shop.objects.create(name="Books", owner=user)
    transaction.on_commit(lambda: hooks.publish(f"shop/{shop.pk}/order/1", "update"))
    print(Event.objects.count())
print(Event.objects.count())
try:
    Order.objects.create(shop=shop, total=1)
except ConfigurationError as error:
    print(error)
print(Order.objects.count())
"""


def test_webhooks_may_have_a_database_of_their_own(tmp_path: Path) -> None:
    text = APART.replace("BASE_DIR_OF_TEST", f"__import__('pathlib').Path({str(tmp_path)!r})")
    (tmp_path / "apart.py").write_text(text)
    environ = os.environ | {
        "DJANGO_SETTINGS_MODULE": "apart",
        "SHOP_DATABASE": str(tmp_path / "service.sqlite3"),
        "PYTHONPATH": ":".join([str(tmp_path), *sys.path]),
    }
    command = [sys.executable, "-W", "ignore:no dispatcher", "-c", PUBLISH]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100)
    said = done.stdout.splitlines()
    assert said[1:4] == ["False True", "0", "1"], done.stdout + done.stderr
    assert "on_commit" in said[4]
    assert said[5] == "0", "the order that could not be told is not saved"
