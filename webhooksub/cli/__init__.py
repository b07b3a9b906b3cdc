"""``webhooksub …``: what an operator does with a store, and a developer with an endpoint."""

import logging
from typing import Any

import click

from ..errors import (
    ConfigurationError,
    NotFound,
    UnknownResource,
    ValidationError,
    WebhooksubError,
)
from ..version import __version__
from .catalog import catalog
from .completion import completion
from .deliveries import deliveries, show_delivery
from .demo import demo
from .doctor import doctor
from .events import events
from .exits import Exit, explained
from .explain import explain
from .keys import rotate_keys
from .listen import listen
from .moving import export, import_, purge
from .sendtest import send_test
from .serve import serve
from .store import migrate, prune, replay, status
from .subscriptions import subscriptions
from .worker import worker

_WRONG = (ConfigurationError, NotFound, UnknownResource, ValidationError)


class Commands(click.Group):
    """Tells the library's errors in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WebhooksubError as error:
            click.echo(f"webhooksub: {error}", err=True)
            ctx.exit(Exit.WRONG if isinstance(error, _WRONG) else Exit.UNWELL)
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(Exit.INTERRUPTED)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=f"Looks after a webhooksub store.\n\n{explained()}",
)
@click.version_option(__version__, prog_name="webhooksub")
def main() -> None:
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)


for _command in (
    *(demo, migrate, status, replay, prune, send_test, doctor, serve, worker),
    *(export, import_, purge, rotate_keys),
    *(subscriptions, events, deliveries, explain, listen, catalog, completion),
):
    main.add_command(_command)
# One delivery, under the name by which it is asked for.
main.add_command(show_delivery, "delivery")
