"""The example on FastAPI, run as its reader runs it."""

import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "fastapi"


def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(folder), "demo", f"PYTHON={sys.executable}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=110)


def rows(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    lines = [line.split("|") for line in done.stdout.splitlines() if "|" in line]
    return [[cell.strip() for cell in line] for line in lines[1:]]


def test_its_demo_shows_what_arrives_and_what_does_not() -> None:
    done = demo(EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(done) == [
        ["yes", "a folder is made", "create folder Taxes"],
        ["yes", "two files of one name: 409, rolled back", "nothing"],
        ["yes", "a file is added", "create file 2026.pdf"],
        ["yes", "an outsider reads and lists", "404, like a random id; lists 0"],
        ["yes", "a folder is made, and nobody delivers", "nothing"],
        ["yes", "a worker starts", "create folder Letters"],
    ]


def test_its_demo_ends_with_1_when_something_else_arrives(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(EXAMPLE, tmp_path / "fastapi"))
    models = copy / "drawers" / "models.py"
    unique = '    __table_args__ = (UniqueConstraint("folder_id", "name"),)\n'
    assert unique in models.read_text()
    models.write_text(models.read_text().replace(unique, ""))
    done = demo(copy)
    assert done.returncode != 0
    found = [row[:2] for row in rows(done)]
    assert ["NO", "two files of one name: 201, rolled back"] in found, done.stderr
