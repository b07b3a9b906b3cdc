"""The tree of settings: one name everywhere, all mistakes at once."""

import pytest

from webhooksub.config import Config
from webhooksub.errors import ConfigurationError


def test_defaults_are_the_documented_schedule() -> None:
    steps = Config().retry.retry_steps_ms
    assert steps == tuple(1000 * s for s in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400))
    assert Config().retry.retry_max_retries == len(steps)


def test_a_field_has_the_same_name_in_code_and_environment() -> None:
    from_code = Config.of(total_timeout_ms=20_000, allow=("10.0.0.0/8",), ports=(9443,))
    from_env = Config.from_env(
        {
            "WEBHOOKSUB_TOTAL_TIMEOUT_MS": "20000",
            "WEBHOOKSUB_ALLOW": "10.0.0.0/8",
            "WEBHOOKSUB_PORTS": "9443",
            "PATH": "/bin",
        }
    )
    assert from_code == from_env
    assert from_code.http.total_timeout_ms == 20_000


def test_the_command_line_s_database_in_the_environment_is_no_setting() -> None:
    assert Config.from_env({"WEBHOOKSUB_DATABASE": "sqlite:///hooks.db"}) == Config()


def test_what_a_build_takes_from_the_environment_is_no_setting() -> None:
    assert Config.from_env({"WEBHOOKSUB_STATIC": "/x", "WEBHOOKSUB_SOURCES": "/y"}) == Config()


def test_unknown_and_wrong_settings_are_all_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.of(totl_timeout_ms=1, in_flight_max=-1, retry_jitter="x", synchronous="OFF")
    text = str(caught.value)
    for name in ("totl_timeout_ms", "in_flight_max", "retry_jitter", "synchronous"):
        assert name in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("in_flight_max", 0),
        ("in_flight_max", True),
        ("in_flight_max", 1.5),
        ("retry_jitter", 1.0),
        ("retry_steps_ms", ()),
        ("ports", (70_000,)),
        ("ca_bundle", ""),
        ("integrity_encoding", "HEX"),
        ("disable_on_gone", "maybe"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Config.of(**{name: value})


def test_zero_means_off_where_that_makes_sense() -> None:
    assert Config.of(disable_after_ms=0).retry.disable_after_ms == 0
    assert Config.of(retry_jitter=0).retry.retry_jitter == 0


def test_flat_names_are_unique_and_round_trip() -> None:
    flat = Config.of(in_flight_max=3).flat()
    assert Config.of(**flat) == Config.of(in_flight_max=3)
