"""``deliveries``: what became of events, and one delivery with its attempts."""

from datetime import datetime
from typing import Any

import click

from ..events import Attempt, Delivery, DeliveryState, format_moment
from .curling import curl_command
from .lists import naming, page_options, show_page, since_option, until_option
from .options import catalog_option, database_option, json_option, publisher
from .output import Screen

_STATES = [state.name.lower() for state in DeliveryState]
HEADINGS = ("event", "subscription", "state", "attempts", "outcome", "answer", "ms", "next attempt")
_ATTEMPTS = ("attempt", "started", "outcome", "answer", "ms", "address", "what it said")


@click.group()
def deliveries() -> None:
    """What became of events."""


@deliveries.command("list")
@database_option
@json_option
@click.option("--subscription", metavar="ID", help="Of this subscription.")
@click.option("--event", metavar="ID", help="Of this event.")
@click.option("--state", type=click.Choice(_STATES), help="Those that stand so.")
@since_option
@until_option
@page_options
def list_deliveries(
    database: str,
    as_json: bool,
    subscription: str | None,
    event: str | None,
    state: str | None,
    since: datetime | None,
    until: datetime | None,
    cursor: str | None,
    limit: int,
) -> None:
    """List deliveries, those of the newest events first."""
    with publisher(database) as hooks, naming(cursor="--page"), Screen(as_json) as screen:
        if subscription is not None:
            with naming(what="--subscription"):
                hooks.subscription(subscription)
        if event is not None:
            with naming(what="--event"):
                hooks.event(event)
        page = hooks.delivery_page(
            subscription,
            event=event,
            state=state,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
        )
        shown = [delivery_document(row) for row in page.items]
        show_page(screen, page, shown, HEADINGS, [delivery_row(row) for row in page.items])


@deliveries.command("show")
@click.argument("event", metavar="EVENT")
@click.argument("subscription", metavar="SUBSCRIPTION")
@database_option
@json_option
@catalog_option
@click.option("--as-curl", is_flag=True, help="Print a curl command that repeats the request.")
def show_delivery(
    event: str, subscription: str, database: str, as_json: bool, catalog: str | None, as_curl: bool
) -> None:
    """Show one delivery and its attempts.

    Listed are attempts that failed, and those that followed one: of a delivery that succeeded
    at once nothing but the delivery is kept.

    What --as-curl prints is signed as of now, and receivers take it for some minutes. It holds
    no key, but whoever has it can send this notification: treat it as the notification itself.
    """
    if as_curl and as_json:
        raise click.UsageError("--as-curl prints a command: it goes without --json")
    with publisher(database, catalog) as hooks:
        with naming(what="EVENT"):
            hooks.event(event)
        with naming(what="SUBSCRIPTION"):
            hooks.subscription(subscription)
        found = hooks.deliveries(event=event, subscription=subscription, limit=1)
        if not found:
            raise click.BadParameter(
                "there is no delivery of this event for it; `webhooksub explain --event … "
                "--subscription …` says why",
                param_hint="SUBSCRIPTION",
            )
        if as_curl:
            with naming(what="SUBSCRIPTION", notificationUrl="SUBSCRIPTION"):
                click.echo(curl_command(hooks.request(event, subscription)))
            return
        attempts = hooks.attempts(event, subscription)
    data = delivery_document(found[0]) | {"attemptsKept": [_attempt_document(a) for a in attempts]}
    with Screen(as_json) as screen:
        screen.answer(data, list(zip(HEADINGS, delivery_row(found[0]), strict=True)))
        if attempts and not as_json:
            screen.table({}, _ATTEMPTS, [_attempt_row(a) for a in attempts])


def delivery_row(row: Delivery) -> tuple[object, ...]:
    """In the order of HEADINGS."""
    return (
        row.event_id,
        row.subscription_id,
        row.state.name.lower(),
        row.attempts,
        None if row.outcome is None else row.outcome.name.lower(),
        row.http_status,
        row.duration_ms,
        None if row.next_at is None else format_moment(row.next_at),
    )


def delivery_document(row: Delivery) -> dict[str, Any]:
    """As an operator sees it: every name always, null where there is nothing."""
    return {
        "eventId": row.event_id,
        "subscriptionId": row.subscription_id,
        "state": row.state.name.lower(),
        "attempts": row.attempts,
        "outcome": None if row.outcome is None else row.outcome.name.lower(),
        "httpStatus": row.http_status,
        "durationMs": row.duration_ms,
        "nextAttemptAt": None if row.next_at is None else format_moment(row.next_at),
        "updatedAt": format_moment(row.updated_at),
        "batch": row.batch,
    }


def _attempt_document(row: Attempt) -> dict[str, Any]:
    return {
        "n": row.n,
        "startedAt": format_moment(row.started_at),
        "outcome": row.outcome.name.lower(),
        "httpStatus": row.http_status,
        "durationMs": row.duration_ms,
        "address": row.address,
        "snippet": _snippet(row),
        "batch": row.batch,
    }


def _attempt_row(row: Attempt) -> tuple[object, ...]:
    return (
        row.n,
        format_moment(row.started_at),
        row.outcome.name.lower(),
        row.http_status,
        row.duration_ms,
        row.address,
        _snippet(row),
    )


def _snippet(row: Attempt) -> str | None:
    return None if row.snippet is None else row.snippet.decode(errors="backslashreplace")
