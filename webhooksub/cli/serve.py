"""``serve``: the subscription API and the dispatcher in one process."""

import contextlib
import ipaddress
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..authorizer import allow_all
from ..claims import ClaimsAuthorizer
from ..errors import ConfigurationError
from ..running import listen, run, shown
from .dispatching import dispatcher_options, make_dispatcher
from .exits import Exit
from .identity import bearer_reader, identity_options, refuse_identity, take_identity
from .options import address, need_serving

_LOUD = """\
webhooksub: ##########################################################################
webhooksub: # --dev: EVERYBODY WHO REACHES THIS PORT MAY DO EVERYTHING, and webhooks #
webhooksub: # may go to this machine. For trying things out, and for nothing else.   #
webhooksub: ##########################################################################"""


@click.command()
@dispatcher_options
@click.option(
    "--listen",
    "where",
    type=address,
    default="127.0.0.1:8000",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to serve HTTP; TLS is a proxy's.",
)
@click.option("--base-path", default="", metavar="PATH", help="What a proxy took off the path.")
@click.option("--api-only", is_flag=True, help="A `webhooksub worker` delivers.")
@click.option("--dev", is_flag=True, help="Restrict nobody, on loopback, with a throwaway store.")
@identity_options
def serve(
    database: str,
    catalog: str | None,
    authorizer: str | None,
    where: tuple[str, int],
    base_path: str,
    api_only: bool,
    dev: bool,
    **options: Any,
) -> None:
    """Serve the subscription API, and deliver, until SIGTERM or SIGINT.

    /docs describes the API, /healthz and /readyz are for a supervisor. Every setting of the
    documentation is an option too, as --grace-ms 30000. Ends with 1 when the dispatcher
    stopped by itself.
    """
    serving = need_serving()
    identity = take_identity(options)
    if dev:
        refuse_identity()
    asks = None if dev else bearer_reader(**identity)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(*where))
        if dev:
            database = stack.enter_context(_development(listener, database))
        hooks = make_dispatcher(
            database,
            catalog,
            authorizer,
            options,
            otherwise=allow_all if dev else ClaimsAuthorizer(),
            dev=dev,
        )
        app = serving.api_application(hooks, asks, delivers=not api_only, local=dev)
        server = serving.HttpServer(app, listener, base_path=base_path)

        def begin() -> None:
            server.start()
            what = "serving" if api_only else f"delivering from {database} and serving"
            click.echo(f"webhooksub: {what} http://{shown(server.address)}/docs", err=True)

        told = run(hooks, delivers=not api_only, begin=begin, end=server.stop)
    click.get_current_context().exit(Exit.of(told))


@contextlib.contextmanager
def _development(listener: socket.socket, database: str) -> Iterator[str]:
    """The store: the one named, or one that goes when this does. Raises ConfigurationError
    where others than this machine could ask."""
    host = listener.getsockname()[0]
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        raise ConfigurationError(f"--dev restricts nobody: it serves loopback alone, not {host}")
    click.echo(_LOUD, err=True)
    source = click.get_current_context().get_parameter_source("database")
    if source is not ParameterSource.DEFAULT:
        yield database
        return
    with tempfile.TemporaryDirectory(prefix="webhooksub-dev-") as folder:
        click.echo("webhooksub: --dev: what is stored goes when this ends", err=True)
        yield f"sqlite:///{Path(folder) / 'hooks.db'}"
