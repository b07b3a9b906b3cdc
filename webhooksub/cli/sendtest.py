"""``send-test``: does an endpoint take a notification?"""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from ..authorizer import allow_all
from ..dispatcher import Dispatcher
from ..events import TestResult
from .exits import Exit
from .keyfile import key_file_option, read_key
from .lists import naming
from .options import check_exists, database_option, host_catalog, json_option, settings
from .output import Screen

_ATTEMPTS_MAX = 100
_HEADINGS = ("attempt", "result", "outcome", "answer", "ms", "address")


@click.command(name="send-test")
@click.argument("target", metavar="URL | SUBSCRIPTION")
@database_option
@json_option
@click.option("--dev", is_flag=True, help="Loopback addresses and any port are open.")
@click.option("--ca-bundle", metavar="PATH", help="PEM file or hashed directory, as in Config.")
@key_file_option("Holds the integrityKey that signs what a URL gets.")
@click.option(
    "--attempts",
    type=click.IntRange(1, _ATTEMPTS_MAX),
    default=1,
    show_default=True,
    metavar="N",
    help="Send the same again, N times in all, until it is delivered.",
)
@click.option(
    "--pause",
    type=click.FloatRange(0, 3_600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Between attempts.",
)
def send_test(
    target: str,
    database: str,
    as_json: bool,
    dev: bool,
    ca_bundle: str | None,
    key_files: tuple[Path, ...],
    attempts: int,
    pause: float,
) -> None:
    """Send a test notification, which is no event and is not kept.

    A subscription gets it in its own words: signed with its key, with its headers. Ends with
    1 when it was not delivered.
    """
    if len(key_files) > 1 or (key_files and "://" not in target):
        raise click.BadParameter("one, and for a URL only", param_hint="--key-file")
    key = read_key(key_files[0]) if key_files else None
    config = settings() if ca_bundle is None else settings().replace(ca_bundle=ca_bundle)
    fields = {"what": "SUBSCRIPTION", "url": "URL", "notificationUrl": "SUBSCRIPTION"}
    with Screen(as_json) as screen, naming(**fields):
        with _publisher(target, database, dev, config) as hooks:
            results = [hooks.send_test(target, integrity_key=key)]
            while results[-1].public != "delivered" and len(results) < attempts:
                screen.progress("attempts", len(results), attempts)
                time.sleep(pause)
                again = results[0].message_id
                results.append(hooks.send_test(target, integrity_key=key, message_id=again))
        _show(screen, results)
    click.get_current_context().exit(Exit.of(results[-1].public == "delivered"))


def _show(screen: Screen, results: list[TestResult]) -> None:
    """The last one decides; what was before it stands below."""
    shown = [_document(result) for result in results]
    data = shown[-1] | {"message_id": results[0].message_id, "attempts": shown}
    rows = [(name.replace("_", " "), value) for name, value in shown[-1].items()]
    screen.answer(data, rows)
    if len(shown) > 1 and not screen.as_json:
        numbered = [(n, *one.values()) for n, one in enumerate(shown, 1)]
        screen.table({}, _HEADINGS, numbered)


def _document(result: TestResult) -> dict[str, Any]:
    return {
        "result": result.public,
        "outcome": result.outcome.name.lower(),
        "http_status": result.http_status,
        "duration_ms": result.duration_ms,
        "address": result.address,
    }


def _publisher(target: str, database: str, dev: bool, config: Any) -> closing[Dispatcher]:
    """For a URL nothing is looked up, and no store needs to be there."""
    known: dict[str, Any] = {"config": config, "catalog": host_catalog()}
    if "://" in target:
        return closing(Dispatcher.in_memory(authorizer=allow_all, dev=dev, **known))
    check_exists(database)
    return closing(Dispatcher(database, authorizer=allow_all, dev=dev, **known))
