"""Runs the tests of Django's part with the newest Django: ``make test-django``.

    python tools/newest_django.py [PYTEST ARGUMENT...]

Django 6 needs Python 3.12. One is looked for on the PATH and among pyenv's; where there is
none, that is said, and nothing is run. The extension is the one that was built already: it is
made for every Python from 3.11 on.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOME = ROOT / "build" / "django-newest"
TESTS = "tests/contrib/django"
OLDEST, NEWEST = (3, 12), (3, 14)
EXTRAS = ("test", "serve", "postgresql")
# What the tests use besides.
BESIDES = ("Django>=6", "djangorestframework>=3.16", "dj-database-url>=3", "httpx2")
_USABLE = "import ssl, sqlite3, venv, sys; print(*sys.version_info[:3])"


def candidates() -> Iterator[Path]:
    """Pythons by their names, the newest first; which of them work is not looked at yet."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        name = f"python3.{minor}"
        yield from sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/{name}"))
        found = shutil.which(name)
        if found is not None:
            yield Path(found)


def newest_python() -> tuple[Path, str] | None:
    """The first that runs and has what a virtual environment needs, and its version."""
    for python in candidates():
        done = subprocess.run([python, "-c", _USABLE], capture_output=True, text=True)
        if done.returncode == 0:
            return python, done.stdout.strip().replace(" ", ".")
    return None


def requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [extra for name in EXTRAS for extra in of_extra(name, extras)]
    return [*project["dependencies"], *wanted, *BESIDES]


def of_extra(name: str, extras: dict[str, list[str]]) -> Iterator[str]:
    """What an extra needs, also by way of our others."""
    for item in extras[name]:
        if others := re.fullmatch(r"webhooksub\[(.+)\]", item):
            for other in others[1].split(","):
                yield from of_extra(other, extras)
        else:
            yield item


def make_environment(python: Path, version: str) -> Path:
    """The Python of a virtual environment that has everything; made at the first time."""
    folder = HOME / version
    made = folder / "made"
    inside = folder / "bin" / "python"
    wanted = "\n".join(requirements())
    if not made.exists() or made.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [inside, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
        subprocess.run([*pip, "install", *requirements()], check=True)
        made.write_text(wanted)
    link_package(next(folder.glob("lib/python*/site-packages")))
    return inside


def link_package(packages: Path) -> None:
    """As an editable installation does, but for compiling the extension again."""
    (packages / "webhooksub.pth").write_text(f"{ROOT}\n")
    here = distribution("webhooksub")
    name = f"webhooksub-{here.version}.dist-info"
    shutil.copytree(str(here.locate_file(name)), packages / name, dirs_exist_ok=True)


def main(arguments: Sequence[str]) -> int:
    found = newest_python()
    if found is None:
        print(f"no Python {'.'.join(map(str, OLDEST))} or newer: the newest Django was not tested")
        return 0
    inside = make_environment(*found)
    ask = [inside, "-c", "import django; print(django.get_version())"]
    django = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    command = [inside, "-m", "pytest", "-n", "2", *(arguments or [TESTS])]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    counted = re.findall(r"\d+ (?:passed|failed|errors?|skipped)", done.stdout)
    if done.returncode:
        print(done.stdout)
    print(f"Django {django} on Python {found[1]}: {', '.join(counted) or 'nothing ran'}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
