"""The database that has the tables: what kind it is, and whether its connections are fit.

PostgreSQL's are, by psycopg 3. SQLite only allows one writer. Django's transactions are deferred
unless told otherwise, and such a one that has read cannot write once somebody else wrote: with a
dispatcher beside it the host's own saves would fail. So ``IMMEDIATE`` and WAL are asked for, by
the checks of ``manage.py check`` and again where an event is written.
"""

from pathlib import Path
from typing import Any

from django.db import connections
from django.utils.connection import ConnectionDoesNotExist
from sqlalchemy import URL

from ... import ConfigurationError
from . import settings

#: What DATABASES[alias]["OPTIONS"] needs for SQLite, as the documents show it.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0",
}

# OPTIONS of Django's own for PostgreSQL, which are none of libpq.
_DJANGOS_OPTIONS = frozenset(
    ("isolation_level", "assume_role", "server_side_binding", "pool", "prepare_threshold")
)

#: Said where the database cannot hold the tables.
UNFIT = (
    "webhooksub keeps its tables in SQLite or, by psycopg 3, in PostgreSQL; the database {alias!r} "
    "is {vendor}. Give it a SQLite file of its own: name it in DATABASES and as "
    'WEBHOOKSUB = {{"alias": …}}, and publish in transaction.on_commit (see “Other databases” in '
    "docs/django.md)"
)


def connection() -> Any:
    """This thread's connection to the database that has the tables. Raises
    ConfigurationError for an alias that is not in DATABASES."""
    try:
        return connections[settings.alias()]
    except ConnectionDoesNotExist as error:
        raise ConfigurationError(f"{settings.NAME}: alias: {error}") from None


def check_vendor(wrapper: Any) -> None:
    """Raises ConfigurationError unless the tables can be there."""
    if wrapper.vendor == "sqlite" or on_server(wrapper):
        return
    driver = wrapper.Database.__name__
    vendor = f"{wrapper.display_name} by {driver}"
    raise ConfigurationError(UNFIT.format(alias=wrapper.alias, vendor=vendor))


def on_server(wrapper: Any) -> bool:
    """It is PostgreSQL, by a driver whose connections we can join."""
    return bool(wrapper.vendor == "postgresql" and wrapper.Database.__name__ == "psycopg")


def in_memory(wrapper: Any) -> bool:
    """The database of a test run: no other connection sees it."""
    return bool(wrapper.vendor == "sqlite" and wrapper.is_in_memory_db())


def path_of(wrapper: Any) -> Path:
    """The file. Raises ConfigurationError for a URI."""
    name = str(wrapper.settings_dict["NAME"])
    if name.startswith("file:"):
        raise ConfigurationError(f"name the SQLite file of {wrapper.alias!r} by its path, no URI")
    return Path(name).absolute()


def store_url(wrapper: Any) -> str:
    """For :class:`webhooksub.Dispatcher`. Raises ConfigurationError."""
    check_vendor(wrapper)
    if in_memory(wrapper):
        return "memory://"
    if on_server(wrapper):
        return _server_url(wrapper)
    return URL.create("sqlite", database=str(path_of(wrapper))).render_as_string()


def _server_url(wrapper: Any) -> str:
    """As Django connects, but for what it sets in its own sessions."""
    given = wrapper.settings_dict
    host, port = given["HOST"], given["PORT"]
    options = {
        name: str(value)
        for name, value in given.get("OPTIONS", {}).items()
        if isinstance(value, str | int) and name not in _DJANGOS_OPTIONS
    }
    if host.startswith("/"):
        options["host"], host = host, ""
    url = URL.create(
        "postgresql+psycopg",
        username=given["USER"] or None,
        password=given["PASSWORD"] or None,
        host=host or None,
        port=int(port) if port else None,
        database=given["NAME"],
        query=options,
    )
    return url.render_as_string(hide_password=False)


def missing_options(options: dict[str, Any]) -> dict[str, str]:
    """What OPTIONS of a SQLite database lacks: ``transaction_mode``, ``init_command``."""
    mode = options.get("transaction_mode") or "DEFERRED"
    lacks = {}
    if str(mode).upper() not in ("IMMEDIATE", "EXCLUSIVE"):
        lacks["transaction_mode"] = f"is {mode}"
    words = str(options.get("init_command", "")).replace(" ", "").lower()
    if "journal_mode=wal" not in words:
        lacks["init_command"] = "does not set journal_mode=WAL"
    return lacks


def check_mode(wrapper: Any) -> None:
    """Raises ConfigurationError where a transaction that reads first could not write."""
    wrapper.ensure_connection()
    if on_server(wrapper):
        return
    if not in_memory(wrapper) and wrapper.transaction_mode not in ("IMMEDIATE", "EXCLUSIVE"):
        raise ConfigurationError(
            f'DATABASES[{wrapper.alias!r}][\'OPTIONS\'] needs "transaction_mode": "IMMEDIATE": '
            "a deferred transaction fails as soon as somebody else writes"
        )
