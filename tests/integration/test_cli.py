"""The command as an operator uses it: a process, its output and its exit code."""

import fcntl
import json
import os
import pty
import sqlite3
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from webhooksub import Catalog, Dispatcher, allow_all
from webhooksub.testing import Receiver

RESOURCE = "tenant/acme/sidedrawer/s1/record"
PATH = RESOURCE + "/r1"
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "hooks.db"


@pytest.fixture
def run(database: Path, tmp_path: Path) -> Run:
    """`webhooksub` on the test's database, which the environment names."""

    def run_one(*arguments: str, **environment: str) -> Done:
        environ = {"WEBHOOKSUB_DATABASE": f"sqlite:///{database}"} | environment
        return subprocess.run(
            [sys.executable, "-m", "webhooksub", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env=os.environ | environ,
        )

    return run_one


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


@pytest.fixture
def delivered(database: Path, receiver: Receiver) -> tuple[str, str]:
    """(event id, subscription id) of a store with one delivery, its dispatcher gone."""
    with Dispatcher(f"sqlite:///{database}", authorizer=allow_all, dev=True) as hooks:
        subscription = hooks.subscribe(
            RESOURCE, "any", receiver.url(), expires=timedelta(days=1), integrity_key="k" * 32
        )
        event = hooks.publish(PATH, "update", {"n": 1})
        assert hooks.flush(timeout=10).delivered == 1
    return event.id, subscription.id


def answer(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def publish_to_nobody(database: Path) -> None:
    hooks = Dispatcher(f"sqlite:///{database}", authorizer=allow_all)
    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        hooks.publish(PATH, "update", {"n": 2})
    hooks.close()


# --- status --------------------------------------------------------------------------


def test_status_says_first_that_nobody_delivers(
    run: Run, database: Path, delivered: tuple[str, str]
) -> None:
    publish_to_nobody(database)
    done = run("status")
    assert done.returncode == 1
    assert " ".join(done.stdout.split()).startswith("dispatcher none: nothing is delivered")
    assert done.stderr.startswith("unhealthy: work waits")
    told = answer(run("status", "--json"))
    assert (told["dispatcher"], told["healthy"], told["outbox"]) == (None, False, 1)


def test_status_names_the_dispatcher(run: Run, database: Path) -> None:
    with Dispatcher(f"sqlite:///{database}", authorizer=allow_all, dev=True):
        done = run("status", "--json")
    assert done.returncode == 0, done.stderr
    assert f"pid {os.getpid()}" in answer(done)["dispatcher"]


def test_an_idle_store_without_a_dispatcher_is_healthy(
    run: Run, delivered: tuple[str, str]
) -> None:
    done = run("status", "--json")
    assert done.returncode == 0, done.stderr
    assert answer(done)["subscriptions"] == 1


# --- what changes the store ----------------------------------------------------------


def test_replay_makes_a_delivery_due_again(
    run: Run, database: Path, receiver: Receiver, delivered: tuple[str, str]
) -> None:
    event, subscription = delivered
    done = run("replay", "--event", event, "--subscription", subscription, "--json")
    assert (done.returncode, answer(done)) == (0, {"replayed": 1}), done.stderr
    with Dispatcher(f"sqlite:///{database}", authorizer=allow_all, dev=True) as hooks:
        assert hooks.flush(timeout=10).delivered == 1
    assert len({r.headers["webhook-id"] for r in receiver.wait_for(2)}) == 1


def test_replay_matches_a_time_anew(run: Run, delivered: tuple[str, str]) -> None:
    _, subscription = delivered
    done = run("replay", "--subscription", subscription, "--since", "1h", "--json")
    assert (done.returncode, answer(done)) == (0, {"replayed": 1}), done.stderr
    before = run("replay", "--subscription", subscription, "--since", "1h", "--until", "1h")
    assert before.stdout.split()[-1] == "0"


def test_replay_takes_the_service_s_own_catalog(
    run: Run, database: Path, tmp_path: Path, receiver: Receiver
) -> None:
    template = "repos/{owner}/issues/{number}"
    (tmp_path / "service.py").write_text(
        f"from webhooksub import Catalog\ncatalog = Catalog.of({template!r})\nother = 1\n"
    )
    url, catalog = f"sqlite:///{database}", Catalog.of(template)
    with Dispatcher(url, authorizer=allow_all, catalog=catalog, dev=True) as hooks:
        expires = timedelta(days=1)
        info = hooks.subscribe("repos/ann/issues", "any", receiver.url(), expires=expires)
        hooks.publish("repos/ann/issues/7", "update")
        assert hooks.flush(timeout=10).delivered == 1
    since = ("replay", "--subscription", info.id, "--since", "1h", "--json")
    assert answer(run(*since, "--catalog", "service:catalog")) == {"replayed": 1}
    for wrong in ("service:other", "service:nothing", "nowhere:catalog", "service"):
        assert run(*since, "--catalog", wrong).returncode == 2, wrong


def test_prune_deletes_what_ended(run: Run, delivered: tuple[str, str]) -> None:
    done = run("prune", "--older-than", "30d", "--json")
    assert (done.returncode, answer(done)["events"]) == (0, 0), done.stderr
    done = run("prune", "--older-than", "0s", "--json")
    assert (answer(done)["events"], answer(done)["deliveries"]) == (1, 1)


def test_migrate_makes_the_schema(run: Run, database: Path) -> None:
    done = run("migrate", "--json")
    assert done.returncode == 0, done.stderr
    assert answer(done) == {"database": str(database), "schema_version": 1}
    assert run("migrate").returncode == 0


# --- doctor --------------------------------------------------------------------------


def findings(done: Done) -> dict[str, tuple[str, str]]:
    return {f["name"]: (f["grade"], f["text"]) for f in answer(done)["findings"]}


def test_doctor_tells_what_is_here(run: Run, database: Path) -> None:
    with Dispatcher(f"sqlite:///{database}", authorizer=allow_all, dev=True):
        done = run("doctor", "--json")
    assert done.returncode == 0, done.stdout
    found = findings(done)
    assert found["SQLite"] == ("ok", sqlite3.sqlite_version)
    assert ("WAL reset" in found) == (sqlite3.sqlite_version_info < (3, 51, 3))
    assert found["libcurl"][1][0].isdigit()
    assert found["certificates"][0] == "ok"
    assert found["dispatcher"] == ("ok", found["dispatcher"][1])
    assert str(database) in found["store"][1]


def test_doctor_finds_what_keeps_webhooks_from_being_delivered(
    run: Run, database: Path, tmp_path: Path
) -> None:
    publish_to_nobody(database)
    done = run("doctor", "--json", "--ca-bundle", str(tmp_path / "nothing.pem"))
    assert done.returncode == 1
    found = findings(done)
    assert found["dispatcher"][0] == found["certificates"][0] == "bad"
    assert found["store"][0] == "ok"


def test_doctor_warns_of_a_file_that_others_may_read(
    run: Run, database: Path, delivered: tuple[str, str]
) -> None:
    database.chmod(0o644)
    done = run("doctor", "--json")
    assert done.returncode == 0
    assert findings(done)["file mode"][0] == "warning"


def test_doctor_needs_no_store_that_nobody_named(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if k != "WEBHOOKSUB_DATABASE"}
    command = [sys.executable, "-m", "webhooksub", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ)
    assert done.returncode == 0, done.stdout
    assert findings(done)["store"][0] == "warning"
    assert list(tmp_path.iterdir()) == []


# --- mistakes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--database", "sqlite:///nowhere.db"),
        ("status", "--database", "nonsense"),
        ("status", "--database", "mysql://host/db"),
        ("migrate", "--database", "memory://"),
        ("replay",),
        ("replay", "--event", "nonsense"),
        ("replay", "--subscription", "01a2116a-b419-7cdf-933f-eebda918d9fd", "--since", "1h"),
        ("replay", "--state", "lost"),
        ("prune",),
        ("prune", "--older-than", "yesterday"),
        ("prune", "--older-than", "2026-01-01T00:00:00"),
        ("prune", "--older-than", "9999999999d"),
        ("nonsense",),
    ],
)
def test_a_mistake_is_told_in_a_line_and_ends_with_2(
    arguments: tuple[str, ...], run: Run, delivered: tuple[str, str], tmp_path: Path
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    assert not (tmp_path / "nowhere.db").exists()


def test_a_file_that_is_no_database_is_told_in_a_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but long enough to be taken for one" * 100)
    done = run("status", "--database", "sqlite:///text.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("webhooksub: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_setting_that_does_not_exist_is_told(run: Run, delivered: tuple[str, str]) -> None:
    done = run("status", WEBHOOKSUB_NO_SUCH_THING="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no_such_thing: no such setting" in done.stderr


def test_another_dispatcher_s_store_is_not_migrated(run: Run, database: Path) -> None:
    with Dispatcher(f"sqlite:///{database}", authorizer=allow_all, dev=True):
        done = run("migrate")
    assert done.returncode == 2
    assert f"pid {os.getpid()}" in done.stderr


# --- for people ----------------------------------------------------------------------


def on_terminal(*arguments: str, columns: int = 80) -> str:
    """What a terminal shows."""
    terminal, theirs = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environ = os.environ | {"TERM": "dumb", "COLUMNS": str(columns)}
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as it:
        os.close(theirs)
        shown = b""
        while part := read_from(terminal):
            shown += part
    os.close(terminal)
    assert it.returncode == 0, shown
    return shown.decode()


def read_from(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # its other side is closed
        return b""


def test_a_terminal_gets_a_frame_that_fits(database: Path, delivered: tuple[str, str]) -> None:
    pytest.importorskip("rich")
    shown = on_terminal("-m", "webhooksub", "doctor", "--database", f"sqlite:///{database}")
    lines = shown.splitlines()
    assert lines[0].startswith("┌")
    assert all(len(line) <= 80 for line in lines)


def test_a_list_on_a_terminal_fits_and_loses_nothing(
    database: Path, delivered: tuple[str, str]
) -> None:
    pytest.importorskip("rich")
    event, subscription = delivered
    url = f"sqlite:///{database}"
    shown = on_terminal("-m", "webhooksub", "deliveries", "list", "--database", url)
    lines = shown.splitlines()
    assert lines[0].startswith("┏")
    assert all(len(line) <= 80 for line in lines)
    cells = [line.split("│") for line in lines if line.startswith("│")]
    columns = ["".join(cell.strip() for cell in column) for column in zip(*cells, strict=True)]
    assert columns[1:4] == [event, subscription, "delivered"]


def test_without_rich_a_terminal_gets_plain_text_and_a_bar(
    database: Path, delivered: tuple[str, str]
) -> None:
    code = "import sys; sys.modules['rich'] = None; from webhooksub.cli import main; main()"
    shown = on_terminal("-c", code, "demo", "--events", "50")
    assert "published  [##############################]        50 / 50" in shown
    assert any(line.split() == ["lost", "0"] for line in shown.splitlines())
    assert "┌" not in shown
