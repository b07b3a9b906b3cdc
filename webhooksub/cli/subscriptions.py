"""``subscriptions``: those of a store, and one of them."""

import click

from ..api import documents
from ..events import SubscriptionInfo, SubscriptionStatus, format_moment
from .lists import naming, page_options, root_option, show_page
from .options import catalog_option, database_option, json_option, publisher
from .output import Row, Screen

_STATUSES = [status.name.lower() for status in SubscriptionStatus]
_HEADINGS = ("id", "status", "hears", "resource", "endpoint", "expires")


@click.group()
def subscriptions() -> None:
    """Who subscribed to what."""


@subscriptions.command("list")
@database_option
@json_option
@root_option(help="Under this root.")
@click.option("--resource", metavar="PATH", help="To this resource, as it was written.")
@click.option("--status", type=click.Choice(_STATUSES), help="In this status.")
@click.option("--owner", metavar="ID", help="Of this owner.")
@click.option("--brand-code", metavar="TEXT", help="With this brandCode.")
@page_options
@catalog_option
def list_subscriptions(
    database: str,
    as_json: bool,
    root: str | None,
    resource: str | None,
    status: str | None,
    owner: str | None,
    brand_code: str | None,
    cursor: str | None,
    limit: int,
    catalog: str | None,
) -> None:
    """List subscriptions, the oldest first."""
    with publisher(database, catalog) as hooks, naming(cursor="--page"), Screen(as_json) as screen:
        page = hooks.subscription_page(
            root=root,
            resource=resource,
            status=status,
            owner=owner,
            brand_code=brand_code,
            cursor=cursor,
            limit=limit,
        )
        shown = [documents.webhook(info) for info in page.items]
        show_page(screen, page, shown, _HEADINGS, [_row(info) for info in page.items])


@subscriptions.command("show")
@click.argument("id_", metavar="ID")
@database_option
@json_option
@catalog_option
def show_subscription(id_: str, database: str, as_json: bool, catalog: str | None) -> None:
    """Show one subscription; never its key."""
    with publisher(database, catalog) as hooks, naming(what="ID"):
        info = hooks.subscription(id_)
    with Screen(as_json) as screen:
        screen.answer(documents.webhook(info), _rows(info))


def _row(info: SubscriptionInfo) -> tuple[object, ...]:
    value = info.subscription
    return (
        info.id,
        info.status.name.lower(),
        None if value is None else value.modification_type,
        info.resource,
        None if value is None else value.notification_url or value.notification_messages,
        None if value is None else value.expires_text,
    )


def _rows(info: SubscriptionInfo) -> list[Row]:
    value = info.subscription
    facts = [(name, shown) for name, shown in zip(_HEADINGS, _row(info), strict=True)]
    facts[2:2] = [("reason", info.status_reason), ("owner", info.owner)]
    facts += [
        ("key", "set" if info.has_integrity_key else "none: nothing is signed"),
        ("brand code", None if value is None else value.brand_code),
        ("max retries", None if value is None else value.max_retries),
        ("created", format_moment(info.created_at)),
        ("changed", format_moment(info.updated_at)),
    ]
    return facts
