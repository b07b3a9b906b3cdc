"""``flask webhooksub …``: the command line, on the app's own store."""

import contextlib

import click
from flask.cli import with_appcontext
from sqlalchemy.engine import make_url

from ...cli import Commands, main
from ...cli.host import Host, commands_of
from ...cli.worker import deliver, health_option
from ...running import listen
from .state import current_state

# They have a store of their own, know no authorizer, or are a shell's; `worker` is the app's.
_NOT_OF_AN_APP = ("completion", "demo", "serve", "worker")


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
@health_option
@with_appcontext
def worker(health: tuple[str, int] | None) -> None:
    """Deliver until SIGTERM or SIGINT; then what is under way ends, and the rest waits.

    Ends with 1 when the dispatcher stopped by itself.
    """
    state = current_state()
    with contextlib.ExitStack() as stack:
        listener = None if health is None else stack.enter_context(listen(*health))
        told = deliver(state.dispatcher, str(make_url(state.database())), listener)
    click.get_current_context().exit(0 if told else 1)
