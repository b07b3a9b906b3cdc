"""``worker``: the dispatcher alone, for a service whose processes only publish."""

import contextlib
import socket
from collections.abc import Callable

import click

from ..dispatcher import Dispatcher
from ..running import listen, run, shown
from .dispatching import dispatcher_options, make_dispatcher
from .exits import Exit
from .options import Command, address, need_serving

health_option: Callable[[Command], Command] = click.option(
    "--health",
    type=address,
    metavar="HOST:PORT",
    help="Answer /healthz, /readyz, /metrics.",
)


@click.command()
@dispatcher_options
@health_option
def worker(
    database: str,
    catalog: str | None,
    authorizer: str | None,
    health: tuple[str, int] | None,
    **settings: str | None,
) -> None:
    """Deliver what other processes publish, until SIGTERM or SIGINT.

    Every setting of the documentation is an option too, as --grace-ms 30000. Ends with 1 when
    the dispatcher stopped by itself.
    """
    with contextlib.ExitStack() as stack:
        listener = None if health is None else stack.enter_context(listen(*health))
        # Nobody subscribes here: the authorizer is asked who may still receive.
        hooks = make_dispatcher(database, catalog, authorizer, settings)
        told = deliver(hooks, database, listener)
    click.get_current_context().exit(Exit.of(told))


def deliver(hooks: Dispatcher, database: str, listener: socket.socket | None) -> bool:
    """Until told to end; False when the dispatcher stopped by itself."""

    def begin() -> None:
        click.echo(f"webhooksub: delivering from {database}", err=True)

    if listener is None:
        return run(hooks, begin=begin)
    serving = need_serving()
    routes = [*serving.health_routes(hooks), *serving.metrics_routes(hooks)]
    server = serving.HttpServer(serving.application(routes), listener)

    def begin_with_health() -> None:
        server.start()
        click.echo(f"webhooksub: health at http://{shown(server.address)}/readyz", err=True)
        begin()

    return run(hooks, begin=begin_with_health, end=server.stop)
