"""``manage.py webhooksub …``."""

import contextlib
import sys
from argparse import REMAINDER, ArgumentParser
from typing import Any

import click
from django.core.management.base import BaseCommand, CommandError

from ...checks import check_dev
from ...commands import make_commands

# Ctrl-C, as a shell has it.
_INTERRUPTED = 130


class Command(BaseCommand):
    """Hands everything behind its name to the command line."""

    help = "Looks after this project's webhooks: worker, status, replay, prune, …"
    # `status` and `doctor` are asked when something is wrong; `worker` asks by itself.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("arguments", nargs=REMAINDER, metavar="COMMAND …")

    def handle(self, *_: Any, **options: Any) -> None:
        """Raises SystemExit with the command's code unless it is 0."""
        arguments = list(options["arguments"]) or ["--help"]
        if arguments[0] == "worker":
            self.check()
            if wrong := check_dev():
                raise CommandError(wrong[0].msg)
        with self._standard_output():
            code = _run(arguments)
        if code:
            sys.exit(code)

    @contextlib.contextmanager
    def _standard_output(self) -> Any:
        """Where ``call_command`` wants it."""
        out: Any = self.stdout._out
        with contextlib.nullcontext() if out is sys.stdout else contextlib.redirect_stdout(out):
            yield


def _run(arguments: list[str]) -> int:
    try:
        answer = make_commands().main(
            arguments, prog_name="manage.py webhooksub", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _INTERRUPTED
    return answer if isinstance(answer, int) else 0
