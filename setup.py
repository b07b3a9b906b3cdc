"""The extension only; everything else stands in pyproject.toml.

WEBHOOKSUB_STATIC=FOLDER links the libraries that `wheels/deps.sh` built there; without it
pkg-config finds the system's shared ones.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# What is missing, and the package that has it: Debian and Ubuntu, Fedora and RHEL, Alpine,
# Arch, openSUSE, Homebrew.
SYSTEMS = {
    "debian": ("apt-get install", 0),
    "ubuntu": ("apt-get install", 0),
    "fedora": ("dnf install", 1),
    "rhel": ("dnf install", 1),
    "alpine": ("apk add", 2),
    "arch": ("pacman -S", 3),
    "suse": ("zypper install", 4),
    "macos": ("brew install", 5),
}
PYTHON = ("python3-dev", "python3-devel", "python3-dev", "python", "python3-devel", "python")
PKG_CONFIG = ("pkg-config", "pkgconf", "pkgconf", "pkgconf", "pkg-config", "pkgconf")
COMPILER = ("build-essential", "gcc", "build-base", "gcc", "gcc", "gcc")
CURL = ("libcurl4-openssl-dev", "libcurl-devel", "curl-dev", "curl", "libcurl-devel", "curl")
OPENSSL = ("libssl-dev", "openssl-devel", "openssl-dev", "openssl", "libopenssl-devel", "openssl@3")
CJSON = ("libcjson-dev", "cjson-devel", "cjson-dev", "cjson", "cJSON-devel", "cjson")
LIBRARIES = {
    "libcurl >= 7.88": CURL,
    "openssl >= 3.0": OPENSSL,
    "libcjson": CJSON,
}

free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
sabotage = os.environ.get("SABOTAGE", "")
debug = bool(os.environ.get("WEBHOOKSUB_DEBUG_BUILD"))
static = os.environ.get("WEBHOOKSUB_STATIC", "")


def pkg_config(*arguments: str) -> subprocess.CompletedProcess[str]:
    command, environment = ["pkg-config", *arguments], dict(os.environ)
    if static:
        command[1:1] = ["--define-prefix", "--static"]
        environment["PKG_CONFIG_LIBDIR"] = str(Path(static) / "lib" / "pkgconfig")
        environment.pop("PKG_CONFIG_PATH", None)
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def find_system() -> str:
    """The first of SYSTEMS that this machine says it is, or is like."""
    if sys.platform == "darwin":
        return "macos"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    names = [release["ID"], *release.get("ID_LIKE", "").split()]
    names = ["suse" if name.startswith(("opensuse", "sle")) else name for name in names]
    return next((name for name in names if name in SYSTEMS), "")


def look() -> dict[str, tuple[str, ...]]:
    """What cannot be found, each with its packages."""
    missing: dict[str, tuple[str, ...]] = {}
    compiler = shlex.split(os.environ.get("CC", "") or sysconfig.get_config_var("CC") or "cc")[0]
    if not shutil.which(compiler):
        missing[f"the C compiler ({compiler})"] = COMPILER
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing["Python.h"] = PYTHON
    if not shutil.which("pkg-config"):
        return missing | {"pkg-config": PKG_CONFIG} | LIBRARIES
    return missing | {
        library: packages
        for library, packages in LIBRARIES.items()
        if pkg_config("--exists", library).returncode != 0
    }


def refuse_missing() -> None:
    """Ends with every missing thing at once, and what to install for it here."""
    if os.name != "posix":
        sys.exit("webhooksub: builds on Linux and other POSIX systems only")
    missing = look()
    if not missing:
        return
    if static:
        sys.exit(f"webhooksub: not found for {static}: {', '.join(missing)}")
    system = find_system()
    shown = [system] if system else list(SYSTEMS)
    lines = [f"webhooksub: building from source needs {', '.join(missing)}; install"]
    for name in shown:
        command, column = SYSTEMS[name]
        packages = [packages[column] for packages in missing.values()]
        lines.append(f"  {name}: {command} {' '.join(dict.fromkeys(packages))}")
    sys.exit("\n".join(lines))


def flags(option: str) -> list[str]:
    return shlex.split(pkg_config(option, *LIBRARIES).stdout)


def refuse_gnutls() -> None:
    """One store of certificates for all connections is OpenSSL's: the other one has none."""
    linked = pkg_config("--static", "--libs", "libcurl").stdout.split()
    # One on OpenSSL may need GnuTLS for another of its libraries.
    if "-lgnutls" in linked and "-lssl" not in linked:
        sys.exit(
            "webhooksub: this libcurl is built on GnuTLS; install one on OpenSSL "
            "(Debian, Ubuntu: libcurl4-openssl-dev in place of libcurl4-gnutls-dev)"
        )


def macros() -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = [("_GNU_SOURCE", None)]
    # Not from the sources: Python.h must not have been read before it is known.
    if not free_threaded:
        found.append(("Py_LIMITED_API", "0x030B0000"))
    if static:
        found.append(("WHS_STATIC", None))
    if sabotage:
        found.append(("WHS_SABOTAGE_" + sabotage.replace("-", "_"), None))
        found.append(("WHS_SABOTAGE", f'"{sabotage}"'))
    return found


def compile_flags() -> list[str]:
    common = ["-std=c11", "-fvisibility=hidden", "-pthread"]
    if debug:
        return [*common, "-O0", "-g3", "-UNDEBUG"]
    if static:
        # Nothing of the machine that builds stays in what it builds.
        here = f"-ffile-prefix-map={Path.cwd()}=."
        return [*common, "-O3", "-flto", "-g0", "-ffunction-sections", "-fdata-sections", here]
    return [*common, "-O2"]


def link_flags() -> list[str]:
    if sys.platform == "darwin":
        return ["-Wl,-exported_symbol,_PyInit__core"]
    shown = ["-Wl,--version-script=csrc/binding/exports.map", "-Wl,-z,relro", "-Wl,-z,now"]
    if static:
        return [*shown, "-O3", "-flto", "-s", "-Wl,--gc-sections", "-Wl,--build-id=none"]
    return shown


class Build(build_ext):
    """Looks for libraries when something is to be compiled: an sdist needs none."""

    def run(self) -> None:
        refuse_missing()
        refuse_gnutls()
        for extension in self.extensions:
            extension.extra_compile_args += flags("--cflags")
            extension.extra_link_args += flags("--libs")
        super().run()


setup(
    cmdclass={"build_ext": Build},
    ext_modules=[
        Extension(
            "webhooksub._core",
            sources=sorted(glob("csrc/core/*.c") + glob("csrc/binding/*.c")),
            depends=[*glob("csrc/*/*.h"), "csrc/binding/exports.map"],
            include_dirs=["csrc/core", "csrc/binding"],
            define_macros=macros(),
            extra_compile_args=compile_flags(),
            extra_link_args=link_flags(),
            py_limited_api=not free_threaded,
        )
    ],
    options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
