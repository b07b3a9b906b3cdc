"""What a build says when it lacks something, and what the built extension shows and says.

``setup.py`` runs with a PATH of its own, where pkg-config is a short script.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from webhooksub import _core, build_info

SETUP = Path(__file__).parents[2] / "setup.py"
# Fails for the libraries that ABSENT names, and says what LINKED does of the others.
PKG_CONFIG = """#!/bin/sh
for library; do :; done
case "$*" in *--exists*) case "$ABSENT" in *"$library"*) exit 1 ;; esac ;; esac
case "$*" in *--static*) echo "$LINKED" ;; esac
"""


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder for PATH: a compiler that is never called, and pkg-config."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("cc", "#!/bin/sh\nexit 1\n"), ("pkg-config", PKG_CONFIG)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def refusal(commands: Path, **environment: str) -> str:
    """What setup.py ends with."""
    done = subprocess.run(
        [sys.executable, str(SETUP), "--quiet", "build_ext", "--build-temp", str(commands)],
        cwd=SETUP.parent,
        env={"PATH": str(commands), "CC": "cc", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


# An interpreter's own may be older than the build asks for.
RECENT = "import setuptools; assert int(setuptools.__version__.split('.')[0]) >= 77"
needs_setuptools = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", RECENT], capture_output=True).returncode != 0,
    reason="needs setuptools 77",
)


@needs_setuptools
def test_all_that_is_missing_is_named_at_once(commands: Path) -> None:
    text = refusal(commands, ABSENT="libcurl >= 7.88 libcjson")
    first, *_ = text.splitlines()
    assert "needs libcurl >= 7.88, libcjson; install" in first
    assert "openssl" not in first


@needs_setuptools
def test_the_packages_of_this_system_are_named(commands: Path) -> None:
    release = Path("/etc/os-release")
    if not release.exists() or "debian" not in release.read_text():
        pytest.skip("needs Debian or one like it")
    text = refusal(commands, ABSENT="libcurl >= 7.88 openssl >= 3.0 libcjson")
    assert "apt-get install libcurl4-openssl-dev libssl-dev libcjson-dev" in text
    assert "dnf" not in text


@needs_setuptools
def test_without_a_compiler_and_pkg_config_everything_is_named(commands: Path) -> None:
    (commands / "pkg-config").unlink()
    text = refusal(commands, CC="no-such-compiler")
    assert "the C compiler (no-such-compiler)" in text
    for package in ("pkg-config", "libcurl", "openssl", "libcjson"):
        assert package in text


@needs_setuptools
def test_a_libcurl_on_gnutls_is_refused(commands: Path) -> None:
    assert "libcurl4-openssl-dev in place of" in refusal(commands, LINKED="-lcurl -lgnutls")


@needs_setuptools
def test_a_folder_without_the_static_libraries_is_named(commands: Path) -> None:
    text = refusal(commands, ABSENT="libcurl >= 7.88", WEBHOOKSUB_STATIC="/no/such/folder")
    assert "not found for /no/such/folder: libcurl" in text


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_the_extension_shows_the_linker_one_symbol() -> None:
    assert _core.__file__
    command = ["nm", "-D", "--defined-only", _core.__file__]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in shown.splitlines()] == ["PyInit__core"]


def test_the_build_names_its_libraries_and_whose_they_are() -> None:
    info = build_info()
    assert set(info) == {"curl", "cjson", "openssl", "compiler", "libraries", "api"}
    assert all(info.values())
    assert info["libraries"] in {"bundled", "system"}
    assert info["curl"].startswith("libcurl/")
    # libcurl and the core use one OpenSSL: there are not two in the extension.
    assert f"OpenSSL/{info['openssl'].split()[1]}" in info["curl"]


def test_the_limited_api_is_what_every_python_with_a_gil_gets() -> None:
    free_threaded = hasattr(sys, "_is_gil_enabled") and "free-threading" in sys.version
    assert build_info()["api"] == ("this Python's own" if free_threaded else "abi3 from 3.11")
    assert os.path.basename(_core.__file__ or "").endswith(
        ".abi3.so" if not free_threaded else f"-{os.uname().machine}-linux-gnu.so"
    )


@pytest.mark.skipif(not hasattr(sys, "_is_gil_enabled"), reason="Python 3.13 and newer")
def test_importing_leaves_a_free_threaded_python_without_a_gil() -> None:
    asked = "import sys, sysconfig, webhooksub; print(sys._is_gil_enabled())"
    command = [sys.executable, "-c", asked]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHON_GIL"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    free_threaded = "free-threading" in sys.version
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{not free_threaded}\n", "")
