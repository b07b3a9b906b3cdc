"""The shop of examples/django, as its reader runs it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.test import Client
from postgres import shared_server
from shop.management.processes import PROJECT


def make(target: str, **environ: str) -> str:
    command = ["make", "--no-print-directory", target, f"PYTHON={sys.executable}"]
    given = {k: v for k, v in os.environ.items() if not k.startswith(("SHOP_", "MAKE"))}
    done = subprocess.run(
        command, cwd=PROJECT, env=given | environ, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def environ(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Of a shop on such a database."""
    if request.param == "SQLite":
        yield {}
        return
    server = shared_server()
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
        yield {"DATABASE_URL": f"postgresql://postgres@/shop?host={server.folder}"}
        connection.execute("DROP DATABASE shop WITH (FORCE)")


def test_its_own_tests_pass(environ: dict[str, str]) -> None:
    assert "Ran 6 tests" in make("test", **environ)


def test_the_demo_shows_what_becomes_of_a_change(
    environ: dict[str, str], request: pytest.FixtureRequest
) -> None:
    shown = make("demo", **environ)
    assert request.node.callspec.params["environ"] in shown
    assert "NOT" not in shown
    for what in (
        "a committed order arrived, its signature verified",
        "the number of events is unchanged",
        "an order was rolled back to its SAVEPOINT: HTTP 201",
        "the receiver is quiet",
        "it arrived when a worker ran again",
        "the worker drained on SIGTERM",
    ):
        assert what in shown


def test_the_demo_fails_when_something_is_not_as_promised(tmp_path: Path) -> None:
    environ = os.environ | {"SHOP_DATABASE": str(tmp_path / "shop.sqlite3"), "SHOP_DEBUG": "1"}
    code = "import django; django.setup(); from shop.management.commands.demo import Verdict\n"
    code += "v = Verdict(); v.show('right', True); v.show('wrong', False); print(v.failures)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environ, capture_output=True, text=True
    )
    assert done.stdout.split("\n")[-4:-1] == ["  ok  right", "  NOT wrong", "1"], done.stderr


def test_nobody_is_let_in_without_a_token() -> None:
    answer = Client().post("/orders", "{}", content_type="application/json")
    assert answer.status_code == 401


def test_web_writes_and_a_worker_contend_for_one_file_without_errors() -> None:
    command = [sys.executable, str(PROJECT.parents[1] / "bench" / "django_contention.py")]
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SHOP_", "DJANGO_"))}
    done = subprocess.run(
        [*command, "--seconds", "2"], env=environ, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "errors of the web  0" in done.stdout
    assert "ends with 1: webhooksub.E005, webhooksub.E006" in done.stdout
