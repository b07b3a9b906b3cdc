"""What the service around the command line knows already: its store and its catalog.

A framework that offers our commands among its own makes them by :func:`commands_of`; nobody
names ``--database`` or ``--catalog`` there.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click

from ..catalogs import Catalog
from ..config import Config


@dataclass(frozen=True, slots=True)
class Host:
    """Stands in the context of a command (``find_object``) when a service runs it."""

    database: str
    catalog: Catalog
    config: Config


def current_host() -> Host | None:
    """Of the command that is running; None at ``webhooksub …``."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.find_object(Host)


def commands_of(
    commands: Mapping[str, click.Command], host: Callable[[], Host]
) -> dict[str, click.Command]:
    """The same commands with the host's store in place of the option ``--database``.

    `host` is asked when a command runs, in the framework's own context.
    """
    return {name: _hosted(command, host) for name, command in commands.items()}


def _hosted(command: click.Command, host: Callable[[], Host]) -> click.Command:
    hosted = copy.copy(command)
    if isinstance(hosted, click.Group):
        hosted.commands = commands_of(hosted.commands, host)
        return hosted
    hosted.params = [p for p in command.params if p.name not in ("database", "catalog")]
    dropped = {p.name for p in command.params} - {p.name for p in hosted.params}
    inner = command.callback
    assert inner is not None

    def run(**given: object) -> object:
        known = host()
        click.get_current_context().obj = known
        given |= {"database": known.database} if "database" in dropped else {}
        given |= {"catalog": None} if "catalog" in dropped else {}
        return inner(**given)

    hosted.callback = run
    return hosted
