"""``flask webhooksub …``: the command line, on the app's own store."""

import signal
import threading

import click
from flask.cli import with_appcontext

from ...cli import Commands, main
from ...cli.host import Host, commands_of
from .state import current_state

# They have a store of their own, or know no authorizer; `worker` is the app's.
_NOT_OF_AN_APP = ("demo", "serve", "worker")


def make_commands() -> click.Group:
    """The group that an app gets."""
    offered = {n: c for n, c in main.commands.items() if n not in _NOT_OF_AN_APP}
    commands = commands_of(offered, _host)
    for command in commands.values():
        assert command.callback is not None
        command.callback = with_appcontext(command.callback)
    commands["worker"] = worker
    return Commands("webhooksub", commands=commands, help="Looks after this app's webhooks.")


def _host() -> Host:
    state = current_state()
    return Host(state.database(), state.catalog, state.config())


@click.command()
@with_appcontext
def worker() -> None:
    """Deliver until SIGTERM or Ctrl-C; then what is under way ends, the rest waits."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with current_state().dispatcher as dispatcher:
        click.echo(f"{dispatcher!r}")
        ended.wait()
    click.echo(f"{dispatcher!r}")
