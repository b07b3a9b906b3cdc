"""``migrate``, ``status``, ``replay`` and ``prune``: a store's schema, state and contents."""

from datetime import datetime
from typing import Any

import click

from ..dispatcher import system_clock
from ..errors import ConfigurationError
from ..events import DeliveryState
from ..store import open_store
from .exits import Exit
from .options import database_option, existing_store, json_option, moment, publisher, settings
from .output import Row, Screen
from .watching import watch_status

_STATES = [state.name.lower() for state in DeliveryState]


@click.command()
@database_option
@json_option
def migrate(database: str, as_json: bool) -> None:
    """Bring the store's schema to this version, or make it."""
    store = open_store(database, settings().store, system_clock)
    try:
        if not hasattr(store, "migrate"):
            raise ConfigurationError(f"{database} has no schema to bring forward")
        version: int = store.migrate()
    finally:
        store.close()
    data = {"database": store.name, "schema_version": version}
    with Screen(as_json) as screen:
        screen.answer(data, [("database", store.name), ("schema version", version)])


@click.command()
@database_option
@json_option
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3_600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often --watch looks.",
)
def status(database: str, as_json: bool, watch: bool, every: float) -> None:
    """Say what waits in the store and who delivers from it.

    Ends with 1 when work waits and nobody delivers, or events were set aside because they
    kept killing the dispatcher. With --watch it is the last look that counts, and --json
    prints one line for each.
    """
    with existing_store(database) as store:

        def look() -> dict[str, Any]:
            return store_status(store.facts(), store.stats())

        if watch:
            fine = watch_status(look, status_rows, every, as_json)
            click.get_current_context().exit(Exit.of(fine))
        data = look()
    with Screen(as_json) as screen:
        screen.answer(data, status_rows(data))
        if not data["healthy"] and not as_json:
            click.echo(f"unhealthy: {data['reason']}", err=True)
    click.get_current_context().exit(Exit.of(data["healthy"]))


def store_status(facts: dict[str, Any], stats: dict[str, int]) -> dict[str, Any]:
    """What `status` and `doctor` say; `reason` tells why it is not `healthy`."""
    waits = stats["outbox"] + stats["waiting"] + stats["claimed"]
    reason = None
    if facts["dispatcher"] is None and waits:
        reason = "work waits, and no dispatcher delivers from this store"
    elif stats["quarantined"]:
        reason = f"{stats['quarantined']:,} events are quarantined: they kept killing dispatchers"
    counts = ("outbox", "outbox_age_ms", "waiting", "claimed", "dead", "quarantined")
    return {
        "dispatcher": facts["dispatcher"],
        "database": facts["path"],
        "subscriptions": stats["subscriptions"],
        **{name: stats[name] for name in counts},
        "healthy": reason is None,
        "reason": reason,
    }


def status_rows(data: dict[str, Any]) -> list[Row]:
    """The dispatcher first: without one nothing else matters."""
    return [
        ("dispatcher", data["dispatcher"] or "none: nothing is delivered"),
        ("database", data["database"]),
        ("subscriptions", data["subscriptions"]),
        ("events in the outbox", data["outbox"]),
        ("oldest of them, seconds", data["outbox_age_ms"] / 1_000),
        ("deliveries waiting", data["waiting"]),
        ("deliveries claimed", data["claimed"]),
        ("dead letters", data["dead"]),
        ("events quarantined", data["quarantined"]),
    ]


@click.command()
@database_option
@json_option
@click.option("--subscription", metavar="ID", help="Of this subscription.")
@click.option("--event", metavar="ID", help="Of this event.")
@click.option("--state", type=click.Choice(_STATES), help="Deliveries that ended so.")
@click.option(
    "--since", type=moment, metavar="WHEN", help="Published since: a date-time, or an age as 12h."
)
@click.option("--until", type=moment, metavar="WHEN", help="Published before.")
@click.option(
    "--catalog",
    metavar="MODULE:NAME",
    help="The service's catalog, when events are matched anew and it is not SideDrawer's.",
)
def replay(
    database: str,
    as_json: bool,
    subscription: str | None,
    event: str | None,
    state: str | None,
    since: datetime | None,
    until: datetime | None,
    catalog: str | None,
) -> None:
    """Deliver again.

    With --subscription and --since, all events of that time are matched anew, also those
    that the subscription missed. The dispatcher of the store delivers, now or when it starts.
    """
    if not (subscription or event or state):
        raise click.UsageError("name what to replay: --subscription, --event or --state")
    with publisher(database, catalog) as hooks:
        count = hooks.replay(
            subscription=subscription, event=event, state=state, since=since, until=until
        )
    with Screen(as_json) as screen:
        screen.answer({"replayed": count}, [("deliveries due again", count)])


@click.command()
@database_option
@json_option
@click.option(
    "--older-than",
    type=moment,
    metavar="WHEN",
    required=True,
    help="Published before: an age as 30d, or a date-time.",
)
def prune(database: str, as_json: bool, older_than: datetime) -> None:
    """Delete old events and what became of them; what still waits is kept."""
    with Screen(as_json) as screen, publisher(database) as hooks:

        def tell(deleted: dict[str, int]) -> None:
            done = sum(deleted.values())
            screen.progress("deleted", done, done)

        deleted = hooks.prune(older_than, tell)
        screen.answer(deleted, [(f"{kind} deleted", n) for kind, n in deleted.items()])
