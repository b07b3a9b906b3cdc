"""Shows that the hostile suite can fail: ``python tests/hostile/sabotage.py [NAME …]``.

Each sabotage takes one defence of the transport away (``WHS_SABOTAGE_…`` in csrc/core), in a
build of its own. All of this folder's tests run under it, and exactly those of
:data:`EXPECTED` must be red. The exit code is 0 only if every sabotage is seen by them and by
no others. ``--show NAME`` runs them as ever, and ends as they do: with 1 when some are red.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "webhooksub"
BUILT = REPOSITORY / "build" / "prove"
# Several times what the tests take.
RUN_SECONDS_MAX = 600

#: The tests that each missing defence must turn red.
EXPECTED: dict[str, set[str]] = {
    "no-opensocket": {
        "test_a_forbidden_address_behind_one_that_refuses_is_not_reached",
        "test_a_name_that_leads_inside_is_not_connected_to",
        "test_a_name_that_moves_inside_is_not_followed",
        "test_a_value_made_for_development_does_not_open_loopback",
        "test_an_address_that_the_guard_forbids_is_not_connected_to",
        "test_an_answer_of_200_addresses_is_bounded",
        "test_behind_a_nat64_only_what_is_outside_in_ipv4_is_connected_to",
        "test_no_name_leads_to_an_address_inside",
        "test_one_forbidden_address_in_an_answer_ends_the_attempt",
        "test_our_own_public_address_is_closed_where_the_operator_names_it",
        "test_proxies_of_the_environment_see_nothing",
        "test_the_list_opens_nothing_else",
        "test_the_machines_own_name_is_inside",
        "test_the_operator_is_told_which_it_was",
        "test_the_port_makes_no_difference",
    },
    "no-prereq": {"test_an_allowed_address_that_leads_elsewhere_carries_no_request"},
    "no-body-cap": {
        "test_a_compressed_bomb_is_kept_as_it_came",
        "test_an_attempt_ends_as_the_table_says",
        "test_the_answer_is_told_with_its_first_4_kb_and_named_fields",
    },
    "no-resend-guard": {
        "test_a_kept_connection_that_ends_after_the_request_is_one_post_per_attempt"
    },
    "no-lease-at-send": {"test_what_is_still_connecting_when_the_lease_is_over_does_not_leave"},
    "follow-redirects": {
        "test_a_redirect_is_a_failure_and_nobody_is_asked_there",
        "test_a_redirect_is_told_and_not_followed",
        "test_a_redirect_to_itself_or_nowhere_is_one_request",
        "test_a_redirect_to_the_inside_is_not_followed",
    },
}


def build(name: str) -> Path:
    """A folder to import the package from: links to its files, and a broken extension."""
    target = BUILT / name / "webhooksub" / "_core.so"
    target.parent.mkdir(parents=True, exist_ok=True)
    for entry in target.parent.iterdir():
        if entry.is_symlink():
            entry.unlink()
    for entry in PACKAGE.iterdir():
        if entry.suffix != ".so" and entry.name != "__pycache__":
            (target.parent / entry.name).symlink_to(entry)
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "SABOTAGE")}
    make = ["make", "--no-print-directory", f"-j{os.cpu_count() or 1}"]
    subprocess.run(
        [*make, str(target.relative_to(REPOSITORY))], cwd=REPOSITORY, check=True, env=environment
    )
    return target.parents[1]


def run(packages: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """All tests of this folder, on that package."""
    environment = os.environ | {"PYTHONPATH": str(packages), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2"]
    command += ["-m", "not serial", "--tb=no", str(Path(__file__).parent)]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, text=True, timeout=RUN_SECONDS_MAX, **options
    )


def red_ones(packages: Path) -> set[str]:
    """Names of the tests that were red, without their parameters."""
    done = run(packages, stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests did not run:\n{done.stdout}")
    return set(re.findall(r"^(?:FAILED|ERROR) [^:]+::(\w+)", done.stdout, re.MULTILINE))


def main() -> int:
    parser = argparse.ArgumentParser(description="Show that the hostile suite can fail.")
    parser.add_argument("only", nargs="*", metavar="SABOTAGE", help="these alone")
    parser.add_argument("--show", choices=sorted(EXPECTED), help="run under this one as ever")
    given = parser.parse_args()
    if given.show is not None:
        return run(build(given.show)).returncode
    wrong = 0
    for name in given.only or EXPECTED:
        red = red_ones(build(name))
        wrong += red != EXPECTED[name]
        for test in sorted(red | EXPECTED[name]):
            state = "red as it must be" if test in red & EXPECTED[name] else "UNEXPECTED"
            if test not in red:
                state = "STAYED GREEN"
            print(f"{name:<18} {state:<18} {test}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
