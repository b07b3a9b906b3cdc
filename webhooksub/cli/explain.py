"""``explain``: why does a subscription hear a change, or not? Why did it not get that event?"""

from typing import Any

import click

from ..events import Explanation, format_moment
from .lists import naming
from .options import catalog_option, database_option, json_option, publisher
from .output import Screen

_HEADINGS = ("subscription", "hears", "code", "reason")
_ACTIONS = click.Choice(["create", "update", "delete"])


@click.command()
@click.argument("path", required=False, metavar="PATH")
@click.argument("action", required=False, type=_ACTIONS, metavar="ACTION")
@database_option
@json_option
@click.option("--subscription", metavar="ID", help="Of this one, else of all under the root.")
@click.option("--event", metavar="ID", help="Of this event, which says path and action itself.")
@catalog_option
def explain(
    path: str | None,
    action: str | None,
    database: str,
    as_json: bool,
    subscription: str | None,
    event: str | None,
    catalog: str | None,
) -> None:
    """Say why subscriptions hear a change of PATH, or do not; or why one got no EVENT.

    The words are those that may be shown to the subscription's owner.
    """
    if event is None and (path is None or action is None):
        raise click.UsageError("name the change, PATH and ACTION, or an --event")
    with publisher(database, catalog) as hooks, naming(path="PATH", action="ACTION"):
        if event is not None:
            with naming(what="--event"):
                hooks.event(event)
        if subscription is not None:
            with naming(what="--subscription"):
                hooks.subscription(subscription)
        found = hooks.explain(path, action, subscription=subscription, event=event)
    rows = [(e.subscription_id, e.hears, e.code, e.reason) for e in found]
    with Screen(as_json) as screen:
        screen.table({"data": [_document(e) for e in found]}, _HEADINGS, rows)
        if not found:
            screen.note("nobody subscribed to anything under this root")


def _document(row: Explanation) -> dict[str, Any]:
    return {
        "subscriptionId": row.subscription_id,
        "hears": row.hears,
        "code": row.code,
        "reason": row.reason,
        "attempts": row.attempts,
        "httpStatus": row.http_status,
        "until": None if row.until is None else format_moment(row.until),
    }
