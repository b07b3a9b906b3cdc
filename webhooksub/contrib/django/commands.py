"""``manage.py webhooksub …``: the command line, on the service's own database and settings."""

import click

from ...cli import Commands, main
from ...cli.host import Host, commands_of
from . import database, settings
from .worker import worker

# They have a store of their own, know no authorizer, or are a shell's; `worker` is the service's.
_NOT_OF_A_PROJECT = ("completion", "demo", "serve", "worker")


def make_commands() -> click.Group:
    """What the command line has, and `worker`, for this project."""
    offered = {n: c for n, c in main.commands.items() if n not in _NOT_OF_A_PROJECT}
    commands = commands_of(offered, _host)
    commands["worker"] = worker
    return Commands("webhooksub", commands=commands, help="Looks after this project's webhooks.")


def _host() -> Host:
    given = settings.read()
    return Host(database.store_url(database.connection()), given.catalog, given.config)
