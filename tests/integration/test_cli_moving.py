"""``export``, ``import``, ``purge`` as an operator uses them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver

RECORDS = "tenant/{}/sidedrawer/s1/record"
KEY = "k" * 32
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_one(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "webhooksub", *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=60,
            cwd=tmp_path,
            env=os.environ | {"WEBHOOKSUB_DATABASE": "sqlite:///hooks.db"},
        )

    return run_one


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A store with a subscription and a delivered event of each of two tenants."""
    path = tmp_path / "hooks.db"
    with (
        Receiver() as receiver,
        Dispatcher(f"sqlite:///{path}", authorizer=allow_all, dev=True) as hooks,
    ):
        for tenant in ("acme", "globex"):
            resource = RECORDS.format(tenant)
            url = receiver.url(f"/{tenant}")
            day = timedelta(days=1)
            hooks.subscribe(resource, "any", url, expires=day, integrity_key=KEY, actor="ann")
            hooks.publish(resource + "/r1", "update", {"name": "Taxes"})
        hooks.flush(timeout=10)
    return path


def test_subscriptions_move_to_another_store(run: Run, filled: Path, tmp_path: Path) -> None:
    exported = run("export")
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert (exported.returncode, len(lines)) == (0, 2)
    assert "integrityKey" not in exported.stdout
    whole = run("export", "--with-keys", "--root", "tenant=acme").stdout
    assert json.loads(whole)["integrityKey"].startswith("whsec_")
    target = ("--database", "sqlite:///other.db")
    assert run("import", *target, stdin=whole).returncode == 2  # there is no such store yet
    assert run("migrate", *target).returncode == 0
    refused = run("import", *target, stdin=whole)
    assert refused.returncode == 2
    assert "line 1: notificationUrl" in refused.stderr
    done = run("import", *target, "--dev", "--json", stdin=whole)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"written": 1, "skipped": 0})
    (tmp_path / "lines").write_text(exported.stdout)
    again = run("import", *target, "--dev", "--json", "lines")
    assert json.loads(again.stdout) == {"written": 1, "skipped": 1}


def test_a_tenant_goes_and_another_stays(run: Run, filled: Path) -> None:
    done = run("purge", "--root", "tenant=acme", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "events": 1,
        "deliveries": 1,
        "attempts": 0,
        "keys": 0,
        "subscriptions": 1,
    }
    [left] = run("export").stdout.splitlines()
    assert json.loads(left)["resource"] == RECORDS.format("globex")
    assert "subscriptions deleted  0" in run("purge", "--root", "tenant=acme").stdout


@pytest.mark.parametrize("root", ["acme", "tenant=", "=acme", "tenant=a/b", "tennant=acme"])
def test_a_root_that_is_none_is_a_mistake(run: Run, filled: Path, root: str) -> None:
    done = run("purge", "--root", root)
    assert done.returncode == 2
    assert "--root" in done.stderr


def test_a_purge_names_its_root(run: Run, filled: Path) -> None:
    assert run("purge").returncode == 2
    assert len(run("export").stdout.splitlines()) == 2


def test_a_dispatcher_that_delivers_hears_of_a_purge_at_once() -> None:
    with (
        Receiver() as receiver,
        Dispatcher.in_memory(authorizer=allow_all, dev=True) as hooks,
    ):
        resource = RECORDS.format("acme")
        hooks.subscribe(resource, "any", receiver.url("/"), expires=timedelta(days=1))
        hooks.publish(resource + "/r1", "update")
        assert hooks.flush(timeout=10).delivered == 1
        deleted = hooks.purge(("tenant", "acme"))
        assert (deleted["subscriptions"], deleted["events"]) == (1, 1)
        hooks.publish(resource + "/r1", "update")
        assert hooks.flush(timeout=10).delivered == 0
        assert len(receiver.requests) == 1
