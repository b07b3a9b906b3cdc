"""Options that several commands share, and the store that they name."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from .. import catalogs
from ..authorizer import Authorizer, allow_all
from ..config import SECRET_SETTINGS, Config
from ..dispatcher import Dispatcher, system_clock
from ..errors import ConfigurationError
from ..store import Store, open_store
from .host import current_host

Command = Callable[..., Any]

_PORT_MAX = 65_535
# What an authorizer is asked.
_ASKED = ("allows", "roots", "owner_id", "still_allowed")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}

database_option: Callable[[Command], Command] = click.option(
    "--database",
    metavar="URL",
    envvar="WEBHOOKSUB_DATABASE",
    default="sqlite:///hooks.db",
    show_default=True,
    show_envvar=True,
    help="The store.",
)
json_option: Callable[[Command], Command] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON."
)
catalog_option: Callable[[Command], Command] = click.option(
    "--catalog", metavar="MODULE:NAME", help="The service's catalog.  [default: SideDrawer's]"
)
authorizer_option: Callable[[Command], Command] = click.option(
    "--authorizer", metavar="MODULE:NAME", help="Says who may subscribe to what, and may still."
)


def settings_options(command: Command) -> Command:
    """Every setting by its own name; too many for the help, docs/configuration.md has them."""
    for name in reversed(Config().flat()):
        if name in SECRET_SETTINGS:
            continue
        command = click.option("--" + name.replace("_", "-"), name, hidden=True)(command)
    return command


def configured(options: Mapping[str, str | None]) -> Config:
    """The host's or the environment's, then the options that were given."""
    given = {name: value for name, value in options.items() if value is not None}
    return settings().replace(**given)


def check_exists(database: str) -> None:
    """Looking makes no file. Raises ConfigurationError when there is no such store."""
    try:
        url = make_url(database)
    except ArgumentError:
        raise _no_url(database) from None
    if url.drivername == "memory":
        raise ConfigurationError("a store in memory is seen by its own process only")
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise ConfigurationError(
            f"there is no database {url.database}: name it by --database or WEBHOOKSUB_DATABASE"
        )


def absolute(database: str) -> str:
    """The same file from any directory."""
    try:
        url = make_url(database)
    except ArgumentError:
        raise _no_url(database) from None
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return database
    path = Path(url.database or "").absolute()
    return url.set(database=str(path)).render_as_string(hide_password=False)


def _no_url(database: str) -> ConfigurationError:
    return ConfigurationError(
        f"no database URL: {database!r} (sqlite:///hooks.db or postgresql://user@host/name is one)"
    )


def need_serving() -> ModuleType:
    """The module of the extra ``serve``. Raises ConfigurationError where it is not installed."""
    try:
        return import_module("webhooksub.serving")
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("jwt", "starlette", "uvicorn"):
            raise
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'webhooksub[serve]'"
        ) from None


def settings() -> Config:
    """The host's, or those of the environment."""
    host = current_host()
    return Config.from_env() if host is None else host.config


def host_catalog() -> catalogs.Catalog:
    """The host's, or SideDrawer's."""
    host = current_host()
    return catalogs.SIDEDRAWER if host is None else host.catalog


@contextlib.contextmanager
def existing_store(database: str) -> Iterator[Store]:
    """An open store that was there before."""
    check_exists(database)
    store = open_store(database, settings().store, system_clock)
    try:
        store.open()
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def publisher(database: str, catalog: str | None = None) -> Iterator[Dispatcher]:
    """A dispatcher that is not started, on a store that was there before."""
    check_exists(database)
    known = catalog_named(catalog)
    hooks = Dispatcher(database, authorizer=allow_all, catalog=known, config=settings())
    try:
        yield hooks
    finally:
        hooks.close()


def catalog_named(name: str | None) -> catalogs.Catalog:
    """That of ``MODULE:NAME``; None: the host's."""
    if name is None:
        return host_catalog()
    found = named(name, "--catalog")
    if not isinstance(found, catalogs.Catalog):
        raise click.BadParameter(f"{name} is no Catalog", param_hint="--catalog")
    return found


def authorizer_named(name: str) -> Authorizer:
    """That of ``MODULE:NAME``."""
    found = named(name, "--authorizer")
    missing = [method for method in _ASKED if not callable(getattr(found, method, None))]
    if missing:
        text = f"{name} is no Authorizer: it has no {', '.join(missing)}"
        raise click.BadParameter(text, param_hint="--authorizer")
    authorizer: Authorizer = found
    return authorizer


def named(name: str, option: str) -> Any:
    """What ``MODULE:NAME`` names. Raises BadParameter for `option`."""
    module, _, attribute = name.partition(":")
    sys.path.insert(0, "")  # the service's own module, from where it is started
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise click.BadParameter(f"{name}: {error}", param_hint=option) from None


def address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[::1]:PORT``."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _PORT_MAX:
        raise click.BadParameter(f"{text!r} is no HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def moment(text: str) -> datetime:
    """RFC 3339 with an offset, or an age: ``30d``, ``12h``, ``90m``, ``45s``."""
    unit = _UNITS.get(text[-1:])
    try:
        if unit and text[:-1].isdecimal():
            return datetime.now(UTC) - timedelta(**{unit: int(text[:-1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is neither an age (30d, 12h) nor a date-time") from None
    if found.tzinfo is None:
        raise click.BadParameter(f"{text!r} has no offset: add Z or +01:00")
    return found
