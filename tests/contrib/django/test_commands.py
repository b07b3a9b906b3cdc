"""``manage.py webhooksub …``: the command line on the service's own database and settings."""

import contextlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.core.management import CommandError, call_command
from shop.management.processes import PROJECT, Process, worker
from shop.models import Order, Shop

from webhooksub import SubscriptionInfo
from webhooksub.contrib.django import OPERATOR, devserver, hooks
from webhooksub.testing import Receiver

pytestmark = pytest.mark.filterwarnings("ignore:no dispatcher")

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environ(database: Path, receiver: Receiver, tmp_path: Path) -> dict[str, str]:
    """Of processes on this test's database, which trust the receiver."""
    (tmp_path / "ca.pem").write_bytes(receiver.ca_pem)
    return {
        "SHOP_DATABASE": str(database),
        "SHOP_DEBUG": "1",
        "WEBHOOKSUB_CA_BUNDLE": str(tmp_path / "ca.pem"),
        "WEBHOOKSUB_POLL_MS": "30",
        "WEBHOOKSUB_DATABASE": "sqlite:///elsewhere.db",
    }


@pytest.fixture
def manage(environ: dict[str, str]) -> Manage:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=PROJECT, env=os.environ | environ, capture_output=True, text=True
        )

    return run


def test_status_speaks_of_the_services_own_database(
    manage: Manage, shop: Shop, database: Path
) -> None:
    done = manage("webhooksub", "status", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["database"] == str(database)
    Order.objects.create(shop=shop, total=1)
    done = manage("webhooksub", "status")
    assert done.returncode == 1
    assert "no dispatcher delivers" in done.stderr


def test_the_help_names_the_commands_of_a_project(manage: Manage) -> None:
    shown = manage("webhooksub").stdout
    for name in ("worker", "status", "replay", "prune", "migrate", "doctor", "send-test"):
        assert f"  {name} " in shown
    assert "  demo " not in shown
    assert "--database" not in manage("webhooksub", "status", "--help").stdout


def test_lists_are_of_the_services_own_database(manage: Manage, shop: Shop) -> None:
    Order.objects.create(shop=shop, total=1)
    done = manage("webhooksub", "events", "list", "--json")
    assert done.returncode == 0, done.stderr
    [event] = json.loads(done.stdout)["data"]
    assert event["modificationType"] == "create"
    assert "--database" not in manage("webhooksub", "events", "list", "--help").stdout
    assert manage("webhooksub", "events", "show", "nonsense").returncode == 2


def test_a_wrong_command_ends_with_2(manage: Manage) -> None:
    assert manage("webhooksub", "stats").returncode == 2
    assert manage("webhooksub", "prune").returncode == 2


def test_it_can_be_called_from_code(shop: Shop) -> None:
    out = io.StringIO()
    call_command("webhooksub", "status", "--json", stdout=out)
    assert json.loads(out.getvalue())["subscriptions"] == 0
    Order.objects.create(shop=shop, total=1)
    with pytest.raises(SystemExit) as ended:
        call_command("webhooksub", "status", stdout=out)
    assert ended.value.code == 1


def test_replay_matches_anew_by_the_projects_catalog(
    manage: Manage, subscribed: SubscriptionInfo, shop: Shop
) -> None:
    hooks.pause(subscribed.id, actor=OPERATOR)
    hooks.start()
    Order.objects.create(shop=shop, total=1)
    hooks.flush(timeout=10)
    hooks.close()
    hooks.resume(subscribed.id, actor=OPERATOR)
    wanted = ("--subscription", subscribed.id, "--since", "1h", "--json")
    done = manage("webhooksub", "replay", *wanted)
    assert json.loads(done.stdout) == {"replayed": 1}, done.stderr


def test_prune_deletes_what_is_old(
    manage: Manage, subscribed: SubscriptionInfo, shop: Shop
) -> None:
    hooks.start()
    Order.objects.create(shop=shop, total=1)
    hooks.flush(timeout=10)
    hooks.close()
    done = manage("webhooksub", "prune", "--older-than", "0s", "--json")
    assert json.loads(done.stdout)["events"] == 1, done.stderr


def test_a_worker_delivers_until_sigterm_and_then_drains(
    environ: dict[str, str], subscribed: SubscriptionInfo, receiver: Receiver, shop: Shop
) -> None:
    receiver.answer(delay=1.0)
    with worker(environ) as process:
        Order.objects.create(shop=shop, total=1)
        receiver.wait_for(1)
        process.end()  # an attempt is under way: it ends well
    [delivery] = hooks.deliveries(actor=OPERATOR)
    assert (delivery.state.name, delivery.attempts) == ("DELIVERED", 1)
    assert hooks.stats()["dispatchers_alive"] == 0


def test_a_worker_ends_by_ctrl_c_too(environ: dict[str, str]) -> None:
    with worker(environ) as process:
        process._process.send_signal(signal.SIGINT)
        assert process._process.wait(timeout=20) == 0


def test_a_worker_answers_for_its_health(environ: dict[str, str], database: Path) -> None:
    arguments = ("manage.py", "webhooksub", "worker", "--health", "127.0.0.1:0")
    with Process(*arguments, ready="webhooksub: health at", environ=environ) as process:
        url = process.ready.split()[-1]
        assert httpx2.get(url).status_code == 200
        process.end()


def test_a_second_worker_is_told_who_delivers(environ: dict[str, str], manage: Manage) -> None:
    with worker(environ) as process:
        done = manage("webhooksub", "worker")
        assert done.returncode == 2
        assert f"pid {process._process.pid}" in done.stderr


def test_a_worker_whose_work_was_taken_over_ends_with_1(
    environ: dict[str, str], database: Path
) -> None:
    environ = environ | {"WEBHOOKSUB_HEARTBEAT_MS": "100"}
    with worker(environ) as process:
        with sqlite3.connect(database, timeout=20) as other:
            other.execute("UPDATE webhooksub_dispatcher SET state = 3")
        other.close()
        assert process._process.wait(timeout=20) == 1


def test_a_worker_does_not_start_with_wrong_settings(manage: Manage, settings: Any) -> None:
    settings(WEBHOOKSUB={})
    with pytest.raises(CommandError, match=r"webhooksub\.E002"):
        call_command("webhooksub", "worker")


# --- runserver -------------------------------------------------------------------------


@contextlib.contextmanager
def touched_again_and_again(path: Path) -> Iterator[None]:
    """Until the block ends: a change before the reloader's first look is none to it."""
    before, done = path.stat().st_mtime, threading.Event()

    def touch() -> None:
        later = before
        while not done.wait(0.5):
            later += 1
            os.utime(path, (later, later))

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        os.utime(path, (before, before))


def test_runserver_delivers_in_its_process_and_again_after_a_reload(
    environ: dict[str, str], subscribed: SubscriptionInfo, receiver: Receiver, shop: Shop
) -> None:
    ready = "runserver delivers"
    arguments = ("manage.py", "runserver", "127.0.0.1:0")
    with Process(*arguments, ready=ready, environ=environ) as process:
        Order.objects.create(shop=shop, total=1)
        receiver.wait_for(1)
        assert process._process.stdout is not None
        with touched_again_and_again(PROJECT / "shop" / "apps.py"):
            assert any(line.startswith(ready) for line in process._process.stdout)
        Order.objects.create(shop=shop, total=2)
        receiver.wait_for(2)
    assert [request.json()["data"]["total"] for request in receiver.requests] == [1, 2]
    assert hooks.stats()["dispatchers_alive"] == 0, "the process that delivered ended too"


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"),
    [
        (["manage.py", "runserver"], {"RUN_MAIN": "true"}, True),
        (["manage.py", "runserver", "--noreload"], {}, True),
        (["manage.py", "runserver"], {}, False),
        (["manage.py", "migrate"], {"RUN_MAIN": "true"}, False),
        (["gunicorn", "config.wsgi"], {}, False),
        (["manage.py"], {}, False),
    ],
)
def test_only_the_process_of_runserver_that_serves_delivers(
    arguments: list[str], environ: dict[str, str], expected: bool
) -> None:
    assert devserver.serves(arguments, environ) is expected
