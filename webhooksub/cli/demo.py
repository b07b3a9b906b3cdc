"""``demo``: the product at work in a folder, and the proof that nothing was lost."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..demo import Demo, DemoError, Verdict
from ..demo.folder import Folder
from .exits import Exit
from .options import absolute, json_option
from .output import Row, Screen

_EVENTS = 2_000


@click.command()
@click.option("--events", type=click.IntRange(1), metavar="N", help=f"Events. [default: {_EVENTS}]")
@click.option(
    "--batch",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Up to N notifications in one request (delivery.batch).",
)
@click.option("--database", metavar="URL", help="An empty store. [default: DIR/hooks.db]")
@json_option
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep hooks.db, the .jsonl files, and body, key and hash of every 100th request.",
)
@click.option(
    "--kill9-after",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Die by SIGKILL so long after the first event; needs --keep or --resume.",
)
@click.option(
    "--resume",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Publish nothing; deliver what a killed demo left in DIR, and judge it all.",
)
def demo(
    events: int | None,
    batch: int | None,
    database: str | None,
    as_json: bool,
    keep: Path | None,
    kill9_after: float | None,
    resume: Path | None,
) -> None:
    """Deliver events to a local HTTPS receiver that fails at first, and prove the result.

    Ends with 1 when a notification was lost, did not verify, or the two ends disagree.
    """
    if resume and (events or batch or database or keep):
        raise click.UsageError(
            "with --resume everything comes from DIR: only --kill9-after goes with it"
        )
    if kill9_after is not None and not (keep or resume):
        raise click.UsageError("--kill9-after needs --keep DIR, to be resumed from")
    # Failures are part of the show; only what is broken is told.
    logging.getLogger("webhooksub").setLevel(logging.ERROR)
    with Screen(as_json) as screen, _folder(keep or resume) as folder:
        one = Demo(folder, screen, kill9_after=kill9_after, keep=bool(keep or resume))
        if resume:
            verdict = one.resume()
        else:
            store = None if database is None else absolute(database)
            verdict = one.run(events or _EVENTS, batch=batch, database=store)
        screen.answer(verdict.as_json(), _rows(verdict))
        if verdict.fine:
            screen.note("nothing was lost, every signature is right, and both ends agree")
    _complain(verdict)
    click.get_current_context().exit(Exit.of(verdict.fine))


@contextlib.contextmanager
def _folder(path: Path | None) -> Iterator[Folder]:
    try:
        if path is None:
            with tempfile.TemporaryDirectory(prefix="webhooksub-demo-") as temporary:
                yield Folder(Path(temporary))
        else:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield Folder(path)
    except OSError as error:
        raise DemoError(str(error)) from None


def _rows(verdict: Verdict) -> list[Row]:
    latency: dict[str, Any] = verdict.latency_ms
    beyond = verdict.delivered - (verdict.matched - verdict.lost)
    return [
        ("events published", verdict.published),
        ("notifications owed", verdict.matched),
        ("delivered", verdict.delivered),
        # Committed, but the process died before its publisher was told.
        *([("of them not acknowledged", beyond)] if beyond else []),
        ("requests received", verdict.posts),
        ("needed more than one", verdict.retried),
        ("dead letters", verdict.dead),
        ("signatures right", verdict.verified),
        ("signatures wrong", verdict.unverified),
        ("lost", verdict.lost),
        ("seconds", verdict.seconds),
        ("deliveries per second", verdict.deliveries_per_second),
        ("latency ms, median", latency["p50"]),
        ("latency ms, 99 of 100", latency["p99"]),
    ]


def _complain(verdict: Verdict) -> None:
    for event, subscription in verdict.lost_named:
        click.echo(f"lost: event {event} for subscription {subscription}", err=True)
    if verdict.lost > len(verdict.lost_named):
        click.echo(f"lost: and {verdict.lost - len(verdict.lost_named):,} more", err=True)
    for sentence in verdict.disagreements:
        click.echo(f"the two ends disagree: {sentence}", err=True)
    if verdict.unverified:
        click.echo(f"{verdict.unverified:,} requests did not verify", err=True)
