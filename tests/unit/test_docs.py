"""The documentation says what is so."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / name), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1_800)


def test_the_table_of_settings_is_current() -> None:
    done = run_tool("config_table.py", "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(1_800)  # some thirty processes and kernels, one after the other
def test_the_documents_name_what_exists_and_every_block_runs() -> None:
    done = run_tool("run_docs.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped 0" in done.stdout
