"""What the host has set for its own OpenSSL does not reach one that came with a wheel."""

import os
import subprocess
import sys
from pathlib import Path

from webhooksub import build_info

# With it an OpenSSL has no algorithm at all.
NOTHING = """
openssl_conf = init
[init]
providers = providers
[providers]
null = null
[null]
activate = 1
"""
SIGN = 'from webhooksub import _core; _core.sign([b"k" * 32], "id", 0, b"")'


def test_the_configuration_of_openssl_is_read_only_by_the_systems_own(tmp_path: Path) -> None:
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(NOTHING)
    environment = os.environ | {"OPENSSL_CONF": str(configuration)}
    command = [sys.executable, "-P", "-c", SIGN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == (build_info()["libraries"] == "bundled"), done.stderr
