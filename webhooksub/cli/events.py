"""``events``: what was published, and what became of it."""

from datetime import datetime
from typing import Any

import click

from ..events import Action, StoredEvent, format_moment
from .deliveries import HEADINGS, delivery_document, delivery_row
from .lists import naming, page_options, root_option, show_page, since_option, until_option
from .options import database_option, json_option, publisher
from .output import Screen

_ACTIONS = [action.name.lower() for action in Action if action is not Action.ANY]
_DELIVERIES = 100


@click.group()
def events() -> None:
    """What was published."""


@events.command("list")
@database_option
@json_option
@root_option(help="Under this root.")
@click.option("--action", type=click.Choice(_ACTIONS), help="What happened.")
@since_option
@until_option
@page_options
def list_events(
    database: str,
    as_json: bool,
    root: str | None,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
    cursor: str | None,
    limit: int,
) -> None:
    """List events, the newest first."""
    with publisher(database) as hooks, naming(cursor="--page"), Screen(as_json) as screen:
        page = hooks.event_page(
            root=root, action=action, since=since, until=until, cursor=cursor, limit=limit
        )
        rows = [_row(event) for event in page.items]
        shown = [_document(event) for event in page.items]
        show_page(screen, page, shown, ("id", "published", "action", "path"), rows)


@events.command("show")
@click.argument("id_", metavar="ID")
@database_option
@json_option
@click.option("--data", "only_data", is_flag=True, help="Print its data, byte for byte.")
def show_event(id_: str, database: str, as_json: bool, only_data: bool) -> None:
    """Show one event, and the deliveries of it."""
    if only_data and as_json:
        raise click.UsageError("--data prints what was published: it goes without --json")
    with publisher(database) as hooks, naming(what="ID"):
        event = hooks.event(id_)
        found = hooks.deliveries(event=id_, limit=_DELIVERIES)
    if only_data:
        click.echo(event.data or b"", nl=False)
        return
    text = None if event.data is None else event.data.decode()
    data = _document(event) | {
        "inOutbox": event.in_outbox,
        "data": text,
        "deliveries": [delivery_document(row) for row in found],
    }
    with Screen(as_json) as screen:
        screen.answer(
            data,
            [
                ("id", event.id),
                ("published", format_moment(event.published_at)),
                ("action", event.action),
                *(("path", path) for path in event.paths),
                ("who", event.open_id),
                ("in the outbox", event.in_outbox),
                ("data", text),
            ],
        )
        if found and not as_json:
            screen.table({}, HEADINGS[1:], [delivery_row(row)[1:] for row in found])


def _row(event: StoredEvent) -> tuple[object, ...]:
    return event.id, format_moment(event.published_at), event.action, event.paths[0]


def _document(event: StoredEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "publishedAt": format_moment(event.published_at),
        "modificationType": event.action,
        "paths": list(event.paths),
        "openId": event.open_id,
    }
