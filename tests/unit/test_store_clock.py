"""The database's clock, as a process knows it that has another."""

from webhooksub.store.postgres_clock import ServerClock


def test_an_answer_that_lies_between_the_moments_of_asking_puts_nothing_right() -> None:
    clock = ServerClock(lambda: 1_000)
    clock.measure(10.2, 11.0, 12.4)
    assert clock() == 1_000


def test_a_server_whose_clock_is_ahead_or_behind_is_followed() -> None:
    clock = ServerClock(lambda: 1_000_000)
    clock.measure(10, 5_010, 12)
    assert clock() == 1_004_998
    clock.measure(10_000, 5_000, 10_002)
    assert clock() == 995_000
    clock.measure(10, 11, 12)
    assert clock() == 1_000_000, "what was measured before counts no more"
