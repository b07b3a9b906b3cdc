"""``webhooksub …``: what an operator does with a store.

Exit codes: 0 all is well; 1 something was lost or is unhealthy, or the store did not
answer; 2 the command or a setting is wrong.
"""

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
from .demo import demo
from .doctor import doctor
from .keys import rotate_keys
from .moving import export, import_, purge
from .sendtest import send_test
from .serve import serve
from .store import migrate, prune, replay, status
from .worker import worker

_WRONG = (ConfigurationError, NotFound, UnknownResource, ValidationError)


class Commands(click.Group):
    """Tells the library's errors in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WebhooksubError as error:
            click.echo(f"webhooksub: {error}", err=True)
            ctx.exit(2 if isinstance(error, _WRONG) else 1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="webhooksub")
def main() -> None:
    """Looks after a webhooksub store.

    Exit codes: 0 all is well, 1 something was lost or is unhealthy, 2 the command or a
    setting is wrong.
    """
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)


for _command in (demo, migrate, status, replay, prune, send_test, doctor, serve, worker):
    main.add_command(_command)
for _command in (export, import_, purge, rotate_keys):
    main.add_command(_command)
