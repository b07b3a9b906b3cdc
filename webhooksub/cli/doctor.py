"""``doctor``: is everything here that delivering needs?"""

import platform
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import click
from click.core import ParameterSource

from .. import _core
from ..certificates import find_authorities
from ..config import Config
from ..errors import ConfigurationError, WebhooksubError
from ..version import __version__
from .exits import Exit
from .options import database_option, existing_store, json_option
from .output import Row, Screen, show
from .store import store_status

_MEGABYTE = 1024 * 1024
_WHOSE = {
    "bundled": "inside the wheel: they get newer with webhooksub",
    "system": "the system's: they get newer with it",
}
# Requests are signed and subscriptions end by our clock, retries are due by the server's.
_CLOCK_WARNS_MS = 1_000
_WORDS = {"ok": "", "warning": "warning: ", "bad": "BAD: "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. Only `bad` ones make the command end with 1."""

    name: str
    grade: Literal["ok", "warning", "bad"]
    text: str


@click.command()
@database_option
@json_option
@click.option("--ca-bundle", metavar="PATH", help="PEM file or hashed directory, as in Config.")
def doctor(database: str, as_json: bool, ca_bundle: str | None) -> None:
    """Look at versions, certificates, the store and who delivers from it.

    Ends with 1 when something found keeps webhooks from being delivered.
    """
    source = click.get_current_context().get_parameter_source("database")
    named = source is not ParameterSource.DEFAULT
    findings = [*_libraries(), _authorities(ca_bundle), *_store(database, named)]
    healthy = all(f.grade != "bad" for f in findings)
    data = {"healthy": healthy, "findings": [asdict(f) for f in findings]}
    rows: list[Row] = [(f.name, _WORDS[f.grade] + f.text) for f in findings]
    with Screen(as_json) as screen:
        screen.answer(data, rows)
    click.get_current_context().exit(Exit.of(healthy))


def _libraries() -> Iterator[Finding]:
    build = _core.build_info()
    yield Finding("webhooksub", "ok", __version__)
    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.platform()}")
    curl, *features = build["curl"].split()
    yield Finding("libcurl", "ok", curl.removeprefix("libcurl/"))
    yield Finding("libcurl with", "ok", " ".join(features))
    yield Finding("OpenSSL", "ok", build["openssl"].removeprefix("OpenSSL "))
    yield Finding("cJSON", "ok", build["cjson"])
    yield Finding("libraries", "ok", _WHOSE[build["libraries"]])
    yield Finding("compiler", "ok", f"{build['compiler']}, API {build['api']}")
    yield Finding("SQLite", "ok", sqlite3.sqlite_version)


def _authorities(ca_bundle: str | None) -> Finding:
    try:
        bundle = ca_bundle or Config.from_env().http.ca_bundle
        found = find_authorities(bundle)
    except ConfigurationError as error:
        return Finding("certificates", "bad", str(error))
    return Finding("certificates", "ok", f"{found.ca_file or found.ca_dir} ({found.source})")


def _store(database: str, named: bool) -> Iterator[Finding]:
    """A store that nobody named may be missing."""
    try:
        with existing_store(database) as store:
            facts, stats = store.facts(), store.stats()
    except WebhooksubError as error:
        yield Finding("store", "bad" if named else "warning", str(error))
        return
    yield Finding("store", "ok", f"{facts['path']}, schema version {facts['schema_version']}")
    yield from _server(facts) if "postgresql_version" in facts else _file(facts)
    yield _keys(facts["keys_unsealed"], facts["keys_sealed"])
    status = store_status(facts, stats)
    if status["dispatcher"]:
        yield Finding("dispatcher", "ok", status["dispatcher"])
    else:
        grade: Literal["warning", "bad"] = "warning" if status["healthy"] else "bad"
        yield Finding("dispatcher", grade, "none is alive: nothing is delivered")
    work = ("outbox", "waiting", "claimed", "dead", "quarantined")
    text = ", ".join(f"{name} {show(status[name])}" for name in work)
    yield Finding("work", "bad" if stats["quarantined"] else "ok", text)


def _keys(unsealed: int, sealed: int) -> Finding:
    if not unsealed:
        return Finding("keys", "ok", f"{sealed:,} integrity keys, all sealed")
    text = f"{unsealed:,} integrity keys are not sealed: give a keyring, then run rotate-keys"
    return Finding("keys", "warning", text)


def _server(facts: dict[str, Any]) -> Iterator[Finding]:
    yield Finding("PostgreSQL", "ok", facts["postgresql_version"])
    yield Finding("size", "ok", f"{facts['bytes'] / _MEGABYTE:,.1f} MiB")
    settings = ("fsync", "full_page_writes", "synchronous_commit")
    text = ", ".join(f"{name} {facts[name]}" for name in settings)
    lossy = [name for name in settings if facts[name] == "off"]
    if lossy:
        text += ": what was committed may be lost when the server's machine fails"
    yield Finding("durability", "warning" if lossy else "ok", text)
    differs = facts["clock_differs_ms"]
    grade: Literal["ok", "warning"] = "warning" if abs(differs) > _CLOCK_WARNS_MS else "ok"
    yield Finding("clock", grade, f"the server's differs by {show(differs)} ms from ours")


def _file(facts: dict[str, Any]) -> Iterator[Finding]:
    sizes = [f"{facts[key] / _MEGABYTE:,.1f}" for key in ("bytes", "bytes_free", "wal_bytes")]
    yield Finding("size", "ok", "{} MiB, {} MiB of it free, WAL {} MiB".format(*sizes))
    level = facts["synchronous"]
    yield Finding("durability", "ok", f"journal mode {facts['journal_mode']}, synchronous {level}")
    if facts["others_may_read"]:
        text = f"mode {facts['file_mode']}: others may read the keys; chmod 600"
        yield Finding("file mode", "warning", text)
    if facts["wal_reset_bug"]:
        yield Finding(
            "WAL reset",
            "warning",
            f"SQLite {facts['sqlite_version']} is older than 3.51.3: two connections that "
            "checkpoint at once can damage the file. webhooksub has one that does; keep your "
            "own connections to the file from it (PRAGMA wal_autocheckpoint = 0)",
        )
