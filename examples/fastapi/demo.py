"""The service at work, seen by a subscriber: ``make demo``.

Everything is real: the service and the worker are processes, the subscriber is an HTTPS
endpoint that verifies what it is sent. A table says what was expected and what came; the exit
code is 1 when the two differ.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webhooksub import VerificationError, Verifier
from webhooksub.testing import Receiver

HERE = Path(__file__).parent
KEY = "a-secret-that-both-sides-know"
# A process begins within this, also on a machine that does much else.
SECONDS = 40
# What must not arrive is waited for so long.
SILENCE_SECONDS = 1.5


class Process:
    """A command of the service, until the block ends; SIGTERM ends it in order."""

    def __init__(self, command: list[str], environment: dict[str, str], begun: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            stdout=subprocess.DEVNULL,  # what was asked of it
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said = ""
        self.begun = self._wait_to_say(begun)

    def _wait_to_say(self, pattern: str) -> re.Match[str]:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said += line
            if found := re.search(pattern, line):
                return found
        raise SystemExit(f"{self._process.args} ended:\n{self._said}")

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=SECONDS)


@dataclass(frozen=True)
class Service:
    """The running service, as one of its customers calls it."""

    url: str

    def ask(self, token: str, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {token}")
        if document is not None:
            request.data = json.dumps(document).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


class Subscriber:
    """Who hears of changes, and looks whether each is signed with its key."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def heard(self) -> list[str]:
        """What came, verified, in words."""
        told = []
        for request in self.receiver.requests:
            try:
                notifications = Verifier(KEY).verify(request.body, request.headers)
            except VerificationError:
                told.append("unverified")
                continue
            for one in notifications:
                kind = "file" if "/files/" in one.resource_path else "folder"
                told.append(f"{one.modification_type} {kind} {one.data['name']}")
        return sorted(told)

    def wait_to_hear(self, what: str) -> list[str]:
        deadline = time.monotonic() + SECONDS
        while what not in self.heard() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.heard()


@dataclass(frozen=True)
class Line:
    """A row: what was done, and what its subscriber, or an outsider, saw of it."""

    what: str
    expected: str
    seen: str

    @property
    def fine(self) -> bool:
        return self.expected == self.seen


def environment_for(folder: Path, receiver: Receiver) -> dict[str, str]:
    """The service's settings, and what lets it reach an endpoint on this machine."""
    authority = folder / "receiver-ca.pem"
    authority.write_bytes(receiver.ca_pem)
    return os.environ | {
        "PYTHONPATH": str(HERE),
        "DRAWERS_DATABASE": str(folder / "drawers.db"),
        "WEBHOOKSUB_DATABASE": f"sqlite:///{folder / 'drawers.db'}",
        "WEBHOOKSUB_ALLOW": "127.0.0.0/8,::1/128",
        "WEBHOOKSUB_PORTS": str(receiver.port),
        "WEBHOOKSUB_CA_BUNDLE": str(authority),
    }


def token_of(person: str, tenant: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "drawers", "member", person, tenant]
    return subprocess.check_output(command, env=environment, text=True).strip()


@contextlib.contextmanager
def served(environment: dict[str, str], *options: str) -> Iterator[Service]:
    command = ["-m", "drawers", "serve", "--port", "0", *options]
    with Process(command, environment, r"running on (http://\S+)") as process:
        yield Service(process.begun[1])


def subscribe(service: Service, token: str, drawer: str, url: str) -> str:
    """To folders of a drawer, and to the files of any of them."""
    folders = f"tenant/acme/sidedrawer/{drawer}/record"
    for resource in (folders, folders + "/{recordId}/files"):
        status, made = service.ask(
            token,
            "POST",
            "/webhooks",
            {
                "modificationType": "any",
                "notificationUrl": url,
                "resource": resource,
                "expirationDateTime": "2099-01-01T00:00:00Z",
                "integrityKey": KEY,
            },
        )
        assert status == 201, made
    return str(made["id"])


def while_it_delivers(
    service: Service, ann: str, eve: str, drawer: str, subscriber: Subscriber
) -> Iterator[Line]:
    """What commits arrives, what is rolled back does not, and an outsider sees nothing."""
    id_ = subscribe(service, ann, drawer, subscriber.receiver.url("/hook"))
    folders = f"/tenants/acme/drawers/{drawer}/folders"
    _, folder = service.ask(ann, "POST", folders, {"name": "Taxes"})
    seen = subscriber.wait_to_hear("create folder Taxes")
    yield Line("a folder is made", "create folder Taxes", in_words(seen))
    files = f"{folders}/{folder['id']}/files"
    twice = [{"name": "2025.pdf", "size": 1}, {"name": "2025.pdf", "size": 2}]
    before = subscriber.heard()
    status, _ = service.ask(ann, "POST", files, twice)
    time.sleep(SILENCE_SECONDS)
    seen = new_since(before, subscriber.heard())
    yield Line(f"two files of one name: {status}, rolled back", "nothing", in_words(seen))
    service.ask(ann, "POST", files, [{"name": "2026.pdf", "size": 3}])
    seen = new_since(before, subscriber.wait_to_hear("create file 2026.pdf"))
    yield Line("a file is added", "create file 2026.pdf", in_words(seen))
    theirs, nobodys = (service.ask(eve, "GET", f"/webhooks/{x}") for x in (id_, "0" * 32))
    count = service.ask(eve, "GET", "/webhooks")[1]["totalCount"]
    same = "like a random id" if theirs == nobodys else "unlike a random id"
    answered = f"{theirs[0]}, {same}; lists {count}"
    yield Line("an outsider reads and lists", "404, like a random id; lists 0", answered)


def in_words(heard: list[str]) -> str:
    return ", ".join(heard) or "nothing"


def new_since(before: list[str], heard: list[str]) -> list[str]:
    return [what for what in heard if what not in before]


def while_nobody_delivers(
    environment: dict[str, str], ann: str, drawer: str, subscriber: Subscriber
) -> Iterator[Line]:
    """What is committed then waits in the file, and arrives when a dispatcher is there."""
    with served(environment, "--publish-only") as service:
        before = subscriber.heard()
        service.ask(ann, "POST", f"/tenants/acme/drawers/{drawer}/folders", {"name": "Letters"})
        time.sleep(SILENCE_SECONDS)
        seen = new_since(before, subscriber.heard())
        yield Line("a folder is made, and nobody delivers", "nothing", in_words(seen))
        command = ["-m", "webhooksub", "worker", "--authorizer", "drawers.people:members"]
        with Process(command, environment, "delivering from"):
            seen = new_since(before, subscriber.wait_to_hear("create folder Letters"))
        yield Line("a worker starts", "create folder Letters", in_words(seen))


def run(folder: Path, tell: Callable[[Line], None]) -> bool:
    with Receiver() as receiver:
        environment, subscriber = environment_for(folder, receiver), Subscriber(receiver)
        ann = token_of("ann", "acme", environment)
        eve = token_of("eve", "other", environment)
        lines = []
        print(f"{'':<4}| {'what happens':<46} | what is seen of it", flush=True)
        with served(environment) as service:
            _, drawer = service.ask(ann, "POST", "/tenants/acme/drawers", {"name": "Home"})
            for line in while_it_delivers(service, ann, eve, drawer["id"], subscriber):
                lines.append(line)
                tell(line)
        for line in while_nobody_delivers(environment, ann, drawer["id"], subscriber):
            lines.append(line)
            tell(line)
    return all(line.fine for line in lines)


def print_line(line: Line) -> None:
    """A row of the table."""
    print(f"{'yes' if line.fine else 'NO':<4}| {line.what:<46} | {line.seen}", flush=True)
    if not line.fine:
        print(f"{'':<4}| {'expected':>46} | {line.expected}", flush=True)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="drawers-") as folder:
        return 0 if run(Path(folder), print_line) else 1


if __name__ == "__main__":
    sys.exit(main())
