"""``export``, ``import``, ``purge``: subscriptions from store to store, the end of a root."""

from typing import Any

import click

from ..catalogs import Catalog
from ..secret import SecretText
from ..transfer import export_lines, import_lines
from .lists import root_option
from .options import (
    catalog_named,
    catalog_option,
    database_option,
    existing_store,
    json_option,
    publisher,
    settings,
)
from .output import Screen


def _check_kind(root: str, catalog: Catalog) -> None:
    """A kind that no resource begins with is a mistake, and nothing would be found."""
    kinds = sorted({template.partition("/")[0] for template, _ in catalog.rows})
    if root.partition("/")[0] not in kinds:
        raise click.BadParameter(f"a root is of {', '.join(kinds)}", param_hint="--root")


@click.command()
@database_option
@root_option(help="Only of this root.")
@click.option("--with-keys", is_flag=True, help="With the integrityKeys: keep the output secret.")
def export(database: str, root: str | None, with_keys: bool) -> None:
    """Print the subscriptions as JSON lines.

    Without --with-keys their owners have to give their keys again after an import.
    """
    with existing_store(database) as store:
        for line in export_lines(store, with_keys=with_keys, root=root):
            click.echo(line)


@click.command(name="import")
@database_option
@json_option
@catalog_option
@click.option("--dev", is_flag=True, help="Loopback addresses and any port may be subscribed.")
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
def import_(database: str, as_json: bool, catalog: str | None, dev: bool, file: Any) -> None:
    """Write the subscriptions that `export` printed; those that are there stay as they are.

    FILE is standard input where none is named. Nothing is written when a line is wrong.
    """
    lines = list(map(SecretText, file))
    rules = {"dev": dev, "ports": settings().http.ports, "sockets": True}
    with Screen(as_json) as screen, existing_store(database) as store:

        def tell(done: int) -> None:
            screen.progress("imported", done, len(lines))

        found = import_lines(store, catalog_named(catalog), lines, rules, tell)
        data = {"written": found.written, "skipped": found.skipped}
        screen.answer(data, [("written", found.written), ("there already", found.skipped)])


@click.command()
@database_option
@json_option
@root_option(required=True, help="Whose data is to go, such as tenant=t1.")
@catalog_option
def purge(database: str, as_json: bool, root: str, catalog: str | None) -> None:
    """Delete all of one root: its subscriptions, events, deliveries and attempts.

    What is under way while this runs may still arrive. What a dispatcher settles afterwards
    goes with the next prune.
    """
    _check_kind(root, catalog_named(catalog))
    with Screen(as_json) as screen, publisher(database, catalog) as hooks:

        def tell(deleted: dict[str, int]) -> None:
            done = sum(deleted.values())
            screen.progress("deleted", done, done)

        deleted = hooks.purge(root, tell)
        screen.answer(deleted, [(f"{kind} deleted", n) for kind, n in deleted.items()])
