"""Runs the whole test suite from installed wheels, under every Python that can be had.

``matrix.py [PATTERN...]`` runs all rows or those whose name one of the PATTERNs is found in, prints
a table, and ends with 1 if anything failed. Each row is kept in the cache, but that a part of the
suite never takes the place of the whole; ``--page`` writes them into docs/platforms.md, each with
its date. ``--local`` is this machine's own Pythons alone; ``--only=unit,isolated`` these tests
alone; ``--quick`` a short part of the suite, and of this machine's Pythons the newest of each
version. JOBS=1 runs one test at a time.

A row runs from / with a PATH that holds no compiler; the tests are a copy without the package,
so that nothing but the installed wheel can be what they import. Rows of other systems run in
roots that `roots.sh` makes, which needs root.
"""

import datetime
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from results import CACHE, RESULTS, ROOT, WHEELS, Result, keep, slug, table, write_page

# A row takes no longer, or three times as long where the processor is only imitated.
ROW_SECONDS = 3600
# Where no versions fit each other, pip tries all of them, which may take hours.
PACKAGE_SECONDS = 180
FREE_THREADED = "python3.13t"
COMPILERS = re.compile(r"(.*-)?(cc|c\+\+|c89.*|c99.*|gcc|g\+\+|clang|tcc|cpp|ld|as)(-[\d.]+)?")
# What of the suite runs where the processor is only imitated: importing, signing, matching,
# delivering over TLS, other libraries in the process. The rest counts on a processor's speed.
EMULATED_PART = (
    "unit/test_build.py",
    "unit/test_catalogs.py",
    "unit/test_ids.py",
    "unit/test_receiver.py",
    "unit/test_subscription.py",
    "integration/test_dispatcher_delivering.py",
    "isolated/test_coexistence.py",
)
# And where time is short; the hostile endpoints, because libcurl's versions differ there.
QUICK_PART = (*EMULATED_PART[:-1], "isolated", "hostile/test_endpoints.py")
EXTRAS_OF_PART = "test,cli,neighbours"
# These hold documents against the sources of the package, which are not there, or compile a
# build of their own with defects in it: what they try is not the wheel.
OF_THE_REPOSITORY = (
    "unit/test_docs.py",
    "unit/test_fuzz.py",
    "crash",
    "powerloss",
    "simulate",
    "torture",
)
PROBE = """
import json, platform, shutil, ssl, sys
import webhooksub
print(json.dumps({
    "file": webhooksub.__file__,
    "build": webhooksub.build_info(),
    "python": platform.python_version(),
    "machine": platform.machine(),
    "libc": " ".join(platform.libc_ver()),
    "ssl": ssl.OPENSSL_VERSION,
    "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
    "compiler": shutil.which("cc") or shutil.which("gcc"),
}))
"""


@dataclass(frozen=True)
class Row:
    """One wheel under one Python."""

    name: str
    python: str
    wheel: Path
    root: Path | None = None
    only: tuple[str, ...] = ()
    # Tests that have this in their names are left out.
    without: str = ""
    # Of the package: what its tests need.
    extras: str = "dev"
    # What `inside.sh` does in place of the suite.
    inside: str = ""
    seconds: int = ROW_SECONDS


def say(text: str) -> None:
    print(f"matrix: {text}", file=sys.stderr, flush=True)


# --- Rows. ---


def find_pythons() -> Iterator[tuple[str, str]]:
    """(version, path) of each CPython >= 3.11 with a GIL on this machine, oldest first."""
    folders = [Path(p) for p in os.environ["PATH"].split(":")]
    folders = [f for f in folders if f.name != "shims"]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    asked = "import platform, sys, sysconfig; print(platform.python_implementation(), "
    asked += "platform.python_version(), sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
    found: dict[str, str] = {}
    for path in (f / f"python3.{n}" for f in folders for n in range(11, 16)):
        if path.exists():
            done = subprocess.run([path, "-c", asked], capture_output=True, text=True)
            words = done.stdout.split()
            if words[:1] == ["CPython"] and words[2] == "0":
                found.setdefault(words[1], str(path))
    return iter(sorted(found.items(), key=lambda item: tuple(map(int, item[0].split(".")))))


def newest(pattern: str) -> Path:
    found = sorted((ROOT / "dist").glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit(f"matrix: no dist/{pattern}: run `make wheels` first")
    return found[-1]


def make_root(name: str) -> Path | None:
    """None with the reason said: a row that cannot be had is not a row that passed."""
    done = subprocess.run([WHEELS / "roots.sh", name], stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def newest_of_each(pythons: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Of 3.11.2 and 3.11.7 the second."""
    return iter({v.rpartition(".")[0]: (v, python) for v, python in pythons}.values())


def find_rows(names: list[str], *, local: bool, newest_alone: bool = False) -> Iterator[Row | str]:
    """Each row, or the name of one that cannot be had."""

    def wanted(name: str) -> bool:
        return not names or any(re.search(pattern, name) for pattern in names)

    x86 = newest("*-abi3-manylinux_*_x86_64.whl")
    pythons = find_pythons()
    for version, python in newest_of_each(pythons) if newest_alone else pythons:
        if wanted(name := f"this machine, {version}"):
            yield Row(name, python, x86)
    if local:
        return
    for suite in ("bookworm", "trixie", "sid"):
        if wanted(name := f"Debian {suite}"):
            root = make_root(suite)
            yield Row(name, "/usr/bin/python3", x86, root) if root else name
    for suite in ("bookworm", "trixie", "sid"):
        if wanted(name := f"Debian {suite}, from source"):
            root = make_root(suite)
            sdist = newest("*.tar.gz")
            yield Row(name, "", sdist, root, inside="sdist") if root else name
    if wanted(name := "Debian trixie, no certificates"):
        root = make_root("trixie")
        yield Row(name, "", x86, root, inside="no-certificates") if root else name
    if wanted(name := f"this machine, {FREE_THREADED}"):
        made = make_root(FREE_THREADED)
        wheel = newest("*-cp313-cp313t-manylinux_*_x86_64.whl")
        yield Row(name, str(made / "bin" / FREE_THREADED), wheel) if made else name
    if wanted(name := "Debian trixie, aarch64 under qemu"):
        root = make_root("trixie-aarch64")
        wheel = newest("*-abi3-manylinux_*_aarch64.whl")
        part = Row(name, "/usr/bin/python3", wheel, root, EMULATED_PART, extras=EXTRAS_OF_PART)
        # A server of PostgreSQL would be imitated as well.
        part = replace(part, without="postgresql", seconds=3 * ROW_SECONDS)
        yield part if root else name


# --- One row. ---


class Place:
    """A folder with everything that a row needs, and a way to run things there."""

    def __init__(self, row: Row, folder: Path) -> None:
        self.row, self.folder = row, folder
        self.python = folder / "venv" / "bin" / "python"
        # Packages that this Python cannot have: tests that need them are skipped.
        self.absent: list[str] = []
        self.log = (RESULTS / f"{slug(row.name)}.log").open("w")
        self.until = time.monotonic() + row.seconds
        copy_suite(folder / "suite")
        (folder / "home").mkdir()
        link_commands(folder / "bin")
        shutil.copy(preload(row), folder / "resolver.so")
        shutil.copy(row.wheel, folder)
        authorities = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
        shutil.copy(authorities, folder / "authorities.pem")

    def environment(self) -> dict[str, str]:
        commands = "/usr/bin:/bin:/usr/sbin:/sbin" if self.row.root else f"{self.folder}/bin"
        return {
            "PATH": f"{self.folder}/venv/bin:{commands}",
            "HOME": f"{self.folder}/home",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOSTILE_RESOLVER": f"{self.folder}/resolver.so",
        }

    def run(
        self, *command: str | Path, seconds: float = math.inf, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """From /, in the root if there is one. What it prints goes to the log as well."""
        enter: list[str | Path] = []
        if self.row.root:
            enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
            enter += [WHEELS / "enter.sh", self.row.root, self.folder]
            more = {"PATH": os.environ["PATH"], **more}
            inside = [f"{k}={v}" for k, v in (self.environment() | more).items() if k != "PATH"]
            enter += ["/usr/bin/env", "-i", f"PATH={self.environment()['PATH']}", *inside]
        done = subprocess.run(
            [*enter, *command],
            cwd="/",
            env=dict(os.environ) if enter else self.environment() | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=max(1, min(seconds, self.until - time.monotonic())),
        )
        self.log.write(f"$ {' '.join(map(str, command))}\n{done.stdout}\n")
        self.log.flush()
        return done


def copy_suite(target: Path) -> None:
    """What git has but the package itself."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in listed.split("\0"):
        if name and not name.startswith("webhooksub/") and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def link_commands(folder: Path) -> None:
    """Everything of this machine but compilers and Pythons."""
    folder.mkdir()
    for where in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for path in Path(where).glob("*"):
            spoils = COMPILERS.fullmatch(path.name) or path.name.startswith(("python", "pip"))
            if not spoils and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)


def preload(row: Row) -> Path:
    """The name server that hostile tests preload, compiled where there is a compiler."""
    target = "aarch64" if row.wheel.name.endswith("aarch64.whl") else "x86_64"
    library = RESULTS / f"resolver-{target}.so"
    source = ROOT / "tests" / "hostile" / "resolver.c"
    script = f'. "{WHEELS}/common.sh"; choose_target {target}; '
    script += f'$CC -D_GNU_SOURCE -shared -fPIC -o "{library}" "{source}" -ldl'
    subprocess.run(["bash", "-c", script], check=True)
    return library


def requirements(extras: str) -> Iterator[str]:
    """What extras come to, each package by itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in extras.split(","):
        for requirement in project["optional-dependencies"][extra]:
            own = re.fullmatch(r"webhooksub\[(.+)\]", requirement)
            yield from requirements(own[1]) if own else (requirement,)


def install(place: Place) -> str | None:
    """The first thing that failed; nothing is compiled."""
    made = place.run(place.row.python, "-m", "venv", place.folder / "venv")
    if made.returncode != 0:
        return "no venv"
    pip = (place.python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")

    def succeeds(*command: str, seconds: float = math.inf) -> bool:
        certificates = f"{place.folder}/authorities.pem"
        done = place.run(*pip, *command, seconds=seconds, PIP_CERT=certificates)
        return done.returncode == 0

    get = ("install", "--only-binary", ":all:", "--prefer-binary")

    def has(package: str) -> bool:
        try:
            return succeeds(*get, package, seconds=PACKAGE_SECONDS)
        except subprocess.TimeoutExpired:
            return False

    wheel = f"file://{place.folder / place.row.wheel.name}"
    # Not every package is there for a free-threaded Python, which pip is slow to find out.
    if "cp313t" in wheel or not succeeds(*get, f"webhooksub[{place.row.extras}] @ {wheel}"):
        if not succeeds(*get, f"webhooksub @ {wheel}"):
            return "pip install"
        place.absent = [one for one in requirements(place.row.extras) if not has(one)]
        say(f"{place.row.name}: cannot have {', '.join(place.absent)}")
    return None if succeeds("check") else "pip check"


def count(report: Path, result: Result) -> None:
    suite = ElementTree.parse(report).getroot()
    for case in suite.iter("testcase"):
        kinds = {child.tag: child for child in case}
        wrong = kinds.get("failure", kinds.get("error"))
        bad = wrong is not None
        if wrong is not None:
            # Where only the end of what was printed is kept, it says nothing else of a test.
            message = wrong.get("message", "")
            say(f"{result.name}: {case.get('classname')}.{case.get('name')}: {message[-600:]}")
        result.failed += bad
        result.skipped += not bad and "skipped" in kinds
        result.passed += not bad and "skipped" not in kinds


def run_tests(place: Place, result: Result) -> None:
    suite = place.folder / "suite"
    pytest: list[str | Path] = [place.python, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    pytest += ["--rootdir", suite]
    pytest += ["-c", suite / "pyproject.toml", "--timeout", "600" if place.row.only else "300"]
    if place.row.without:
        pytest += ["-k", f"not {place.row.without}"]
    path = f"{suite}/wheels" if place.absent else ""
    if place.absent:
        pytest += ["-p", "absent"]
    paths = [suite / "tests" / name for name in place.row.only] or [suite / "tests"]
    prove = [f"--ignore={suite / 'tests' / name}" for name in ("prove", *OF_THE_REPOSITORY)]
    passes: list[list[str | Path]] = [
        ["-n", os.environ.get("JOBS", "2"), "-m", "not serial", *paths, *prove],
        ["-m", "serial", *paths, *prove],
    ]
    if not place.row.only:
        passes.append([suite / "tests" / "prove"])
    for number, arguments in enumerate(passes):
        report = place.folder / f"report-{number}.xml"
        done = place.run(*pytest, f"--junitxml={report}", *arguments, PYTHONPATH=path)
        if report.exists():
            count(report, result)
        # 1 is counted above, 5 is "none of these".
        if done.returncode not in (0, 1, 5):
            result.trouble.append(f"pytest ended with {done.returncode}")


def look(place: Place, result: Result) -> None:
    """Is it the wheel that is imported, and does it deliver?"""
    done = place.run(place.python, "-P", "-c", PROBE)
    if done.returncode != 0:
        result.trouble.append("import")
        return
    probe = result.probe = json.loads(done.stdout)
    say(f"{place.row.name}: {probe['file']} {probe['build']}")
    if not Path(probe["file"]).is_relative_to(place.folder / "venv"):
        result.trouble.append(f"imported {probe['file']}")
    if probe["build"]["libraries"] != "bundled":
        result.trouble.append("libraries are not bundled")
    if probe["compiler"]:
        result.trouble.append(f"there is a compiler: {probe['compiler']}")
    if "cp313t" in result.wheel and probe["gil"]:
        result.trouble.append("the GIL came back")
    if place.run(place.folder / "venv/bin/webhooksub", "demo", "--json").returncode != 0:
        result.trouble.append("demo")


def documented_packages() -> str:
    """What the README says that building from source takes."""
    found = re.search(r"`(build-essential [^`]*)`", (ROOT / "README.md").read_text())
    if not found:
        raise SystemExit("matrix: README.md names no packages")
    return " ".join(found[1].split())


def run_inside(place: Place, result: Result) -> None:
    done = place.run(
        *("/bin/sh", place.folder / "suite" / "wheels" / "inside.sh", place.row.inside),
        *(place.folder / place.row.wheel.name, place.folder),
        PIP_CERT=f"{place.folder}/authorities.pem",
        DOCUMENTED=documented_packages(),
    )
    result.passed = len(re.findall("^ok: ", done.stdout, re.MULTILINE))
    result.trouble += re.findall("^BAD: (.{1,80})", done.stdout, re.MULTILINE)
    if done.returncode != 0 and not result.trouble:
        result.trouble.append("see its log")


def fill(place: Place, result: Result) -> None:
    if place.row.inside:
        run_inside(place, result)
    elif failed := install(place):
        result.trouble.append(failed)
    else:
        look(place, result)
        run_tests(place, result)


def run_row(row: Row) -> Result:
    began = time.monotonic()
    result = Result(row.name, row.wheel.name, whole=not (row.only or row.inside))
    result.day = datetime.datetime.now(datetime.UTC).date().isoformat()
    with tempfile.TemporaryDirectory(prefix="matrix-", dir=CACHE) as folder:
        place = Place(row, Path(folder))
        try:
            fill(place, result)
        except subprocess.TimeoutExpired:
            result.trouble.append("out of time")
        place.log.close()
    result.seconds = round(time.monotonic() - began)
    keep(result)
    return result


# --- What is asked for. ---


def choose_rows(arguments: list[str]) -> Iterator[Row | str]:
    patterns = [a for a in arguments if not a.startswith("--")]
    quick = "--quick" in arguments
    only = [a.removeprefix("--only=").split(",") for a in arguments if a.startswith("--only=")]
    for row in find_rows(patterns, local="--local" in arguments, newest_alone=quick):
        if isinstance(row, Row) and not row.inside:
            if quick:
                row = replace(row, only=QUICK_PART, extras=EXTRAS_OF_PART)
            if only:
                row = replace(row, only=tuple(only[0]))
        yield row


def main() -> None:
    arguments = sys.argv[1:]
    # What a shell runs in the background ignores Ctrl-C and hands that on; there are tests of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    RESULTS.mkdir(exist_ok=True)
    if arguments == ["--page"]:
        write_page()
        return
    results = []
    for row in choose_rows(arguments):
        if isinstance(row, str):
            results.append(Result(row, "", trouble=["cannot be had"]))
            continue
        say(row.name)
        results.append(run_row(row))
        say(table(results[-1:]).splitlines()[-1])
    print(table(results))
    raise SystemExit(1 if any(r.failed or r.trouble for r in results) or not results else 0)


if __name__ == "__main__":
    main()
