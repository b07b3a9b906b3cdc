"""The documentation says what is so."""

import subprocess
import sys
from pathlib import Path

import webhooksub

ROOT = Path(__file__).parents[2]


def run_tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / name), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_table_of_settings_is_current() -> None:
    done = run_tool("config_table.py", "--check")
    assert done.returncode == 0, done.stderr


def test_every_block_of_the_documentation_runs_and_every_link_leads_somewhere() -> None:
    done = run_tool("run_docs.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_fits_on_few_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_what_is_public_is_said_in_order_and_exists() -> None:
    names = webhooksub.__all__
    assert names == sorted(names)
    assert all(hasattr(webhooksub, name) for name in names)
    assert set(names) <= set(dir(webhooksub))
