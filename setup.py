"""The extension only; everything else stands in pyproject.toml."""

import os
import shlex
import subprocess
import sys
import sysconfig
from glob import glob

from setuptools import Extension, setup

PACKAGES = {
    "libcurl >= 7.88": "libcurl4-openssl-dev (Debian, Ubuntu) or libcurl-devel (Fedora)",
    "openssl >= 3.0": "libssl-dev (Debian, Ubuntu) or openssl-devel (Fedora)",
    "libcjson": "libcjson-dev (Debian, Ubuntu) or cjson-devel (Fedora)",
}


def pkg_config(option: str) -> list[str]:
    flags: list[str] = []
    for package, where in PACKAGES.items():
        try:
            out = subprocess.run(
                ["pkg-config", option, package], check=True, capture_output=True, text=True
            ).stdout
        except FileNotFoundError:
            sys.exit("webhooksub: building from source needs pkg-config")
        except subprocess.CalledProcessError as error:
            sys.exit(f"webhooksub: {package} is missing: install {where}\n{error.stderr}")
        flags += shlex.split(out)
    return flags


free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
sabotage = os.environ.get("SABOTAGE", "")
debug = bool(os.environ.get("WEBHOOKSUB_DEBUG_BUILD"))

macros: list[tuple[str, str | None]] = [("_GNU_SOURCE", None)]
if not free_threaded:
    macros.append(("Py_LIMITED_API", "0x030B0000"))
if sabotage:
    macros.append(("WHS_SABOTAGE_" + sabotage.replace("-", "_"), None))
    macros.append(("WHS_SABOTAGE", f'"{sabotage}"'))

setup(
    ext_modules=[
        Extension(
            "webhooksub._core",
            sources=sorted(glob("csrc/core/*.c") + glob("csrc/binding/*.c")),
            depends=glob("csrc/*/*.h"),
            include_dirs=["csrc/core", "csrc/binding"],
            define_macros=macros,
            extra_compile_args=[
                "-std=c11",
                "-fvisibility=hidden",
                "-pthread",
                *(["-O0", "-g3", "-UNDEBUG"] if debug else ["-O2"]),
                *pkg_config("--cflags"),
            ],
            extra_link_args=pkg_config("--libs"),
            py_limited_api=not free_threaded,
        )
    ],
    options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
