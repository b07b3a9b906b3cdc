"""``manage.py webhooksub worker``: the process that delivers.

It uses the service's own dispatcher, with its authorizer, its encoder and its signals.
"""

import socket
from contextlib import ExitStack

import click

from ...cli.worker import deliver, health_option
from ...running import listen
from .dispatcher import current


@click.command()
@health_option
def worker(health: tuple[str, int] | None) -> None:
    """Deliver what the project publishes, until SIGTERM or SIGINT; then drain.

    Nothing more starts, attempts under way get `grace_ms`, what is left waits in the database.
    Ends with 1 when the dispatcher stopped by itself.
    """
    with ExitStack() as stack:
        listener: socket.socket | None = None
        if health is not None:
            listener = stack.enter_context(listen(*health))
        hooks = current()
        told = deliver(hooks, hooks.database_name, listener)
    click.get_current_context().exit(0 if told else 1)
