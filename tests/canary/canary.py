"""Looks for secrets wherever a service shows something: ``make canary``.

A process lives a service's life with secrets that nobody else has (``life.py``); everything
that it logged, wrote, sent and told is searched for each of them, raw, escaped, in hex and in
base64. The exit code is 0 if there is no occurrence, 1 if there is, and 2 if that life did not
go to its end. With a sabotage there must be: 1 says that it was found, 2 that it was not.
"""

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import careless
from forms import all_of, occurrences

HERE = Path(__file__).parent
_SECONDS = 300
#: What is looked at, and by which name it is kept.
PLACES = {
    "logs": "every logger's records, at DEBUG",
    "output": "standard output and error",
    "repr": "repr, str and format of every object",
    "exceptions": "words, arguments and tracebacks of errors",
    "frames": "locals of every frame of ours, as a traceback shows them",
    "pickle": "every value, in every protocol",
    "JSON": "documents, answers of the API, OpenAPI",
    "database, WAL": "the files of the store, while in use and after",
    "requests": "what endpoints got: heads and bodies",
    "commands": "status, doctor, rotate-keys, export, worker",
    "command line": "of a worker, as every process may read it",
    "core dump": "what a worker that crashed left, and its limits",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One place: bytes looked at, and what was found there."""

    place: str
    looked_at: int
    occurrences: list[str]


def make_secrets() -> dict[str, str]:
    """By the names by which the life asks for them."""
    text = secrets.token_urlsafe
    return {
        "plain": text(24),
        "long": text(150),
        "whsec": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "changed": text(24),
        "rotated": text(24),
        "document": text(24),
        "wrong": text(24) + "\n" + text(24),  # no key: refused, and not shown
        "keyring": "7:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    }


def live(folder: Path, given: dict[str, str], chapters: list[str], sabotage: str) -> None:
    """Raises AssertionError when the life did not go to its end."""
    done = subprocess.run(
        [sys.executable, str(HERE / "life.py"), str(folder), *chapters],
        input=json.dumps(given).encode(),
        capture_output=True,
        timeout=_SECONDS,
        env=os.environ | {"CANARY_SABOTAGE": sabotage},
    )
    (folder / "places" / "output").write_bytes(done.stdout + done.stderr + b" ")
    if done.returncode != 0:
        raise AssertionError(f"the life ended with {done.returncode}:\n{done.stderr.decode()}")


def look(folder: Path, given: dict[str, str]) -> list[Found]:
    """The table."""
    made: dict[str, str] = json.loads((folder / "made.json").read_text())
    known = all_of(given | made)
    found = []
    for place in PLACES:
        path = folder / "places" / place
        content = path.read_bytes() if path.exists() else b""
        found.append(Found(place, len(content), occurrences(content, known)))
    return found


def show(found: list[Found]) -> None:
    print(f"{'place':<16}{'bytes':>12}{'occurrences':>14}  of")
    for row in found:
        print(f"{row.place:<16}{row.looked_at:>12,}{len(row.occurrences):>14}  {PLACES[row.place]}")
        for text in row.occurrences:
            print(f"{'':<44}FOUND: {text}")
    print(f"{sum(len(row.occurrences) for row in found)} occurrences")


def run(folder: Path, chapters: list[str], sabotage: str = "") -> list[Found]:
    given = make_secrets()
    live(folder, given, chapters, sabotage)
    return look(folder, given)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sabotage", default="", choices=list(careless.NAMES))
    parser.add_argument("--keep", metavar="FOLDER", help="What was looked at stays there.")
    arguments = parser.parse_args()
    sabotage = arguments.sabotage
    with tempfile.TemporaryDirectory(prefix="webhooksub-canary-") as name:
        folder = Path(arguments.keep or name)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            found = run(folder, [], sabotage)
        except AssertionError as error:
            print(error, file=sys.stderr)
            return 2
    show(found)
    empty = [row.place for row in found if row.looked_at == 0]
    if empty:
        print(f"nothing was looked at: {', '.join(empty)}", file=sys.stderr)
        return 2
    leaks = any(row.occurrences for row in found)
    if sabotage:
        print(f"sabotage {sabotage}: {'found' if leaks else 'NOT FOUND'}")
        return 1 if leaks else 2
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main())
