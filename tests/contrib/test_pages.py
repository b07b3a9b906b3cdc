"""The pages on FastAPI and on serving, followed as their reader follows them."""

import json
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click import Command
from commands import Running, webhooksub
from served import ask

from webhooksub.cli import main
from webhooksub.serving import CONNECTIONS_MAX
from webhooksub.testing import Receiver

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: str, kind: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text()
    return [textwrap.dedent(body) for k, body in BLOCK.findall(text) if k == kind]


def typed(commands: str, port: int) -> str:
    """What came out of them, typed in the repository's folder."""
    commands = commands.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_service_of_the_page_on_fastapi_runs_under_uvicorn(
    tmp_path: Path, receiver: Receiver, document: dict[str, Any]
) -> None:
    (tmp_path / "main.py").write_text(blocks_of("fastapi.md", "python")[0])
    command, [first, second] = "uvicorn main:app", blocks_of("fastapi.md", "sh")[1:]
    assert first.strip() == command
    authority = tmp_path / "receiver-ca.pem"
    authority.write_bytes(receiver.ca_pem)
    trusts = {"WEBHOOKSUB_CA_BUNDLE": str(authority)}
    with Running("-m", *command.split(), "--port", "0", folder=tmp_path, **trusts) as process:
        port = int(process.wait_to_say(r"running on http://127\.0\.0\.1:(\d+)")[1])
        wanted = document | {"resource": "tenant/acme/sidedrawer/home/record"}
        assert ask(port, "POST", "/webhooks", wanted, x_tenant="acme").status == 201
        listed, _, made = typed(second, port).partition("\n")[0].partition("}{")
        assert json.loads(listed + "}")["totalCount"] == 1
        assert json.loads("{" + made) == {"name": "letters"}
        [request] = receiver.wait_for(1)
        assert request.json()["data"] == {"name": "letters"}
        assert ask(port, "GET", "/docs").status == 200
        assert (
            "tenant/{tenantId}/sidedrawer" in ask(port, "GET", "/openapi.json").json()["webhooks"]
        )
        process.end()


def test_the_first_steps_of_the_page_on_serving_work(tmp_path: Path) -> None:
    install, requests = blocks_of("serve.md", "sh")[:2]
    command = install.splitlines()[-1].split()
    assert command[0] == "webhooksub"
    with webhooksub(*command[1:], "--listen", "127.0.0.1:0", folder=tmp_path) as process:
        port = int(process.wait_to_say(r"serving http://127\.0\.0\.1:(\d+)/docs")[1])
        came = typed(requests, port)
        assert '"warnings":[]' in came
        assert '"totalCount":1' in came
        assert process.end() == 0


@pytest.mark.parametrize("page", ["serve.md"])
def test_the_options_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    commands: list[Command] = [main.commands["serve"], main.commands["worker"]]
    known = {name for command in commands for p in command.params for name in p.opts}
    named = set(re.findall(r"--[a-z][a-z-]+", text))
    assert len(named) > 10
    assert named <= known


def test_the_defaults_that_the_page_names_are_those_of_the_command() -> None:
    text = (ROOT / "docs" / "serve.md").read_text()
    rows = re.findall(r"^\| `(--[a-z-]+) [^`]*` \| (`.*?`) \|", text, re.MULTILINE)
    assert len(rows) == 3
    for name, shown in rows:
        [option] = [p for p in main.commands["serve"].params if name in p.opts]
        default = option.default if isinstance(option.default, tuple) else (option.default,)
        assert tuple(re.findall(r"`([^`]+)`", shown)) == default, name
    assert f"At most {CONNECTIONS_MAX} connections" in text
