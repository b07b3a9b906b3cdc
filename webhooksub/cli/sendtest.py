"""``send-test``: does an endpoint take a notification?"""

from contextlib import closing
from typing import Any

import click

from ..authorizer import allow_all
from ..dispatcher import Dispatcher
from .options import check_exists, database_option, host_catalog, json_option, settings
from .output import Screen


@click.command(name="send-test")
@click.argument("target", metavar="URL | SUBSCRIPTION")
@database_option
@json_option
@click.option("--dev", is_flag=True, help="Loopback addresses and any port are open.")
def send_test(target: str, database: str, as_json: bool, dev: bool) -> None:
    """Send a test notification, which is no event and is not kept.

    A subscription gets it in its own words: signed with its key, with its headers. Ends with
    1 when it was not delivered.
    """
    with _publisher(target, database, dev) as hooks:
        result = hooks.send_test(target)
    data = {
        "result": result.public,
        "outcome": result.outcome.name.lower(),
        "http_status": result.http_status,
        "duration_ms": result.duration_ms,
        "address": result.address,
    }
    rows = [(name.replace("_", " "), value) for name, value in data.items()]
    with Screen(as_json) as screen:
        screen.answer(data, rows)
    click.get_current_context().exit(0 if result.public == "delivered" else 1)


def _publisher(target: str, database: str, dev: bool) -> closing[Dispatcher]:
    """For a URL nothing is looked up, and no store needs to be there."""
    known: dict[str, Any] = {"config": settings(), "catalog": host_catalog()}
    if "://" in target:
        return closing(Dispatcher.in_memory(authorizer=allow_all, dev=dev, **known))
    check_exists(database)
    return closing(Dispatcher(database, authorizer=allow_all, dev=dev, **known))
