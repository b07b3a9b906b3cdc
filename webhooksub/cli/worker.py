"""``worker``: the dispatcher alone, for a service whose processes only publish."""

import contextlib
import socket
from collections.abc import Callable

import click

from ..authorizer import allow_all
from ..dispatcher import Dispatcher
from ..running import listen, run, shown
from .options import (
    Command,
    address,
    authorizer_named,
    authorizer_option,
    catalog_named,
    catalog_option,
    configured,
    database_option,
    need_serving,
    settings_options,
)

health_option: Callable[[Command], Command] = click.option(
    "--health", type=address, metavar="HOST:PORT", help="Answer /healthz and /readyz there."
)


@click.command()
@database_option
@catalog_option
@authorizer_option
@health_option
@settings_options
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
        hooks = Dispatcher(
            database,
            # Nobody subscribes here: it is asked who may still receive.
            authorizer=authorizer_named(authorizer) if authorizer else allow_all,
            catalog=catalog_named(catalog),
            config=configured(settings),
        )
        told = deliver(hooks, database, listener)
    click.get_current_context().exit(0 if told else 1)


def deliver(hooks: Dispatcher, database: str, listener: socket.socket | None) -> bool:
    """Until told to end; False when the dispatcher stopped by itself."""

    def begin() -> None:
        click.echo(f"webhooksub: delivering from {database}", err=True)

    if listener is None:
        return run(hooks, begin=begin)
    serving = need_serving()
    server = serving.HttpServer(serving.application(serving.health_routes(hooks)), listener)

    def begin_with_health() -> None:
        server.start()
        click.echo(f"webhooksub: health at http://{shown(server.address)}/readyz", err=True)
        begin()

    return run(hooks, begin=begin_with_health, end=server.stop)
