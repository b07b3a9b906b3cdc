"""``manage.py webhooksub worker``: the process that delivers.

It uses the service's own dispatcher, with its authorizer, its encoder and its signals.
SIGTERM and SIGINT make it drain: nothing more starts, attempts under way get `grace_ms`, and
what is left stays in the store for the next one.
"""

import signal
import threading
from types import FrameType

import click

from .dispatcher import DjangoDispatcher, current

# How often it looks whether it still delivers.
_LOOK_SECONDS = 0.5


@click.command()
def worker() -> None:
    """Deliver until SIGTERM, then drain."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    hooks = current()
    try:
        hooks.start()
        click.echo(f"delivering from {hooks.database_name}", err=True)
        fenced = wait(hooks, ended)
        click.echo("draining", err=True)
    finally:
        hooks.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    click.get_current_context().exit(1 if fenced else 0)


def wait(hooks: DjangoDispatcher, ended: threading.Event) -> bool:
    """Until it is told to end; True: another dispatcher took the work over."""
    while not ended.wait(_LOOK_SECONDS):
        if hooks.stats()["fenced"]:
            click.echo("another dispatcher delivers now", err=True)
            return True
    return False
