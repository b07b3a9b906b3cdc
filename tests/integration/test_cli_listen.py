"""`webhooksub listen`: a process that receives, verifies, shows, and fails on request."""

import json
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import KEY, PATH, RECORDS
from click.testing import CliRunner
from commands import Running, webhooksub

from webhooksub import Dispatcher, allow_all
from webhooksub.cli import main

FOLDER = "webhooksub-listen"
Done = subprocess.CompletedProcess[str]


class Listening:
    """A started listener, and what is sent to it from other processes."""

    def __init__(self, process: Running, folder: Path) -> None:
        self.process, self.folder = process, folder
        self.url = process.wait_to_say(r"listening at (\S+)\n")[1]
        process.wait_to_say("to try it: .*\n")

    @property
    def ca(self) -> Path:
        return self.folder / FOLDER / "ca.pem"

    def send_test(self, *options: str, target: str = "", key: bool = True) -> Done:
        command = [sys.executable, "-m", "webhooksub", "send-test", target or self.url, "--dev"]
        command += ["--ca-bundle", str(self.ca), *options]
        command += ["--key-file", f"{FOLDER}/key"] if key else []
        return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=self.folder)

    def post(self, body: bytes = b"{}", method: str = "POST", **headers: str) -> Any:
        request = urllib.request.Request(self.url, body, headers, method=method)
        context = ssl.create_default_context(cafile=str(self.ca))
        return urllib.request.urlopen(request, timeout=10, context=context)

    def end(self) -> int:
        return self.process.end()


@pytest.fixture
def listening(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    options = getattr(request, "param", ())
    with webhooksub("listen", "--port", "0", *options, folder=tmp_path) as process:
        yield Listening(process, tmp_path)


def lines_of(said: str) -> list[str]:
    return [line for line in said.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]


# --- what the issue shows ------------------------------------------------------------


@pytest.mark.parametrize("listening", [("--fail-rate", "0.3", "--seed", "1")], indirect=True)
def test_a_test_notification_is_seen_verified_and_retried(listening: Listening) -> None:
    sent = [listening.send_test("--attempts", "10", "--pause", "0", "--json") for _ in range(5)]
    assert [done.returncode for done in sent] == [0] * 5, sent[0].stderr
    answers = [json.loads(done.stdout) for done in sent]
    attempts = [[one["http_status"] for one in answer["attempts"]] for answer in answers]
    assert {codes[-1] for codes in attempts} == {200}
    assert any(codes[0] == 500 for codes in attempts)
    assert listening.end() == 0
    lines = lines_of(listening.process.said)
    assert len(lines) == sum(map(len, attempts))
    assert all("verified" in line and "NOT" not in line for line in lines)
    repeated = sum(len(codes) - 1 for codes in attempts)
    assert sum("attempt 1" not in line for line in lines) == repeated
    assert f"{len(lines)} requests, {len(lines)} verified, 0 not" in listening.process.said


def test_a_dispatcher_s_own_retries_arrive_and_verify(tmp_path: Path) -> None:
    """By the keys of the store, as they are there when something arrives."""
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    Dispatcher(url, authorizer=allow_all).close()
    (tmp_path / "steps.toml").write_text("[[answer]]\nstatus = 503\ntimes = 2\n")
    options = ["--scenario", "steps.toml", "--database", url, "--json"]
    with webhooksub("listen", "--port", "0", *options, folder=tmp_path) as process:
        listening = Listening(process, tmp_path)
        quick = {"retry_steps_ms": (50,), "retry_jitter": 0, "ca_bundle": listening.ca}
        with Dispatcher(url, authorizer=allow_all, dev=True, config=quick) as hooks:
            info = hooks.subscribe(
                RECORDS, "any", listening.url, expires=timedelta(days=1), integrity_key=KEY
            )
            event = hooks.publish(PATH, "update", {"n": 1})
            while hooks.flush(timeout=10).waiting:
                pass
            kept = hooks.attempts(event.id, info.id)
        assert [a.http_status for a in kept] == [503, 503, 200]
        assert listening.end() == 0
    shown = [json.loads(line) for line in process.said.splitlines() if line.startswith("{")]
    assert [(one["attempt"], one["verdict"], one["status"]) for one in shown] == [
        (1, "verified", 503),
        (2, "verified", 503),
        (3, "verified", 200),
    ]
    assert len({one["webhookId"] for one in shown}) == 1
    [notification] = shown[0]["notifications"]
    assert (notification["resourcePath"], notification["data"]) == (PATH, {"n": 1})


# --- judging -------------------------------------------------------------------------


def test_what_does_not_verify_is_told_and_ends_with_1(listening: Listening) -> None:
    assert listening.send_test("--json", key=False).returncode == 0
    with listening.post(b'{"a": "\\u001b[2J"}', integrityHash="0" * 64) as answer:
        assert answer.status == 200
    assert listening.end() == 1
    first, second = lines_of(listening.process.said)
    assert "UNSIGNED" in first
    assert "NOT VERIFIED" in second
    assert "0 verified, 2 not" in listening.process.said


def test_it_agrees_to_who_asks_for_leave_to_send(listening: Listening) -> None:
    asks = {"WebHook-Request-Origin": "hooks.example"}
    with listening.post(b"", method="OPTIONS", **asks) as answer:
        assert answer.headers["WebHook-Allowed-Origin"] == "hooks.example"
    listening.url += "?validationToken=a%20b"
    with listening.post(b"") as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"a b", "text/plain")
    assert listening.end() == 0
    assert all("asks for leave" in line for line in lines_of(listening.process.said))


@pytest.mark.parametrize("listening", [("--delay", "0.5", "--count", "1")], indirect=True)
def test_it_thinks_first_and_ends_after_a_count(listening: Listening) -> None:
    shown = json.loads(listening.send_test("--json").stdout)
    assert shown["duration_ms"] >= 500
    assert listening.process.wait() == 0


def test_ctrl_c_ends_it(listening: Listening) -> None:
    listening.process.tell(signal.SIGINT)
    assert listening.process.wait() == 0
    assert "0 requests" in listening.process.said


def test_a_body_without_bound_is_refused_unread(listening: Listening) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        listening.post(b"{}", **{"Content-Length": "99999999999"})
    with caught.value:
        assert caught.value.code == 413
    listening.end()


# --- the key -------------------------------------------------------------------------


def test_its_key_is_secret_stays_and_is_never_printed(listening: Listening) -> None:
    file = listening.folder / FOLDER / "key"
    key = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert listening.send_test().returncode == 0
    listening.end()
    assert key.strip() not in listening.process.said
    with webhooksub("listen", "--port", "0", folder=listening.folder) as again:
        Listening(again, listening.folder)
        assert again.end() == 0
    assert file.read_text() == key


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("listen", "--fail-rate", "2"), "--fail-rate"),
        (("listen", "--scenario", "nowhere"), "--scenario"),
        (("listen", "--scenario", "empty"), "--scenario"),
        (("listen", "--key-file", "empty"), "--key-file"),
        (("listen", "--folder", "empty"), "--folder"),
        (("listen", "--port", "70000"), "--port"),
        (("listen", "--port", "1", "--database", "sqlite:///no.db"), "--database"),
        (("send-test", "https://localhost/", "--key-file", "empty"), "--key-file"),
        (("send-test", "id", "--key-file", "empty"), "--key-file"),
        (("send-test", "http://localhost/"), "URL"),
        (("send-test", "https://localhost/", "--attempts", "0"), "--attempts"),
        (("send-test", "https://localhost/", "--ca-bundle", "nowhere"), "nowhere"),
    ],
)
def test_a_mistake_names_the_argument_and_ends_with_2(
    arguments: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert named in done.stderr.splitlines()[-1]


def test_a_folder_that_cannot_be_written_to_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / FOLDER / "ca.pem").mkdir(parents=True)
    done = CliRunner().invoke(main, ["listen", "--port", "0"])
    assert done.exit_code == 2
    assert done.stderr.endswith(
        "Invalid value for --folder: webhooksub-listen/ca.pem: Is a directory\n"
    )


def test_a_port_that_is_taken_is_told(listening: Listening) -> None:
    port = listening.url.rpartition(":")[2].strip("/")
    with webhooksub("listen", "--port", port, folder=listening.folder) as second:
        assert second.wait() == 2
    assert f"--port: {port}: Address already in use" in second.said
    listening.end()
