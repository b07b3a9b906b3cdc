"""Deliveries as pictures: how long they took, how many there were when, how often each was tried.

Each function draws into `ax`, or into a new figure, and answers the matplotlib Axes. It takes
what :meth:`Dispatcher.deliveries` answers, or any part of it. Raises ConfigurationError without
the extra ``notebook``.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from .events import Delivery, DeliveryState
from .notebook import optional, published_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Bars of a picture at most: more cannot be told apart.
_BARS_MAX = 60
_STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 43_200, 86_400)
)
_COLOURS = {
    DeliveryState.DELIVERED: "#2da44e",
    DeliveryState.WAITING: "#d29922",
    DeliveryState.CLAIMED: "#e9c46a",
    DeliveryState.DEAD: "#e5534b",
    DeliveryState.QUARANTINED: "#8250df",
    DeliveryState.EXPIRED: "#57606a",
    DeliveryState.CANCELLED: "#9aa4af",
}
_SHARES = (("half", 0.5), ("95 %", 0.95))


def latency(deliveries: Iterable[Delivery], ax: "Axes | None" = None) -> "Axes":
    """From publishing to the answer that counted, in seconds, of what was delivered."""
    ax = _axes(ax, "delivered after", "seconds", "deliveries")
    done = [d for d in deliveries if d.state is DeliveryState.DELIVERED]
    once = [_seconds(d) for d in done if d.attempts <= 1]
    again = [_seconds(d) for d in done if d.attempts > 1]
    if not done:
        return _nothing(ax)
    both = sorted(once + again)
    ax.hist(
        [once, again],
        bins=_log_edges(both[0], both[-1]),
        stacked=True,
        color=[_COLOURS[DeliveryState.DELIVERED], _COLOURS[DeliveryState.WAITING]],
        label=["at the first attempt", "after a retry"],
    )
    ax.set_xscale("log")
    for (name, share), style in zip(_SHARES, ("--", ":"), strict=True):
        at = both[math.ceil(share * len(both)) - 1]
        ax.axvline(at, color="#57606a", linestyle=style, label=f"{name} within {at:.3g} s")
    return _with_legend(ax)


def rate(deliveries: Iterable[Delivery], ax: "Axes | None" = None) -> "Axes":
    """How many deliveries came to their state when, in UTC."""
    by_state = _by_state(deliveries)
    moments = [d.updated_at.astimezone(UTC) for those in by_state.values() for d in those]
    if not moments:
        return _nothing(_axes(ax, "deliveries", "UTC", "deliveries"))
    step = _step(max(moments) - min(moments))
    ax = _axes(ax, "deliveries", "UTC", f"deliveries in {_words(step)}")
    dates = optional("matplotlib.dates")
    edges = [dates.date2num(edge) for edge in _edges(min(moments), max(moments), step)]
    ax.hist(
        [[dates.date2num(d.updated_at) for d in those] for those in by_state.values()],
        bins=edges,
        stacked=True,
        color=[_COLOURS[state] for state in by_state],
        label=[state.name.lower() for state in by_state],
    )
    locator = dates.AutoDateLocator(tz=UTC)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=UTC))
    return _with_legend(ax)


def retries(deliveries: Iterable[Delivery], ax: "Axes | None" = None) -> "Axes":
    """How many attempts deliveries have had, by what became of them."""
    ax = _axes(ax, "attempts of a delivery", "attempts", "deliveries")
    by_state = _by_state(deliveries)
    if not by_state:
        return _nothing(ax)
    counted = {state: Counter(d.attempts for d in those) for state, those in by_state.items()}
    numbers = sorted({n for counter in counted.values() for n in counter})
    bottom = [0] * len(numbers)
    for state, counter in counted.items():
        heights = [counter[n] for n in numbers]
        ax.bar(numbers, heights, bottom=bottom, color=_COLOURS[state], label=state.name.lower())
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    ax.set_xticks(numbers)
    return _with_legend(ax)


# --- Inside ----------------------------------------------------------------------------


def _axes(ax: "Axes | None", title: str, x: str, y: str) -> "Axes":
    if ax is None:
        _, ax = optional("matplotlib.pyplot").subplots(figsize=(8, 3), layout="constrained")
        assert ax is not None
    ax.set(title=title, xlabel=x, ylabel=y)
    ax.yaxis.set_major_locator(optional("matplotlib.ticker").MaxNLocator(integer=True))
    return ax


def _with_legend(ax: "Axes") -> "Axes":
    """Beside the picture, where it hides nothing."""
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def _nothing(ax: "Axes") -> "Axes":
    ax.text(0.5, 0.5, "no deliveries", ha="center", va="center", transform=ax.transAxes)
    return ax


def _by_state(deliveries: Iterable[Delivery]) -> dict[DeliveryState, list[Delivery]]:
    """Only states that there are, the delivered first."""
    found: dict[DeliveryState, list[Delivery]] = {state: [] for state in _COLOURS}
    for delivery in deliveries:
        found[delivery.state].append(delivery)
    return {state: those for state, those in found.items() if those}


def _seconds(delivery: Delivery) -> float:
    """At least the millisecond that times are counted in: the scale is logarithmic."""
    waited = delivery.updated_at - published_at(delivery.event_id)
    return max(waited, timedelta(milliseconds=1)).total_seconds()


def _log_edges(low: float, high: float) -> list[float]:
    """Both are inside, however their logarithms are rounded."""
    first, last = math.log10(low * 0.99), math.log10(high * 1.01)
    return [10 ** (first + (last - first) * n / _BARS_MAX) for n in range(_BARS_MAX + 1)]


def _step(span: timedelta) -> timedelta:
    """The shortest that gives few enough bars; beyond a day in whole days."""
    for step in _STEPS:
        if span <= step * (_BARS_MAX - 1):
            return step
    return timedelta(days=math.ceil(span / timedelta(days=_BARS_MAX - 1)))


def _words(step: timedelta) -> str:
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if step.total_seconds() % unit == 0:
            return f"{step.total_seconds() / unit:g} {name}"
    return f"{step.total_seconds():g} s"


def _edges(first: datetime, last: datetime, step: timedelta) -> Sequence[datetime]:
    """Multiples of the step, around all moments."""
    start = first - (first - datetime(1970, 1, 1, tzinfo=UTC)) % step
    return [start + step * n for n in range((last - start) // step + 2)]
