"""The gate that a wheel must pass: ``check.py WHEEL...``.

One exported symbol; nothing needed but the C library; nothing newer than the C library that the
tag promises; hardened; no path of the machine that built it; small; the stable ABI alone where
the tag says so; licences and an SBOM inside. All that is wrong is told at once.
"""

import csv
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from email.parser import Parser
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import Symbol, SymbolTableSection

BYTES_MAX = 8 * 1024 * 1024
GLIBC = "2.28"
# musl's symbols have no versions: what it got after 1.2.3 is known by name alone.
MUSL_NEWER = {"preadv2", "pwritev2", "statx"}
# The C library's own parts, under glibc's names and musl's.
NEEDED = re.compile(
    r"(libc|libm|libdl|libpthread|librt)\.so\.\d+|ld-linux-[\w-]+\.so\.\d+|"
    r"(libc\.musl-[\w]+\.so\.1|libc\.so)"
)
# Places of the system that a library names for what it finds there at run time. /usr/lib/webhooksub
# stands in OpenSSL on purpose: nobody may write there, and nothing is read from there.
RUN_TIME = re.compile(rb"/(?:etc|dev|proc|sys|usr/lib/webhooksub)(?:/|$)")
PATH = re.compile(rb"(?<![\x20-\x7e])(?:/[\w.+-]+){2,}(?![\x21-\x7e])")
# An SBOM names these.
BUNDLED = {"openssl", "curl", "zlib", "cjson"}
DF_BIND_NOW, DF_1_NOW = 0x8, 0x1


class Wheel:
    """One file, its parts read once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        _, _, self.python, self.abi, self.platform = path.stem.split("-")
        with zipfile.ZipFile(path) as archive:
            self.files = {
                name: archive.read(name) for name in archive.namelist() if name[-1] != "/"
            }
        [self.library] = [name for name in self.files if name.endswith(".so")]
        self.elf = ELFFile(io.BytesIO(self.files[self.library]))
        [self.dynamic] = [s for s in self.elf.iter_sections() if isinstance(s, DynamicSection)]

    def symbols(self) -> Iterator[Symbol]:
        """Of the dynamic linker: what the library shows, and what it wants."""
        for section in self.elf.iter_sections():
            if isinstance(section, SymbolTableSection) and section.name == ".dynsym":
                yield from section.iter_symbols()

    def tags(self, name: str) -> list[int | str]:
        field = {"DT_NEEDED": "needed", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}.get(name)
        found = self.dynamic.iter_tags(name)
        return [getattr(tag, field) if field else tag["d_val"] for tag in found]

    def info(self, suffix: str) -> bytes | None:
        """A file of .dist-info."""
        return next(
            (text for name, text in self.files.items() if name.endswith(".dist-info/" + suffix)),
            None,
        )


def check_symbols(wheel: Wheel) -> Iterator[str]:
    shown = {
        symbol.name
        for symbol in wheel.symbols()
        if symbol["st_shndx"] not in ("SHN_UNDEF", "SHN_ABS") and symbol.name
    }
    if shown != {"PyInit__core"}:
        yield f"exports {', '.join(sorted(shown)[:10])} ({len(shown)}), not PyInit__core alone"


def check_needed(wheel: Wheel) -> Iterator[str]:
    for name in wheel.tags("DT_NEEDED"):
        if not NEEDED.fullmatch(str(name)):
            yield f"needs {name}"
    for path in wheel.tags("DT_RPATH") + wheel.tags("DT_RUNPATH"):
        yield f"has the run path {path}"


def version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def glibc_of(wheel: Wheel) -> list[str]:
    """The versions of glibc's symbols that it uses, oldest first."""
    sections = [s for s in wheel.elf.iter_sections() if isinstance(s, GNUVerNeedSection)]
    found = {
        auxiliary.name.removeprefix("GLIBC_")
        for section in sections
        for _, auxiliaries in section.iter_versions()
        for auxiliary in auxiliaries
        if re.fullmatch(r"GLIBC_[\d.]+", auxiliary.name)
    }
    return sorted(found, key=version_key)


def musl_stub() -> Path:
    """The list of musl's symbols that the compiler links against."""
    zig = importlib.util.find_spec("ziglang")
    if zig is None or zig.origin is None:
        raise SystemExit("check: musl's symbols are known from ziglang, which is not installed")
    return Path(zig.origin).parent / "lib" / "libc" / "musl" / "libc.S"


def check_musl(wheel: Wheel) -> Iterator[str]:
    """Nothing refuses to link an extension for want of a symbol: loading it would."""
    listed = re.findall(r"^(\w+):", musl_stub().read_text(), re.MULTILINE)
    wanted = {
        symbol.name
        for symbol in wheel.symbols()
        if symbol["st_shndx"] == "SHN_UNDEF" and symbol["st_info"]["bind"] == "STB_GLOBAL"
    }
    for name in sorted(wanted - (set(listed) - MUSL_NEWER)):
        if not re.match("_?Py", name):
            yield f"wants {name}, which musl 1.2.3 lacks"


def check_libc(wheel: Wheel) -> Iterator[str]:
    used = glibc_of(wheel)
    promised = re.fullmatch(r"manylinux_(\d+)_(\d+)_\w+", wheel.platform)
    if not promised:
        if used or not wheel.platform.startswith("musllinux_1_2_"):
            yield f"is for {wheel.platform}, with symbols of glibc {', '.join(used) or 'none'}"
        else:
            yield from check_musl(wheel)
        return
    most = f"{promised[1]}.{promised[2]}"
    if version_key(most) > version_key(GLIBC):
        yield f"promises glibc {most}, not {GLIBC}"
    if used and version_key(used[-1]) > version_key(most):
        yield f"uses glibc {used[-1]}, newer than {most}"


def check_hardening(wheel: Wheel) -> Iterator[str]:
    flags, flags_1 = wheel.tags("DT_FLAGS"), wheel.tags("DT_FLAGS_1")
    now = any(int(f) & DF_BIND_NOW for f in flags) or any(int(f) & DF_1_NOW for f in flags_1)
    if not now:
        yield "is not linked with BIND_NOW"
    kinds = {segment["p_type"]: segment for segment in wheel.elf.iter_segments()}
    if "PT_GNU_RELRO" not in kinds:
        yield "is not linked with RELRO"
    stack = kinds.get("PT_GNU_STACK")
    if stack is None or stack["p_flags"] & 1:
        yield "has an executable stack"
    if any(wheel.elf.get_section_by_name(name) for name in (".symtab", ".debug_info")):
        yield "is not stripped"


def build_places() -> set[bytes]:
    """The folders in which this machine builds, as they would stand in what it built."""
    named = os.environ.get("WHEELS_CACHE")
    places = {Path(__file__).parents[1], Path.home(), Path(tempfile.gettempdir())}
    places |= {Path(sys.prefix), Path(sys.base_prefix), *([Path(named)] if named else [])}
    system = {Path("/"), Path("/usr")}
    return {bytes(place.resolve()) for place in places if place.resolve() not in system}


def check_paths(wheel: Wheel) -> Iterator[str]:
    text = wheel.files[wheel.library]
    places = b"|".join(map(re.escape, sorted(build_places())))
    found = set(re.findall(rb"(?:" + places + rb")/[\x21-\x7e]+", text))
    found |= {path for path in PATH.findall(text) if not RUN_TIME.match(path)}
    for path in sorted(found)[:10]:
        yield f"holds the path {path.decode()}"


def check_size(wheel: Wheel) -> Iterator[str]:
    size = wheel.path.stat().st_size
    if size > BYTES_MAX:
        yield f"has {size:,} bytes, more than {BYTES_MAX:,}"


def check_abi(wheel: Wheel) -> Iterator[str]:
    if wheel.abi == "abi3":
        if wheel.python != "cp311":
            yield f"is for {wheel.python}, not cp311"
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / Path(wheel.library).name
            library.write_bytes(wheel.files[wheel.library])
            command = [sys.executable, "-m", "abi3audit", "--strict", "--summary"]
            command += ["--assume-minimum-abi3", "3.11", str(library)]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            yield f"fails abi3audit: {(done.stdout + done.stderr).strip()}"
    elif not re.fullmatch(r"cp3\d+t", wheel.abi):
        yield f"is for {wheel.abi}, neither the stable ABI nor a free-threaded Python"


def check_contents(wheel: Wheel) -> Iterator[str]:
    text = wheel.info("sboms/bundled.cdx.json")
    named = {part["name"] for part in json.loads(text)["components"]} if text else set()
    if named != BUNDLED:
        yield f"has an SBOM that names {', '.join(sorted(named)) or 'nothing'}"
    for name in sorted(BUNDLED):
        if not wheel.info(f"licenses/bundled/{name}.txt"):
            yield f"has no licence of {name}"
    if not wheel.info("licenses/LICENSE"):
        yield "has no licence of its own"
    recorded = {row[0] for row in csv.reader(io.StringIO((wheel.info("RECORD") or b"").decode()))}
    if recorded != set(wheel.files):
        yield f"has a RECORD that differs in {', '.join(recorded ^ set(wheel.files))}"


def check_tags(wheel: Wheel) -> Iterator[str]:
    tags = Parser().parsestr((wheel.info("WHEEL") or b"").decode()).get_all("Tag") or []
    named = f"{wheel.python}-{wheel.abi}-{wheel.platform}"
    if tags != [named]:
        yield f"says inside that it is {', '.join(tags)}"


CHECKS: list[Callable[[Wheel], Iterator[str]]] = [
    check_tags,
    check_symbols,
    check_needed,
    check_libc,
    check_hardening,
    check_paths,
    check_size,
    check_abi,
    check_contents,
]


def main() -> None:
    wheels = [Wheel(Path(name)) for name in sys.argv[1:]]
    if not wheels:
        raise SystemExit(__doc__)
    wrong = 0
    for wheel in wheels:
        problems = [problem for check in CHECKS for problem in check(wheel)]
        wrong += len(problems)
        used = glibc_of(wheel)
        print(
            f"{wheel.name}: {wheel.path.stat().st_size:,} bytes, "
            f"glibc {used[-1] if used else '-'}, "
            f"needs {', '.join(map(str, wheel.tags('DT_NEEDED')))}"
        )
        for problem in problems:
            print(f"  BAD: {problem}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
