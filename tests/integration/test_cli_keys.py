"""``rotate-keys`` as an operator uses it."""

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from webhooksub import Dispatcher, allow_all

RECORDS = "tenant/acme/sidedrawer/s{}/record"
SECRETS = {1: b"canary-of-key-1-0123456789abcdef", 2: b"canary-of-key-2-0123456789abcdef"}
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def text_of(*ids: int) -> str:
    return "\n".join(f"{n}:{base64.b64encode(SECRETS[n]).decode()}" for n in ids)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_one(*arguments: str, **environment: str) -> Done:
        environ = {"WEBHOOKSUB_DATABASE": "sqlite:///hooks.db"} | environment
        done = subprocess.run(
            [sys.executable, "-m", "webhooksub", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env=os.environ | environ,
        )
        assert "canary" not in done.stdout + done.stderr
        return done

    return run_one


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Three subscriptions with keys, two of them sealed by key 1."""
    path = tmp_path / "hooks.db"
    for n, keyring in enumerate((None, {1: SECRETS[1]}, {1: SECRETS[1]})):
        config = {"keyring": keyring}
        hooks = Dispatcher(f"sqlite:///{path}", authorizer=allow_all, dev=True, config=config)
        day, url = timedelta(days=1), "https://localhost/hook"
        hooks.subscribe(RECORDS.format(n), "any", url, expires=day, integrity_key="k" * 32)
        hooks.close()
    return path


def test_keys_are_sealed_by_the_first_of_a_file(run: Run, filled: Path, tmp_path: Path) -> None:
    keyring = tmp_path / "keyring"
    keyring.write_text(text_of(2, 1))
    keyring.chmod(0o600)
    environment = {"WEBHOOKSUB_KEYRING_FILE": str(keyring)}
    done = run("rotate-keys", "--json", **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "key_id": 2,
        "looked_at": 3,
        "sealed": 3,
        "unreadable": [],
    }
    again = run("rotate-keys", **environment)
    assert again.returncode == 0
    assert [line.split()[-1] for line in again.stdout.splitlines()] == ["2", "3", "0", "0"]
    only_new = run("export", "--with-keys", WEBHOOKSUB_KEYRING=text_of(2))
    assert only_new.stdout.count("integrityKey") == 3


def test_what_cannot_be_opened_is_named_and_ends_with_1(run: Run, filled: Path) -> None:
    done = run("rotate-keys", "--json", WEBHOOKSUB_KEYRING=text_of(2))
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["sealed"], len(told["unreadable"])) == (1, 2)
    for id_ in told["unreadable"]:
        assert f"the key of subscription {id_}" in done.stderr
    with closing(sqlite3.connect(filled)) as raw:
        heads = {
            row[0] for row in raw.execute("select hex(substr(sealed, 1, 5)) from webhooksub_secret")
        }
    assert heads == {"0100000001", "0100000002"}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "no keyring was given"),
        ({"WEBHOOKSUB_KEYRING": "1:canary"}, "the key of entry 1 is no base64"),
        ({"WEBHOOKSUB_KEYRING_FILE": "nowhere"}, "the keyring of nowhere: No such file"),
        ({"WEBHOOKSUB_KEYRING": text_of(1), "WEBHOOKSUB_KEYRING_FILE": "x"}, "not both"),
    ],
)
def test_without_a_keyring_that_can_be_had_it_ends_with_2(
    run: Run, filled: Path, environment: dict[str, str], message: str
) -> None:
    done = run("rotate-keys", **environment)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_keyring_is_no_option_for_every_process_to_read(run: Run, filled: Path) -> None:
    done = run("serve", "--keyring", text_of(1).replace("canary", ""))
    assert done.returncode == 2
    assert "No such option" in done.stderr
