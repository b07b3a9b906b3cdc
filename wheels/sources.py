"""Which sources of OpenSSL, curl, zlib and cJSON the wheels are built from.

They come from Debian source packages, which apt downloads and checks, or from a folder of
upstream tarballs that WEBHOOKSUB_SOURCES names (checked against a SHA256SUMS there). Of
several versions the newest is tried first: a mirror does not always have what its list names.

``sources.py choose FILE`` writes the choice to FILE, ``sources.py unpack FILE NAME FOLDER``
unpacks one with Debian's patches of C code.
"""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
APT_LINES = [
    *(f"deb-src {MIRROR} {suite} main" for suite in ("trixie", "forky", "sid")),
    f"deb-src {SECURITY} trixie-security main",
]
# A patch that changes anything but these belongs to Debian's packages, not to the library.
C_FILES = (".c", ".h", ".inc", ".h.in")
NOT_COMPILED = ("test/", "tests/", "doc/", "docs/", "CHANGES", "NEWS", "fuzz/", "demos/")


class Library(NamedTuple):
    """What of a library will do, and the terms it comes under."""

    name: str
    wanted: str
    least: tuple[int, ...]
    license: str
    license_file: str


LIBRARIES = {
    library.name: library
    for library in (
        # The release with long support, and no other.
        Library("openssl", r"3\.5\.\d+", (3, 5, 1), "Apache-2.0", "LICENSE.txt"),
        # Older ones have advisories in what is used here.
        Library("curl", r"\d+\.\d+\.\d+", (8, 21, 0), "curl", "COPYING"),
        Library("zlib", r"\d+(\.\d+)+", (1, 3, 1), "Zlib", "LICENSE"),
        Library("cjson", r"\d+\.\d+\.\d+", (1, 7, 18), "MIT", "LICENSE"),
    )
}


def say(text: str) -> None:
    print(f"sources: {text}", file=sys.stderr, flush=True)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def is_wanted(library: Library, version: str) -> bool:
    fits = re.fullmatch(library.wanted, version) is not None
    return fits and numbers(version) >= library.least


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fail(library: Library, tried: list[str], where: str) -> SystemExit:
    least = ".".join(map(str, library.least))
    seen = f" (seen there: {', '.join(tried)})" if tried else ""
    return SystemExit(f"sources: no {library.name} >= {least} in {where}{seen}")


# --- A folder of tarballs. ---


def pinned(folder: Path) -> dict[str, str]:
    sums = folder / "SHA256SUMS"
    lines = sums.read_text().splitlines() if sums.exists() else []
    return {name.lstrip("*"): digest for digest, name in (line.split() for line in lines)}


def choose_from_folder(library: Library, folder: Path) -> dict[str, Any]:
    pattern = re.compile(rf"{library.name}-(\d+(?:\.\d+)+)\.tar\.(?:gz|xz|bz2)", re.IGNORECASE)
    found = {m[1]: p for p in folder.iterdir() if (m := pattern.fullmatch(p.name))}
    fitting = sorted((v for v in found if is_wanted(library, v)), key=numbers)
    if not fitting:
        raise fail(library, sorted(found), str(folder))
    version, tarball = fitting[-1], found[fitting[-1]]
    digest, pins = sha256(tarball), pinned(folder)
    if pins and pins.get(tarball.name) != digest:
        raise SystemExit(f"sources: {tarball} is not what SHA256SUMS says")
    return {"version": version, "tarball": str(tarball), "sha256": digest, "debian": None}


# --- Debian's source packages, by an apt that knows nothing of this machine's own lists. ---


class Apt:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial", "downloads"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "sources.list").write_text("\n".join(APT_LINES) + "\n")
        (folder / "apt.conf").write_text(
            f'Dir::State::lists "{folder}/lists";\nDir::Cache "{folder}/cache";\n'
            f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "-";\n'
            'APT::Sandbox::User "root";\nAcquire::Retries "2";\n'
        )

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"},
            cwd=self.folder / "downloads",
            capture_output=True,
            text=True,
            timeout=900,
        )

    def versions(self, package: str) -> list[str]:
        """Newest first."""
        listed = self.run("apt-cache", "showsrc", package).stdout
        found = set(re.findall(r"^Version: (\S+)$", listed, re.MULTILINE))
        return sorted(found, key=functools.cmp_to_key(compare_debian), reverse=True)

    def download(self, package: str, version: str) -> bool:
        """The small half first: it is the one that goes missing."""
        get = ("apt-get", "source", "--download-only", "-q")
        return all(
            self.run(*get, *half, f"{package}={version}").returncode == 0
            for half in (["--diff-only"], [])
        )


def compare_debian(one: str, other: str) -> int:
    def holds(relation: str) -> bool:
        command = ["dpkg", "--compare-versions", one, relation, other]
        return subprocess.run(command).returncode == 0

    return -1 if holds("lt") else int(holds("gt"))


def upstream(debian: str) -> str:
    """``1:1.3.dfsg+really1.3.2-3`` → ``1.3.2``."""
    version = debian.partition(":")[2] if ":" in debian else debian
    return version.rpartition("-")[0].rpartition("+really")[2]


def choose_from_debian(library: Library, apt: Apt) -> dict[str, Any]:
    versions = apt.versions(library.name)
    for debian in versions:
        version = upstream(debian)
        if not is_wanted(library, version):
            continue
        if not apt.download(library.name, debian):
            say(f"{library.name} {debian} is listed and cannot be had; trying an older one")
            continue
        named = debian.partition(":")[2] if ":" in debian else debian
        downloads = apt.folder / "downloads"
        source = f"{library.name}_{named.rpartition('-')[0]}.orig.tar."
        [tarball] = [p for p in downloads.glob(source + "*") if p.suffix != ".asc"]
        [patches] = downloads.glob(f"{library.name}_{named}.debian.tar.*")
        return {
            "version": version,
            "tarball": str(tarball),
            "sha256": sha256(tarball),
            "debian": {"version": debian, "tarball": str(patches), "sha256": sha256(patches)},
        }
    raise fail(library, versions, "Debian's lists")


def choose(target: Path) -> None:
    folder = os.environ.get("WEBHOOKSUB_SOURCES")
    if folder:
        chosen = {n: choose_from_folder(lib, Path(folder)) for n, lib in LIBRARIES.items()}
    else:
        apt = Apt(target.parent / "apt")
        updated = apt.run("apt-get", "update", "-q")
        if updated.returncode != 0:
            raise SystemExit(f"sources: apt-get update failed\n{updated.stderr}")
        chosen = {n: choose_from_debian(lib, apt) for n, lib in LIBRARIES.items()}
    target.write_text(json.dumps(chosen, indent=2) + "\n")


# --- Unpacking. ---


def touched(patch: str) -> Iterator[str]:
    """The files that a patch changes and that a build may read."""
    for path in re.findall(r"^\+\+\+ (?:[^/\s]+/)?(\S+)", patch, re.MULTILINE):
        if not path.startswith(NOT_COMPILED) and not path.endswith(".md"):
            yield path


def changes_code(patch: str) -> bool:
    files = list(touched(patch))
    return bool(files) and all(path.endswith(C_FILES) for path in files)


def read_patches(tarball: Path) -> dict[str, str]:
    """In the order of their series."""
    with tarfile.open(tarball) as archive:
        texts = {
            member.name.removeprefix("debian/patches/"): file.read().decode()
            for member in archive.getmembers()
            if member.name.startswith("debian/patches/") and (file := archive.extractfile(member))
        }
    series = [line.split()[0] for line in texts.get("series", "").splitlines() if line.strip()]
    return {name: texts[name] for name in series if not name.startswith("#")}


def unpack(chosen: dict[str, Any], name: str, folder: Path) -> None:
    source = chosen[name]
    if sha256(Path(source["tarball"])) != source["sha256"]:
        raise SystemExit(f"sources: {source['tarball']} has changed since it was chosen")
    folder.mkdir(parents=True)
    subprocess.run(
        ["tar", "-xf", source["tarball"], "-C", folder, "--strip-components=1"], check=True
    )
    patches = read_patches(Path(source["debian"]["tarball"])) if source["debian"] else {}
    for patch, text in patches.items():
        if changes_code(text):
            say(f"{name}: {patch}")
            command = ["patch", "-p1", "-s", "--no-backup-if-mismatch"]
            subprocess.run(command, input=text, text=True, cwd=folder, check=True)


def main() -> None:
    match sys.argv[1:]:
        case ["choose", target]:
            choose(Path(target))
        case ["unpack", chosen, name, folder]:
            unpack(json.loads(Path(chosen).read_text()), name, Path(folder))
        case ["license", name]:
            print(LIBRARIES[name].license_file)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
