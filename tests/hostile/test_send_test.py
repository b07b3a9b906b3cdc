"""`webhooksub send-test` leads nobody inside: what reaches the kernel is shown by strace."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from webhooksub.testing import Receiver

pytestmark = pytest.mark.hostile("S")

HOST = "metadata.hooks.example"
CONNECT = re.compile(r'connect\(.*inet_(?:addr|pton)\(.*?"([0-9a-f.:]+)"')
Traced = Callable[..., tuple[dict[str, object], set[str]]]


@pytest.fixture
def traced(tmp_path: Path, preload: str) -> Traced:
    """Runs the command for a name with this address: its answer, and where it connected."""

    def run(address: str, **environ: str) -> tuple[dict[str, object], set[str]]:
        trace, hosts, connects = (tmp_path / name for name in ("trace", "hosts", "connects"))
        hosts.write_text(f"{HOST} {address}\n")
        environ |= {
            "LD_PRELOAD": preload,
            "WHS_HOSTS": str(hosts),
            "WHS_CONNECTS": str(connects),
        }
        command = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=connect", sys.executable]
        command += ["-m", "webhooksub", "send-test", f"https://{HOST}/", "--json"]
        done = subprocess.run(
            command,
            env=os.environ | environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1, done.stderr
        # The preloaded connect() keeps from the kernel what would leave this machine.
        witnessed = connects.read_text().split()[::2] if connects.exists() else []
        return json.loads(done.stdout), {*CONNECT.findall(trace.read_text()), *witnessed}

    return run


needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


@needs_strace
@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.3", "::1", "fe80::1"])
def test_a_name_that_leads_inside_is_not_connected_to(address: str, traced: Traced) -> None:
    answer, connected = traced(address)
    assert (answer["result"], answer["outcome"]) == ("unreachable", "blocked_address")
    assert connected == set()


@needs_strace
def test_the_same_name_is_connected_to_when_its_address_is_allowed(traced: Traced) -> None:
    answer, connected = traced("127.0.0.3", WEBHOOKSUB_ALLOW="127.0.0.3/32")
    assert answer["result"] == "unreachable"
    assert answer["outcome"] != "blocked_address"
    assert connected == {"127.0.0.3"}


def test_it_ends_with_0_when_the_notification_was_delivered(tmp_path: Path) -> None:
    with Receiver() as receiver:
        bundle = tmp_path / "ca.pem"
        bundle.write_bytes(receiver.ca_pem)
        command = [sys.executable, "-m", "webhooksub", "send-test", "--dev", receiver.url("/x")]
        environ = os.environ | {"WEBHOOKSUB_CA_BUNDLE": str(bundle)}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "delivered" in done.stdout
        [request] = receiver.requests
    assert json.loads(request.body)["data"] == {"test": True}


@pytest.mark.parametrize("target", ["http://example.com/", "no-such-id"])
def test_a_wrong_target_ends_with_2(target: str, tmp_path: Path) -> None:
    environ = os.environ | {"WEBHOOKSUB_DATABASE": f"sqlite:///{tmp_path / 'none.db'}"}
    command = [sys.executable, "-m", "webhooksub", "send-test", target]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert not (tmp_path / "none.db").exists()
