"""Runs targets under libFuzzer and shows what came of it: ``make fuzz``.

Each target begins with its corpus and goes on from what earlier runs have kept in
``build/fuzz/NAME``; a build with a defect begins with nothing, to find it alone. Exits with 1
when some input broke a rule, was a sanitizer's, took too long or too much memory; that input
stays in ``build/fuzz/NAME.found``.
"""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE.parent / "build" / "fuzz"
# A longer input is nobody's, but for what limits are about: those have tests of their own.
LONGEST = 16 * 1024
# One input: the slowest of the corpus takes a few milliseconds under the sanitizers.
TIMEOUT_S = 10
MEMORY_MB = 1024
# Beyond the time that a target is given: to start, and to minimise nothing.
GRACE_S = 120

EXECUTIONS = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
EDGES = re.compile(r"\bcov: (\d+)")
RULE = re.compile(r"a rule is broken: .*|^SUMMARY: .*|^==\d+== ERROR: .*", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    target: str
    executions: int
    edges: int
    finding: str  # empty: none


def run(target: str, programs: Path, seconds: int, label: str) -> Result:
    kept, found = KEPT / f"{target}{label}", KEPT / f"{target}{label}.found"
    for folder in (kept, found):
        folder.mkdir(parents=True, exist_ok=True)
    begin_with = [str(HERE / "corpus" / target)] if not label else []
    command = [
        str(programs / f"fuzz_{target}"),
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={found}/",
        "-use_value_profile=1",
        "-print_final_stats=1",
        str(kept),
        *begin_with,
    ]
    # A library that keeps what it has for the whole life of a process leaks nothing.
    environment = os.environ | {
        "ASAN_OPTIONS": "detect_leaks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=seconds + GRACE_S,
    )
    said = done.stderr.decode(errors="replace")
    (KEPT / f"{target}{label}.log").write_text(said)
    rule = RULE.search(said)
    finding = (
        rule[0] if rule else f"exit code {done.returncode}, see build/fuzz/{target}{label}.log"
    )
    executions, edges = EXECUTIONS.search(said), EDGES.findall(said)
    return Result(
        target,
        int(executions[1]) if executions else 0,
        int(edges[-1]) if edges else 0,
        finding if done.returncode else "",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=Path, help="the folder that they were built in")
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    label = chosen.programs.name.removeprefix("c-fuzz")
    print(f"{'target':<14}{'executions':>12}{'edges':>8}  finding", flush=True)
    with ThreadPoolExecutor(chosen.jobs) as pool:
        results = []
        for result in pool.map(
            lambda target: run(target, chosen.programs, chosen.seconds, label), chosen.targets
        ):
            results.append(result)
            row = f"{result.target:<14}{result.executions:>12,}{result.edges:>8,}"
            print(f"{row}  {result.finding or 'none'}", flush=True)
    idle = [result.target for result in results if not result.executions and not result.finding]
    for target in idle:
        print(f"{target} executed nothing")
    return 1 if idle or any(result.finding for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
