"""The gate of wheels refuses each thing that it is there for, and a good wheel passes.

The wheels hold a library of three lines, compiled here with one thing wrong at a time.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("elftools")
if shutil.which("cc") is None:
    pytest.skip("needs a compiler", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "wheels"))
check = pytest.importorskip("check")

SOURCE = """
int PyInit__core(void);
__attribute__((visibility("default"))) int PyInit__core(void) { return 0; }
"""
GOOD = ("-s", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,relro", "-Wl,-z,now")
INFO = "webhooksub-1.dist-info"
SBOM = (
    '{"components": [{"name": "openssl"}, {"name": "curl"}, {"name": "zlib"}, {"name": "cjson"}]}'
)


class Maker:
    """Makes wheels that differ from a good one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def library(self, source: str = SOURCE, *flags: str) -> bytes:
        code, made = self.folder / "core.c", self.folder / "core.so"
        code.write_text(source)
        subprocess.run(["cc", *GOOD, *flags, "-o", made, code], check=True)
        return made.read_bytes()

    def wheel(
        self,
        library: bytes | None = None,
        *,
        tag: str = "cp311-abi3-manylinux_2_28_x86_64",
        without: str = "",
        more: dict[str, bytes] | None = None,
    ) -> "check.Wheel":
        files = {
            "webhooksub/_core.abi3.so": library or self.library(),
            f"{INFO}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode(),
            f"{INFO}/licenses/LICENSE": b"MIT",
            f"{INFO}/sboms/bundled.cdx.json": SBOM.encode(),
            **{f"{INFO}/licenses/bundled/{name}.txt": b"terms" for name in check.BUNDLED},
            **(more or {}),
        }
        names = [*files, f"{INFO}/RECORD"]
        files[f"{INFO}/RECORD"] = "".join(f"{name},,\n" for name in names).encode()
        path = self.folder / f"webhooksub-1-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                if not (without and without in name):
                    archive.writestr(name, text)
        return check.Wheel(path)


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def problems(wheel: "check.Wheel") -> list[str]:
    """But for abi3audit, which is no part of what these tests need."""
    checks = [one for one in check.CHECKS if one is not check.check_abi]
    return [problem for one in checks for problem in one(wheel)]


def test_a_good_wheel_passes(make: Maker) -> None:
    assert problems(make.wheel()) == []


@pytest.mark.parametrize(
    ("source", "flags", "said"),
    [
        (SOURCE.replace("PyInit__core", "other"), (), "exports other"),
        (SOURCE + SOURCE.replace("PyInit__core", "also"), (), "exports PyInit__core, also"),
        (SOURCE, ("-Wl,--no-as-needed", "-lz"), "needs libz.so.1"),
        (SOURCE, ("-Wl,-rpath,/opt/lib",), "has the run path /opt/lib"),
        (SOURCE, ("-Wl,-z,lazy", "-Wl,-z,norelro"), "is not linked with RELRO"),
        (SOURCE, ("-Wl,-z,lazy",), "is not linked with BIND_NOW"),
        (SOURCE, ("-Wl,-z,execstack",), "has an executable stack"),
        (SOURCE + 'const char *at = "/opt/somebody/x.c";', (), "holds the path /opt/somebody/x.c"),
        (SOURCE + f'const char *with = "cc -I{ROOT}/csrc";', (), f"holds the path {ROOT}/csrc"),
    ],
)
def test_a_library_with_one_thing_wrong_is_refused(
    source: str, flags: tuple[str, ...], said: str, make: Maker
) -> None:
    found = problems(make.wheel(make.library(source, *flags)))
    assert any(said in problem for problem in found), found


@pytest.mark.parametrize("place", ["/etc/ssl/cert.pem", "/dev/urandom", "/usr/lib/webhooksub/x"])
def test_what_is_read_at_run_time_is_no_path_of_the_build(place: str, make: Maker) -> None:
    library = make.library(SOURCE + f'const char *at = "{place}";')
    assert place.encode() in library
    assert problems(make.wheel(library)) == []


def test_symbols_for_the_debugger_are_refused(make: Maker) -> None:
    code, made = make.folder / "core.c", make.folder / "core.so"
    code.write_text(SOURCE)
    flags = [flag for flag in GOOD if flag != "-s"]
    subprocess.run(["cc", *flags, "-g", "-o", made, code], check=True)
    assert "is not stripped" in problems(make.wheel(made.read_bytes()))


def test_a_symbol_of_a_newer_glibc_is_refused(make: Maker) -> None:
    # glibc 2.34 gave it this version, when it took libpthread in.
    source = SOURCE.replace("return 0;", "return pthread_create(0, 0, 0, 0);")
    library = make.library("#include <pthread.h>\n" + source)
    [said] = problems(make.wheel(library))
    assert said == "uses glibc 2.34, newer than 2.28"


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ("close", []),
        ("PyLong_FromLong", []),
        ("getcontext", ["wants getcontext, which musl 1.2.3 lacks"]),
        ("statx", ["wants statx, which musl 1.2.3 lacks"]),
    ],
)
def test_a_symbol_that_musl_lacks_is_refused(
    called: str, said: list[str], make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = make.folder / "libc.S"
    stub.write_text("WEAKTIME64 close\nclose:\n.globl statx\nstatx:\n")
    monkeypatch.setattr(check, "musl_stub", lambda: stub)
    source = f"int {called}(void);\n" + SOURCE.replace("return 0;", f"return {called}();")
    library = make.library(source, "-nostdlib")
    assert problems(make.wheel(library, tag="cp311-abi3-musllinux_1_2_x86_64")) == said


def test_a_wheel_too_large_is_refused(make: Maker) -> None:
    wheel = make.wheel(more={"webhooksub/much": bytes(check.BYTES_MAX)})
    assert any("more than 8,388,608" in problem for problem in problems(wheel))


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("sboms", "has an SBOM that names nothing"),
        ("bundled/curl", "has no licence of curl"),
        ("licenses/LICENSE", "has no licence of its own"),
    ],
)
def test_what_a_wheel_must_say_of_its_contents_is_missed(
    without: str, said: str, make: Maker
) -> None:
    assert said in problems(make.wheel(without=without))


@pytest.mark.parametrize("platform", ["linux_x86_64", "manylinux_2_34_x86_64"])
def test_a_tag_that_is_not_promised_is_refused(platform: str, make: Maker) -> None:
    assert problems(make.wheel(tag=f"cp311-abi3-{platform}")) != []
