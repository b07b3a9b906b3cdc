"""``flask webhooksub …`` is the command line, on the app's own store and settings."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from acme import PATH, RECORDS
from flask import Flask
from flask.testing import FlaskCliRunner

from webhooksub import Catalog, allow_all
from webhooksub.contrib.flask import Webhooksub
from webhooksub.testing import Receiver

pytestmark = pytest.mark.filterwarnings("ignore:no dispatcher delivers")

SHOP = Catalog.of("shop/{shop}/order/{order}")
ORDERS = "shop/s1/order"
ORDER = f"{ORDERS}/17"
hooks = Webhooksub(authorizer=allow_all, catalog=SHOP, dev=True)


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    made = Flask(__name__)
    made.config["WEBHOOKSUB_DATABASE"] = f"sqlite:///{tmp_path / 'hooks.db'}"
    hooks.init_app(made)
    return made


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def test_status_looks_at_the_apps_store_whatever_the_environment_names(
    app: Flask, runner: FlaskCliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOKSUB_DATABASE", "sqlite:///nowhere.db")
    with app.app_context():
        hooks.publish(ORDER, "update")
        hooks.close()
    result = runner.invoke(args=["webhooksub", "status", "--json"])
    assert result.exit_code == 1  # work waits, and nobody delivers
    data = json.loads(result.stdout)
    assert (data["database"], data["outbox"]) == (str(tmp_path / "hooks.db"), 1)


@pytest.mark.parametrize("command", ["status", "replay", "prune", "migrate", "doctor"])
def test_no_command_asks_for_what_the_app_knows(runner: FlaskCliRunner, command: str) -> None:
    said = runner.invoke(args=["webhooksub", command, "--help"]).output
    assert "Usage:" in said
    assert "--database" not in said
    assert "--catalog" not in said


def test_migrate_makes_the_store_before_anything_is_published(
    runner: FlaskCliRunner, tmp_path: Path
) -> None:
    result = runner.invoke(args=["webhooksub", "migrate"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "hooks.db").exists()


def test_an_error_of_the_library_is_one_line(runner: FlaskCliRunner) -> None:
    result = runner.invoke(args=["webhooksub", "status"])
    assert result.exit_code == 2
    assert result.stderr.startswith("webhooksub: there is no database")


def test_replay_matches_anew_by_the_apps_catalog(app: Flask, runner: FlaskCliRunner) -> None:
    with app.app_context():
        with hooks.dispatcher as dispatcher:
            hooks.publish(ORDER, "create")
            dispatcher.flush(10)
            missed = dispatcher.subscribe(
                ORDERS, "create", "https://one.example/hook", expires=timedelta(days=1)
            )
        hooks.close()
    args = ["webhooksub", "replay", "--subscription", missed.id, "--since", "1h", "--json"]
    result = runner.invoke(args=args)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"replayed": 1}


def test_send_test_signs_for_a_subscription_of_the_apps_catalog(
    app: Flask, runner: FlaskCliRunner
) -> None:
    with app.app_context(), Receiver() as receiver:
        made = hooks.dispatcher.subscribe(
            ORDERS, "create", receiver.url("/hook"), expires=timedelta(days=1)
        )
        hooks.close()
        result = runner.invoke(args=["webhooksub", "send-test", made.id, "--dev"])
        assert result.exit_code == 0, result.output
        assert receiver.requests[0].json()["data"] == {"test": True}


def test_lists_are_of_the_apps_store_and_catalog(app: Flask, runner: FlaskCliRunner) -> None:
    with app.app_context():
        made = hooks.dispatcher.subscribe(
            ORDERS, "create", "https://one.example/hook", expires=timedelta(days=1)
        )
        event = hooks.publish(ORDER, "create")
        hooks.close()
    for command, id_ in (("subscriptions", made.id), ("events", event.id)):
        said = runner.invoke(args=["webhooksub", command, "list", "--help"]).output
        assert "--database" not in said
        result = runner.invoke(args=["webhooksub", command, "list", "--json"])
        assert result.exit_code == 0, result.output
        assert [row["id"] for row in json.loads(result.stdout)["data"]] == [id_]
    result = runner.invoke(args=["webhooksub", "explain", ORDER, "create", "--json"])
    assert [row["code"] for row in json.loads(result.stdout)["data"]] == ["hears"]


SERVICE = """
from flask import Flask
from webhooksub import allow_all
from webhooksub.contrib.flask import Webhooksub

app = Flask(__name__)
app.config["WEBHOOKSUB_DATABASE"] = "sqlite:///hooks.db"
with open("ca.pem", "rb") as file:
    Webhooksub(app, authorizer=allow_all, dev=True, ca_pem=file.read())
"""


def test_the_worker_delivers_what_was_published_before_and_drains_at_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Receiver() as receiver, ExitStack() as stack:
        (tmp_path / "app.py").write_text(SERVICE)
        (tmp_path / "ca.pem").write_bytes(receiver.ca_pem)
        app = Flask(__name__)
        app.config["WEBHOOKSUB_DATABASE"] = "sqlite:///hooks.db"
        extension = Webhooksub(app, authorizer=allow_all, dev=True)
        with app.app_context():
            extension.dispatcher.subscribe(
                RECORDS, "any", receiver.url("/hook"), expires=timedelta(days=1)
            )
            extension.publish(PATH, "update", {"name": "Taxes"})
            extension.close()
        receiver.answer(delay=0.5)
        stack.callback(kill, worker := start_worker(tmp_path, "--health", "127.0.0.1:0"))
        told: list[str] = []
        for line in iter(worker.stderr.readline, ""):  # type: ignore[union-attr]
            told.append(line)
            if "delivering from" in line:
                break
        assert told[-1] == "webhooksub: delivering from sqlite:///hooks.db\n", "".join(told)
        [address] = [line.split()[-1] for line in told if "health at" in line]
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert answer.status == 200
        [request] = receiver.wait_for(1, timeout=30)
        assert request.json()["data"] == {"name": "Taxes"}
        second = subprocess.run(
            worker_command(), capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode == 2
        assert "webhooksub: " in second.stderr
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=30)
        assert worker.returncode == 0, err
        assert out == ""
        with app.app_context():
            assert extension.dispatcher.stats()["outbox"] == 0
            assert [d.state.name for d in extension.dispatcher.deliveries()] == ["DELIVERED"]
            extension.close()


def worker_command() -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "app", "webhooksub", "worker"]


def start_worker(folder: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*worker_command(), *options],
        cwd=folder,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()
