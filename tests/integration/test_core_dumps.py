"""What a crash leaves behind: of a worker nothing, because keys lie in its memory."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PATTERN = Path("/proc/sys/kernel/core_pattern")

PROGRAM = """
import os, resource, sys
_, most = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
from webhooksub.running import leave_no_core
if sys.argv[1] == "leave none":
    leave_no_core()
print(resource.getrlimit(resource.RLIMIT_CORE)[0], open("/proc/self/coredump_filter").read())
sys.stdout.flush()
os.abort()
"""


def crash(folder: Path, how: str) -> tuple[list[str], list[Path]]:
    """Its limits, and the files that are there then."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGABRT, done.stderr
    return done.stdout.split(), list(folder.iterdir())


@pytest.mark.skipif(not PATTERN.exists(), reason="Linux says so")
def test_a_process_that_delivers_leaves_no_image_of_its_memory(tmp_path: Path) -> None:
    (limit, kept), left = crash(tmp_path, "leave none")
    assert (limit, int(kept, 16)) == ("0", 0)
    assert left == []


@pytest.mark.skipif(
    not PATTERN.exists() or PATTERN.read_text()[:1] in "|/", reason="images go elsewhere here"
)
def test_another_one_would(tmp_path: Path) -> None:
    (limit, _), left = crash(tmp_path, "as it is")
    if limit == "0":
        pytest.skip("this machine lets nobody leave an image")
    assert [path.name.partition(".")[0] for path in left] == ["core"]
