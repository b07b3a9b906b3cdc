"""``catalog``: which resources there are, and who would go deaf under another catalog."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .. import _core
from ..api import documents
from ..catalogs import Catalog
from ..dispatcher import system_clock
from ..errors import ConfigurationError
from ..events import Action, SubscriptionStatus
from ..store import Store
from ..store.base import SubscriptionRecord
from .comparing import Heard, compare, lost_by
from .exits import Exit
from .options import catalog_named, catalog_option, database_option, existing_store, json_option
from .options import named as object_named
from .output import Screen

_LIVE = (SubscriptionStatus.ACTIVE, SubscriptionStatus.PENDING, SubscriptionStatus.PAUSED)
_AT_ONCE = 1_000


@click.group()
def catalog() -> None:
    """Which resources can be subscribed to."""


@catalog.command("show")
@catalog_option
@json_option
def show_catalog(catalog: str | None, as_json: bool) -> None:
    """Show each resource and what it covers. `diff` reads what --json prints."""
    rows = documents.resources(catalog_named(catalog))
    table = [
        (row["resource"], covered["path"], ", ".join(covered["modificationTypes"]))
        for row in rows
        for covered in row["covers"]
    ]
    with Screen(as_json) as screen:
        screen.table({"data": rows}, ("resource", "covers", "on"), table)


@catalog.command("diff")
@click.argument("old")
@click.argument("new")
@database_option
@json_option
def diff(old: str, new: str, database: str, as_json: bool) -> None:
    """Compare catalogs, and name the live subscriptions that would hear less.

    OLD and NEW are MODULE:NAME, or files that `catalog show --json` printed. Ends with 1 when
    a subscription of the store would hear nothing, or less. A store that nobody named may be
    missing.
    """
    before, after = _catalog_at(old, "OLD"), _catalog_at(new, "NEW")
    changes = compare(before, after)
    with Screen(as_json) as screen:
        deaf = list(_deaf(screen, database, before, after))
        data = {
            "removed": changes.removed,
            "added": changes.added,
            "changed": [
                {"resource": r, "lost": _covered(lost), "gained": _covered(gained)}
                for r, lost, gained in changes.changed
            ],
            "deaf": [_document(record, lost, heard) for record, lost, heard in deaf],
        }
        screen.table(data, ("resource", "change"), _change_rows(data))
        if deaf and not as_json:
            rows = [(_core.uuid_text(r.id), r.resource, _words(lost)) for r, lost, _ in deaf]
            screen.table({}, ("subscription", "resource", "would not hear"), rows)
        elif not as_json:
            screen.note("no live subscription would hear less")
    click.get_current_context().exit(Exit.of(not deaf))


def _catalog_at(text: str, argument: str) -> Catalog:
    path = Path(text)
    if not path.is_file():
        found = object_named(text, argument)
        if not isinstance(found, Catalog):
            raise click.BadParameter(f"{text} is no Catalog", param_hint=argument)
        return found
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["data"]
        return Catalog(
            (row["resource"], [(c["path"], c["modificationTypes"]) for c in row["covers"]])
            for row in rows
        )
    except (OSError, ValueError, TypeError, KeyError, ConfigurationError) as error:
        text = f"{path} is no catalog as `catalog show --json` prints it: {error}"
        raise click.BadParameter(text, param_hint=argument) from None


def _deaf(
    screen: Screen, database: str, before: Catalog, after: Catalog
) -> Iterator[tuple[SubscriptionRecord, Heard, Heard]]:
    """(subscription, what it would lose, what it hears now)."""
    source = click.get_current_context().get_parameter_source("database")
    try:
        with existing_store(database) as store:
            total = store.count_subscriptions(roots=None)
            for done, record in enumerate(_live(store), 1):
                screen.progress("looked at", done, total)
                word = Action(record.action).name.lower()
                lost, heard = lost_by(record.resource, word, before, after)
                if lost:
                    yield record, lost, heard
    except ConfigurationError:
        if source is not ParameterSource.DEFAULT:
            raise


def _live(store: Store) -> Iterator[SubscriptionRecord]:
    now, last = system_clock(), 0
    while rows := store.subscriptions(roots=None, expires_after=now, after=last, limit=_AT_ONCE):
        yield from (row for row in rows if row.status in _LIVE)
        last = rows[-1].seq


def _document(record: SubscriptionRecord, lost: Heard, heard: Heard) -> dict[str, Any]:
    return {
        "subscriptionId": _core.uuid_text(record.id),
        "resource": record.resource,
        "modificationType": Action(record.action).name.lower(),
        "lost": _covered(lost),
        "hearsNothing": lost == heard,
    }


def _covered(heard: Heard) -> list[dict[str, Any]]:
    paths = sorted({path for path, _ in heard})
    return [{"path": p, "modificationTypes": [a for a in _ORDER if (p, a) in heard]} for p in paths]


_ORDER = ("create", "update", "delete")


def _words(heard: Heard) -> str:
    return "; ".join(
        f"{', '.join(one['modificationTypes'])} of {one['path']}" for one in _covered(heard)
    )


def _change_rows(data: dict[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [(resource, "removed") for resource in data["removed"]]
    rows += [(resource, "added") for resource in data["added"]]
    for one in data["changed"]:
        for word, covered in (("no longer", one["lost"]), ("now", one["gained"])):
            rows += [
                (one["resource"], f"{word} {', '.join(c['modificationTypes'])} of {c['path']}")
                for c in covered
            ]
    return rows
