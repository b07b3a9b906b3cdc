"""The command line beside a store in PostgreSQL."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.stores("postgresql")


def run(kit: Any, folder: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "webhooksub", *arguments, "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=os.environ | {"WEBHOOKSUB_DATABASE": kit.url},
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_a_store_is_made_looked_at_and_pruned(kit: Any, tmp_path: Path) -> None:
    made = run(kit, tmp_path, "migrate")
    assert made["schema_version"] == 1
    assert made["database"].startswith("postgresql://")
    store = kit.store()
    store.publish(kit.events(3))
    assert run(kit, tmp_path, "status")["healthy"] is False
    assert run(kit, tmp_path, "prune", "--older-than", "30d")["events"] == 0


def test_the_doctor_tells_of_the_server(kit: Any, tmp_path: Path) -> None:
    kit.store()
    findings = {one["name"]: one for one in run(kit, tmp_path, "doctor")["findings"]}
    assert findings["PostgreSQL"]["text"][:2].isdecimal()
    assert findings["durability"]["grade"] == "warning", "this server of tests does not sync"
    assert "fsync off" in findings["durability"]["text"]
    assert findings["clock"]["grade"] == "ok"
