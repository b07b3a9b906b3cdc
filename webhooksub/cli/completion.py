"""``completion``: what a shell needs to complete our commands."""

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_WEBHOOKSUB_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and options.

    For bash: eval "$(webhooksub completion bash)", in ~/.bashrc.
    """
    root = click.get_current_context().find_root()
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(root.command, {}, "webhooksub", _VARIABLE).source())
