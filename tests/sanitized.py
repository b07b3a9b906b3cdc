"""Runs pytest on an extension under AddressSanitizer and UBSan: ``make asan-python``.

``sanitized.py FOLDER TEST...`` builds the package once more under FOLDER, whose modules are
links, and puts that first on PYTHONPATH. A test that starts Pythons of its own starts them so
too; what no sanitized process can do is left out by its name.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLAGS = "-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined -g"
# These build, measure, preload libraries that fail, limit memory (a sanitizer needs much of
# it), read the package's files, which are links here, or run curl, which hangs with a
# sanitizer's library: nothing of them is the extension's.
LEFT_OUT = (
    *("tests/prove", "tests/torture", "tests/crash", "tests/powerloss", "tests/simulate"),
    *("tests/contract", "tests/fork", "tests/contrib/test_pages.py"),
    *(f"tests/integration/test_{name}.py" for name in ("fairness", "requesting", "serve")),
    *(f"tests/unit/test_{name}.py" for name in ("build", "ci", "setup", "docs", "steady", "fuzz")),
    *("tests/unit/test_logs.py", "tests/unit/test_wheel_check.py"),
    *("tests/isolated/test_coexistence.py", "tests/isolated/test_scarcity.py"),
)


def build(folder: Path) -> None:
    package = folder / "webhooksub"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for entry in (ROOT / "webhooksub").iterdir():
        if entry.suffix != ".so" and entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    environment = os.environ | {"CFLAGS": FLAGS, "LDFLAGS": FLAGS}
    command = [sys.executable, "setup.py", "--quiet", "build_ext"]
    places = ["--build-lib", str(folder / "lib"), "--build-temp", str(folder / "objects")]
    subprocess.run([*command, *places, "-j2"], cwd=ROOT, env=environment, check=True)
    [extension] = (folder / "lib" / "webhooksub").glob("_core*.so")
    shutil.copy(extension, package)


def find_library(name: str) -> str:
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    asked = [compiler, f"-print-file-name={name}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    folder, tests = (ROOT / sys.argv[1]).resolve(), sys.argv[2:]
    build(folder)
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "LD_PRELOAD": f"{find_library('libasan.so')} {find_library('libubsan.so')}",
        # Leaks: Python keeps what it has to its end. Its own arenas hide what lies in them.
        # What is freed stays for a while, but not so long that tests count it as grown.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=0"
        ":quarantine_size_mb=8",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONMALLOC": "malloc",
    }
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    pytest = [sys.executable, "-P", "-m", "pytest", "-q", "--timeout", "600", *left_out, *tests]
    shown = "import webhooksub._core as c; print(c.__file__)"
    where = subprocess.run(
        [sys.executable, "-P", "-c", shown], env=environment, capture_output=True, text=True
    )
    if not where.stdout.startswith(str(folder)):
        print(f"not the sanitized extension: {where.stdout}{where.stderr}")
        return 2
    return subprocess.run(pytest, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
