"""What ``serve`` and ``worker`` have in common: their options, and the dispatcher of them."""

from collections.abc import Mapping

from ..authorizer import Authorizer, allow_all
from ..dispatcher import Dispatcher
from .options import (
    Command,
    authorizer_named,
    authorizer_option,
    catalog_named,
    catalog_option,
    configured,
    database_option,
    settings_options,
)


def dispatcher_options(command: Command) -> Command:
    """The store, the service's catalog and authorizer, and every setting."""
    for option in (settings_options, authorizer_option, catalog_option, database_option):
        command = option(command)
    return command


def make_dispatcher(
    database: str,
    catalog: str | None,
    authorizer: str | None,
    settings: Mapping[str, str | None],
    *,
    otherwise: Authorizer = allow_all,
    dev: bool = False,
) -> Dispatcher:
    """Not started. `otherwise`: the authorizer where the options name none."""
    return Dispatcher(
        database,
        authorizer=authorizer_named(authorizer) if authorizer else otherwise,
        catalog=catalog_named(catalog),
        config=configured(settings),
        dev=dev,
    )
