"""A host's tests find the fixtures by themselves, wherever webhooksub is installed."""

import pytest

pytest_plugins = "pytester"

SERVICE = """
import pytest
from datetime import timedelta
from webhooksub import Dispatcher, allow_all

RECORDS = "tenant/acme/sidedrawer/s1/record"
"""


def run(pytester: pytest.Pytester, tests: str) -> pytest.RunResult:
    pytester.makepyfile(SERVICE + tests)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    # What pytest of today warns about in plugins of others is theirs.
    return pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:cacheprovider", timeout=60)


def test_published_is_empty_again_for_each_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.parametrize("n", [1, 2])
def test_saves(published, tmp_path, n):
    hooks = Dispatcher(f"sqlite:///{tmp_path / 'hooks.db'}", authorizer=allow_all)
    hooks.publish(f"{RECORDS}/r{n}", "create", {"n": n})
    assert [e.data for e in published] == [{"n": n}]
    hooks.close()
""",
    )
    result.assert_outcomes(passed=2)


def test_an_assertion_that_fails_shows_what_was_published(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_saves(published, tmp_path):
    hooks = Dispatcher(f"sqlite:///{tmp_path / 'hooks.db'}", authorizer=allow_all)
    hooks.publish(f"{RECORDS}/r1", "create", {"n": 1})
    hooks.close()
    assert published == []
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CapturedEvent(*record/r1*create*"])


def test_a_scripted_endpoint_and_a_clock_make_a_retry_happen(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_retries(webhook_receiver, webhook_clock, tmp_path):
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    with Dispatcher(url, authorizer=allow_all, dev=True) as hooks:
        hooks.subscribe(RECORDS, "any", webhook_receiver.url("/hook"), expires=timedelta(days=9))
        webhook_receiver.script([503])
        hooks.publish(f"{RECORDS}/r1", "update")
        assert hooks.flush(10).waiting == 1
        webhook_clock.advance(minutes=5)
        assert hooks.flush(10).delivered == 1
    assert [r.status for r in webhook_receiver.requests] == [503, 200]

def test_a_receiver_and_a_time_of_its_own(webhook_receiver, webhook_clock):
    assert webhook_receiver.requests == []
    assert "0:00:00 ahead" in repr(webhook_clock)
    from webhooksub.dispatcher import system_clock
    assert system_clock.ahead_ms == 0
""",
    )
    result.assert_outcomes(passed=2)


def test_the_fixtures_are_listed_with_what_they_are(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures", timeout=60)
    for name in ("published", "webhook_receiver", "webhook_clock"):
        result.stdout.fnmatch_lines([f"{name}*"])
    assert "no docstring" not in "".join(
        line for line in result.stdout.lines if line.startswith(("published", "webhook_"))
    )
