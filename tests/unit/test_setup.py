"""``tools/setup.sh`` installs what is missing and nothing else, or says in one sentence why not.

It runs with a PATH of its own, where each command of the machine is a short script: what was
called stands in the file `called`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "tools" / "setup.sh"
# What the script itself uses, as it is.
REAL = ("bash", "env", "grep", "head", "sort", "sed")
# What it looks for. `installed` is touched by apt-get install; until then `cc` and others fail.
LOOKED_FOR = (
    "cc",
    "make",
    "pkg-config",
    "strace",
    "sqlite3",
    "openssl",
    "curl",
    "redis-server",
    "pg_ctlcluster",
    "pgbouncer",
    "python3",
)
APT = 'echo "apt-get $*" >>"$CALLED"\ncase "$*" in *install*) : >"$INSTALLED" ;; esac\n'
ABSENT = '[ -e "$INSTALLED" ] || exit 1\n'
# It reads what it is given, as a compiler does: who writes to it must not be cut off.
COMPILER = "read -r line\n"


class Machine:
    def __init__(self, folder: Path) -> None:
        self.bin, self.called = folder / "bin", folder / "called"
        self.bin.mkdir()
        self.release = folder / "os-release"
        self.system("debian", "12")
        for name in REAL:
            (self.bin / name).symlink_to(shutil.which(name) or name)
        for name in LOOKED_FOR:
            self.command(name, "exit 0\n")
        self.command("cc", COMPILER)
        self.command("python3", f'case "$*" in *include*) echo {folder} ;; esac\n')
        (folder / "Python.h").touch()
        self.command("apt-get", APT)
        self.command("sudo", 'echo sudo >>"$CALLED"\n"$@"\n')
        self.user(0)

    def command(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{script}")
        path.chmod(0o755)

    def user(self, number: int) -> None:
        self.command("id", f"echo {number}\n")

    def system(self, name: str, version: str) -> None:
        self.release.write_text(
            f"ID={name}\nVERSION_ID={version}\nPRETTY_NAME='{name} {version}'\n"
        )

    def set_up(self, *uses: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.bin),
            "OS_RELEASE": str(self.release),
            "CALLED": str(self.called),
            "INSTALLED": str(self.called.with_name("installed")),
        }
        bash = os.path.realpath(self.bin / "bash")
        return subprocess.run(
            [bash, str(SETUP), *uses], env=environment, capture_output=True, text=True, timeout=60
        )

    def calls(self) -> list[str]:
        return self.called.read_text().splitlines() if self.called.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence that it ended with."""
    assert done.returncode != 0
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("webhooksub: ")
    return sentence


def test_a_machine_that_has_everything_is_left_alone(machine: Machine) -> None:
    done = machine.set_up()
    assert (done.returncode, done.stdout, done.stderr, machine.calls()) == (0, "", "", [])


def test_a_browser_is_installed_for_who_asks_for_one_alone(machine: Machine) -> None:
    paths = [machine.bin / name for name in ("chromium", "npm")]
    arrive = "; ".join(f"printf '#!/bin/bash\\n' >{p}; /bin/chmod 755 {p}" for p in paths)
    machine.command("apt-get", APT + f'case "$*" in *install*) {arrive} ;; esac\n')
    assert machine.set_up().returncode == 0
    assert machine.calls() == []
    done = machine.set_up("browser")
    assert done.returncode == 0, done.stderr
    assert machine.calls()[1].endswith(" chromium npm")


def test_exactly_what_is_missing_is_installed(machine: Machine) -> None:
    machine.command("pkg-config", f'case "$*" in *libcjson*) {ABSENT} ;; esac\n')
    (machine.bin / "strace").unlink()
    strace = machine.bin / "strace"
    arrives = f"printf '#!/bin/bash\\n' >{strace}; /bin/chmod 755 {strace}"
    machine.command("apt-get", APT + f'case "$*" in *install*) {arrives} ;; esac\n')
    done = machine.set_up()
    assert done.returncode == 0, done.stderr
    update, install = machine.calls()
    assert update.startswith("apt-get update")
    assert install.endswith(" libcjson-dev strace")


def test_what_few_need_is_installed_where_it_is_asked_for(machine: Machine) -> None:
    assert machine.set_up().returncode == 0
    assert machine.calls() == []
    assert machine.set_up("fuzz", "valgrind").returncode != 0
    _, install = machine.calls()
    assert install.endswith(" clang libclang-rt-dev valgrind")


def test_a_use_that_nobody_knows_is_refused(machine: Machine) -> None:
    assert "nothing that is needed for fuss" in refusal(machine.set_up("fuss"))


def test_a_user_who_is_not_root_installs_by_sudo(machine: Machine) -> None:
    machine.user(1000)
    machine.command("cc", COMPILER + ABSENT)
    assert machine.set_up().returncode == 0
    assert [call.split()[0] for call in machine.calls()] == ["sudo", "apt-get"] * 2


def test_without_root_and_sudo_the_packages_are_named(machine: Machine) -> None:
    machine.user(1000)
    (machine.bin / "sudo").unlink()
    machine.command("cc", COMPILER + ABSENT)
    assert "apt-get install libc6-dev" in refusal(machine.set_up())


@pytest.mark.parametrize(
    ("name", "version"), [("debian", "11"), ("ubuntu", "22.04"), ("fedora", "44"), ("arch", "")]
)
def test_a_system_without_the_packages_gets_a_sentence(
    machine: Machine, name: str, version: str
) -> None:
    machine.system(name, version)
    machine.command("cc", COMPILER + ABSENT)
    sentence = refusal(machine.set_up())
    assert "Debian 12 or newer and Ubuntu 24.04 or newer" in sentence
    assert f"{name} {version}" in sentence
    assert machine.calls() == []


@pytest.mark.parametrize(
    ("name", "version"), [("debian", "12"), ("debian", "13"), ("debian", ""), ("ubuntu", "24.04")]
)
def test_a_system_that_has_the_packages_installs_them(
    machine: Machine, name: str, version: str
) -> None:
    machine.system(name, version)
    machine.command("cc", COMPILER + ABSENT)
    assert machine.set_up().returncode == 0
    assert len(machine.calls()) == 2


def test_any_system_will_do_where_nothing_is_missing(machine: Machine) -> None:
    machine.system("fedora", "44")
    assert machine.set_up().returncode == 0


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.command(
        "python3",
        'case "$*" in *platform*) echo 3.10.9 ;; *version_info*) exit 1 ;; '
        f"*include*) echo {machine.bin.parent} ;; esac\n",
    )
    sentence = refusal(machine.set_up())
    assert "needs Python 3.11 or newer" in sentence
    assert "3.10.9" in sentence


def test_a_libcurl_on_gnutls_is_refused(machine: Machine) -> None:
    machine.command("pkg-config", 'case "$*" in *--libs*) echo -lcurl -lgnutls ;; esac\n')
    assert "libcurl4-openssl-dev" in refusal(machine.set_up())


def test_packages_that_do_not_help_are_named(machine: Machine) -> None:
    machine.command("cc", COMPILER + "exit 1\n")
    assert "still does not find what libc6-dev would give" in refusal(machine.set_up())
