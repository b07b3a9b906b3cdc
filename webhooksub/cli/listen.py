"""``listen``: a local HTTPS endpoint that shows what arrives, and fails on request."""

import base64
import contextlib
import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from .. import _core
from ..running import signals_held, wait_for_end
from ..store import Store
from ..testing.https import HttpsServer
from .exits import Exit
from .keyfile import key_file_option, make_key, read_key
from .listening import Arrival, KeysOf, Listener
from .options import existing_store, json_option, settings
from .output import printable
from .scenario import Answering, Scenario, read_scenario

_PORT_MAX = 65_535
_FOLDER = Path("webhooksub-listen")
_SAID = {"verified": "verified", "unsigned": "UNSIGNED", "wrong": "NOT VERIFIED"}
_COLOURS = {"verified": "green", "unsigned": "yellow", "wrong": "red"}


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, _PORT_MAX),
    default=8443,
    show_default=True,
    metavar="N",
    help="Of localhost; 0: any.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=_FOLDER,
    show_default=True,
    metavar="DIR",
    help="Gets ca.pem, and a key where none is named.",
)
@key_file_option("Holds an integrityKey to verify by; may be repeated.  [default: DIR/key]")
@click.option("--database", metavar="URL", help="Verify by the keys of its subscriptions as well.")
@click.option(
    "--fail-rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="Answer that share by 500, by chance: 0.3.",
)
@click.option(
    "--delay", type=click.FloatRange(0, 3_600), default=0.0, metavar="SECONDS", help="Think first."
)
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="TOML: answers in order; then --fail-rate and --delay.",
)
@click.option("--seed", type=int, metavar="N", help="The same chance again.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many requests.")
@json_option
def listen(
    port: int,
    folder: Path,
    key_files: tuple[Path, ...],
    database: str | None,
    fail_rate: float,
    delay: float,
    scenario: Path | None,
    seed: int | None,
    count: int | None,
    as_json: bool,
) -> None:
    """Receive webhooks on this machine, print and verify them, until Ctrl-C.

    Its certificate is of an authority that is made at each start and trusted by nobody else:
    DIR/ca.pem, for --ca-bundle, WEBHOOKSUB_CA_BUNDLE or curl --cacert. Standard output gets a
    line for each request; with --json a JSON object. Ends with 1 when something did not verify.
    """
    steps = Scenario() if scenario is None else read_scenario(scenario)
    answering = Answering(steps, fail_rate, delay, random.Random(seed))
    keys, key_file = _keys(folder, key_files)
    ended = threading.Event()
    with _keys_of(database) as keys_of, signals_held():
        told = _telling(_json_line if as_json else _line, ended)
        header = settings().signing.integrity_header
        listener = Listener(keys, keys_of, answering, told, header)
        server = _server(listener, port, _counting(count, ended))
        try:
            _say_how(server.url(), _trusted_by(folder, server.ca_pem), key_file)
            wait_for_end(lambda: not ended.is_set())
        finally:
            server.close()
    click.echo(
        f"webhooksub: {listener.requests:,} requests, {listener.verified:,} verified, "
        f"{listener.unverified:,} not, {listener.repeated:,} came again",
        err=True,
    )
    click.get_current_context().exit(Exit.of(listener.unverified == 0))


def _keys(folder: Path, files: Sequence[Path]) -> tuple[list[str], Path]:
    """The keys to verify by, and the file of the first."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not files:
            files = [folder / "key"]
            make_key(files[0])
    except OSError as error:
        raise click.BadParameter(f"{folder}: {error.strerror}", param_hint="--folder") from None
    return [read_key(file) for file in files], files[0]


def _trusted_by(folder: Path, pem: bytes) -> Path:
    """The file for whoever is to trust it."""
    file = folder / "ca.pem"
    try:
        file.write_bytes(pem)
    except OSError as error:
        raise click.BadParameter(f"{file}: {error.strerror}", param_hint="--folder") from None
    return file


def _server(listener: Listener, port: int, answered: Callable[[], None]) -> HttpsServer:
    try:
        return HttpsServer(listener.receive, port, answered)
    except OSError as error:
        raise click.BadParameter(f"{port}: {error.strerror}", param_hint="--port") from None


def _say_how(url: str, ca: Path, key_file: Path) -> None:
    click.echo(f"webhooksub: listening at {url}", err=True)
    click.echo(f"webhooksub: to trust it: --ca-bundle {ca}, or WEBHOOKSUB_CA_BUNDLE={ca}", err=True)
    options = f"--dev --ca-bundle {ca} --key-file {key_file}"
    click.echo(f"webhooksub: to try it: webhooksub send-test {url} {options}", err=True)


@contextlib.contextmanager
def _keys_of(database: str | None) -> Iterator[KeysOf]:
    if database is None:
        yield lambda id_: ()
        return
    with existing_store(database) as store:
        yield lambda id_: _stored_keys(store, id_)


def _stored_keys(store: Store, id_: str) -> list[str]:
    """In the form in which a Verifier takes them."""
    try:
        record = store.subscription(_core.uuid_bytes(id_))
    except ValueError:
        return []
    keys = () if record is None else record.keys
    return ["whsec_" + base64.b64encode(key).decode() for key in keys]


def _counting(count: int | None, ended: threading.Event) -> Callable[[], None]:
    """Called after each answer, on any thread."""
    lock, answered = threading.Lock(), 0

    def one() -> None:
        nonlocal answered
        with lock:
            answered += 1
            if answered == count:
                ended.set()

    return one


def _telling(line: Callable[[Arrival], str], ended: threading.Event) -> Callable[[Arrival], None]:
    def tell(arrival: Arrival) -> None:
        try:
            click.echo(line(arrival))
        except OSError:  # nobody reads any more
            ended.set()

    return tell


def _line(arrival: Arrival) -> str:
    """``12:00:01  update tenant/…/r9  attempt 2  verified  -> 500``."""
    at = datetime.fromtimestamp(arrival.at).strftime("%H:%M:%S")
    if arrival.verdict == "handshake":
        return f"{at}  {printable(arrival.path)}  asks for leave to send  -> agreed"
    first = arrival.notifications[0] if arrival.notifications else None
    what = "?" if first is None else f"{first.modification_type} {first.resource_path}"
    more = len(arrival.notifications) - 1
    verdict = click.style(_SAID[arrival.verdict], fg=_COLOURS[arrival.verdict])
    why = "" if arrival.why is None else f": {arrival.why}"
    return "  ".join(
        (
            at,
            printable(arrival.path),
            printable(what) + (f" and {more} more" if more > 0 else ""),
            f"attempt {arrival.attempt}",
            verdict + printable(why),
            f"-> {arrival.answer.status}",
        )
    )


def _json_line(arrival: Arrival) -> str:
    at = datetime.fromtimestamp(arrival.at, UTC)
    data: dict[str, Any] = {
        "request": arrival.number,
        "receivedAt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "path": arrival.path,
        "webhookId": arrival.webhook_id,
        "attempt": arrival.attempt,
        "verdict": arrival.verdict,
        "why": arrival.why,
        "bytes": arrival.size,
        "notifications": [
            {
                "id": n.id,
                "subscriptionId": n.subscription_id,
                "modificationType": n.modification_type,
                "resourcePath": n.resource_path,
                "data": n.data,
            }
            for n in arrival.notifications
        ],
        "status": arrival.answer.status,
    }
    return json.dumps(data, ensure_ascii=False)
