"""Pictures say what the deliveries say."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import matplotlib
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.axes import Axes

from webhooksub import Delivery, DeliveryState, Outcome, _core, plots
from webhooksub.errors import ConfigurationError

matplotlib.use("agg")

NOW = datetime(2026, 7, 7, 12, 30, 1, tzinfo=UTC)
SUBSCRIPTION = "0195f7a2-0000-7000-8000-000000000001"
Draw = Callable[..., Axes]
ALL = [plots.latency, plots.rate, plots.retries]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def a_delivery(
    state: DeliveryState = DeliveryState.DELIVERED,
    attempts: int = 1,
    took: timedelta = timedelta(seconds=1),
    published: datetime = NOW,
) -> Delivery:
    ms = round(published.timestamp() * 1_000)
    given: dict[str, Any] = {"next_at": None, "http_status": 200, "outcome": Outcome.SUCCESS}
    event = _core.uuid_text(_core.uuid7(ms))
    return Delivery(
        event, SUBSCRIPTION, state, attempts, **given, duration_ms=9, updated_at=published + took
    )


def heights(ax: Axes) -> list[int]:
    """Of all bars that are there."""
    return [round(bar.get_height()) for bar in ax.patches if bar.get_height()]  # type: ignore[attr-defined]


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_latency_tells_retried_ones_apart_and_where_most_are() -> None:
    quick = [a_delivery(took=timedelta(seconds=1))] * 90
    slow = [a_delivery(attempts=2, took=timedelta(seconds=100))] * 10
    lost = [a_delivery(DeliveryState.DEAD, took=timedelta(days=9))]
    ax = plots.latency(quick + slow + lost)
    assert sorted(heights(ax)) == [10, 90]
    assert set(legend(ax)) == {
        "at the first attempt",
        "after a retry",
        "half within 1 s",
        "95 % within 100 s",
    }


def test_rate_counts_by_time_and_state() -> None:
    early = [a_delivery()] * 3
    late = [a_delivery(DeliveryState.DEAD, took=timedelta(minutes=30))] * 2
    ax = plots.rate(early + late)
    assert sorted(heights(ax)) == [2, 3]
    assert legend(ax) == ["delivered", "dead"]
    assert ax.get_ylabel() == "deliveries in 1 min"


def test_retries_counts_attempts_by_state() -> None:
    given = [a_delivery()] * 5 + [a_delivery(attempts=3)] + [a_delivery(DeliveryState.DEAD, 3)] * 2
    ax = plots.retries(given)
    assert sorted(heights(ax)) == [1, 2, 5]
    assert list(ax.get_xticks()) == [1, 3]


@pytest.mark.parametrize("draw", ALL)
def test_nothing_is_drawn_as_nothing(draw: Draw) -> None:
    ax = draw([])
    assert [text.get_text() for text in ax.texts] == ["no deliveries"]


@pytest.mark.parametrize("draw", ALL)
def test_it_draws_where_it_is_told_to(draw: Draw) -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert draw([a_delivery()], ax=right) is right
    assert heights(right) == [1]
    assert heights(left) == []
    figure.canvas.draw()


deliveries = st.builds(
    a_delivery,
    state=st.sampled_from(DeliveryState),
    attempts=st.integers(0, 100),
    took=st.timedeltas(timedelta(), timedelta(days=400)),
)


# Drawing is slow: a failure is shown as it was found.
@settings(deadline=None, max_examples=10, phases=[Phase.generate])
@given(st.lists(deliveries, min_size=1, max_size=30))
def test_no_delivery_is_left_out(given: list[Delivery]) -> None:
    """Stacked bars are as high as there are deliveries, whenever they were."""
    delivered = sum(d.state is DeliveryState.DELIVERED for d in given)
    for draw, count in ((plots.latency, delivered), (plots.rate, len(given))):
        ax = draw(given)
        assert sum(heights(ax)) == count
        assert len(heights(ax)) <= 7 * 61
        pyplot.close("all")
    assert sum(heights(plots.retries(given))) == len(given)
    pyplot.close("all")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'webhooksub\[notebook\]'"):
        plots.latency([])
