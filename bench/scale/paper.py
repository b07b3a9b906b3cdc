"""A billion deliveries a day, on paper: what the measured figures come to, of bench/scale."""

from dataclasses import dataclass
from math import ceil

from store import CLAIMED

A_DAY = 1_000_000_000
#: Of the mean: what comes together is no mean.
PEAK = 3
MACHINE_CORES, BUSY = 8, 2 / 3
#: Of the rows: what is dead and not cleaned up yet.
UNCLEANED = 1.5
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one delivery, publishing and pruning included: processor µs and bytes; and how many
    events a second one dispatcher claims that does nothing else."""

    dispatcher_us: float
    server_us: float
    wal_bytes: float
    row_bytes: float
    claimed_per_second: float


def on_paper(costs: Costs) -> tuple[list[list[str]], str]:
    """A table, and what it says."""
    peak = A_DAY / _DAY_SECONDS * PEAK
    machine = MACHINE_CORES * BUSY * 1e6  # µs of processor in a second
    rows = [["", "one delivery", "one machine carries", f"{peak:,.0f} a second take"]]
    for what, us in (
        ("dispatchers' processor", costs.dispatcher_us),
        ("server's processor", costs.server_us),
    ):
        cores = f"{peak * us / 1e6:.1f} cores, {_count(ceil(peak * us / machine), 'machine')}"
        rows.append([what, f"{us:.0f} µs", f"{machine / us:,.0f}/s", cores])
    wal, row = costs.wal_bytes, costs.row_bytes
    a_day = f"{A_DAY * row * UNCLEANED / 1e9:,.0f} GB for each day that is kept"
    claimers = _count(ceil(peak / costs.claimed_per_second), "dispatcher")
    rows += [
        ["server's disk: WAL", f"{wal:,.0f} bytes", "", f"{peak * wal / 1e6:,.0f} MB a second"],
        ["server's disk: rows", f"{row:,.0f} bytes", "", a_day],
        ["claims", "", f"{costs.claimed_per_second:,.0f}/s by one dispatcher", claimers],
    ]
    most = machine / costs.server_us
    words = (
        f"On paper, a billion deliveries a day, {PEAK} times the mean at the peak. A machine has"
        f" {MACHINE_CORES} cores and is to be {BUSY:.0%} busy; of a dispatcher's claims each is of"
        f" {CLAIMED} events. Dispatchers are added; the processor of one server is full at"
        f" {most:,.0f} deliveries a second, {most * _DAY_SECONDS / PEAK / 1e9:.2f} billion a day."
    )
    return rows, words


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
