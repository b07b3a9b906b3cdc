"""Looking at a store from the command line: lists, one of each, and why not.

The same commands as an operator types, run in this process; that they run as one of their own
is for test_cli.py.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import KEY, PATH, RECORDS
from click.testing import CliRunner, Result

from webhooksub import Dispatcher, allow_all
from webhooksub.cli import main
from webhooksub.testing import Receiver

Run = Callable[..., Result]
QUICK = {"retry_steps_ms": (50,), "retry_jitter": 0, "poll_ms": 30, "retry_max_retries": 1}
BOOK = "tenant/birch/sidedrawer/s1/record"


class Made:
    """Ids of what is in the store."""

    url: str
    acme: str
    birch: str
    events: list[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two subscriptions; three events, of which the first was retried and the last is dead."""
    made = Made()
    made.url, made.events = f"sqlite:///{tmp_path_factory.mktemp('made') / 'hooks.db'}", []
    hooks = Dispatcher(made.url, authorizer=allow_all, dev=True, config=QUICK)
    with Receiver() as receiver, hooks:
        expires = timedelta(days=1)
        made.acme = hooks.subscribe(
            RECORDS, "any", receiver.url("/a"), expires=expires, integrity_key=KEY
        ).id
        made.birch = hooks.subscribe(
            BOOK, "create", receiver.url("/b"), expires=expires, brand_code="b"
        ).id
        for answers in ([500, 200], [200], [503, 503]):
            receiver.script(answers)
            made.events.append(hooks.publish(PATH, "update", b'{"n":1.10}').id)
            while hooks.flush(timeout=10).waiting:
                pass
    return made


@pytest.fixture
def run(made: Made) -> Run:
    def run_one(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env={"WEBHOOKSUB_DATABASE": made.url})

    return run_one


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# --- subscriptions -------------------------------------------------------------------


def test_subscriptions_are_listed_and_narrowed(run: Run, made: Made) -> None:
    page = answer(run("subscriptions", "list", "--json"))
    assert [row["id"] for row in page["data"]] == [made.acme, made.birch]
    assert (page["totalCount"], page["hasMore"], page["nextPage"]) == (2, False, None)
    for narrowing, found in (
        (("--root", "tenant=birch"), [made.birch]),
        (("--resource", RECORDS), [made.acme]),
        (("--brand-code", "b"), [made.birch]),
        (("--status", "paused"), []),
        (("--owner", "nobody"), []),
    ):
        page = answer(run("subscriptions", "list", *narrowing, "--json"))
        assert [row["id"] for row in page["data"]] == found, narrowing


def test_a_list_goes_on_where_its_page_ended(run: Run, made: Made) -> None:
    first = answer(run("subscriptions", "list", "--limit", "1", "--json"))
    second = answer(
        run("subscriptions", "list", "--limit", "1", "--page", first["nextPage"], "--json")
    )
    assert [r["id"] for page in (first, second) for r in page["data"]] == [made.acme, made.birch]
    told = run("subscriptions", "list", "--limit", "1")
    assert f"there are more: --page {first['nextPage']}" in told.stderr


def test_a_subscription_is_shown_without_its_key(run: Run, made: Made) -> None:
    shown = answer(run("subscriptions", "show", made.acme, "--json"))
    assert (shown["resource"], shown["hasIntegrityKey"]) == (RECORDS, True)
    text = run("subscriptions", "show", made.acme)
    assert any(line.split() == ["key", "set"] for line in text.stdout.splitlines())
    assert KEY not in text.output + json.dumps(shown)


# --- events and deliveries -----------------------------------------------------------


def test_events_are_listed_newest_first(run: Run, made: Made) -> None:
    page = answer(run("events", "list", "--json"))
    assert [row["id"] for row in page["data"]] == made.events[::-1]
    assert page["totalCount"] is None
    assert page["data"][0]["paths"] == [PATH]
    for narrowing in (("--action", "delete"), ("--root", "tenant=birch"), ("--until", "1h")):
        assert answer(run("events", "list", *narrowing, "--json"))["data"] == []


def test_an_event_is_shown_with_what_became_of_it(run: Run, made: Made) -> None:
    shown = answer(run("events", "show", made.events[0], "--json"))
    assert (shown["data"], shown["inOutbox"]) == ('{"n":1.10}', False)
    [delivery] = shown["deliveries"]
    assert (delivery["subscriptionId"], delivery["state"]) == (made.acme, "delivered")
    lines = run("events", "show", made.events[0]).stdout.splitlines()
    assert any(line.split()[:3] == [made.acme, "delivered", "2"] for line in lines)
    assert run("events", "show", made.events[0], "--data").stdout_bytes == b'{"n":1.10}'


def test_deliveries_are_listed_and_narrowed(run: Run, made: Made) -> None:
    def found(*narrowing: str) -> list[str]:
        page = answer(run("deliveries", "list", *narrowing, "--json"))
        return [row["eventId"] for row in page["data"]]

    assert found() == made.events[::-1]
    assert found("--state", "dead") == [made.events[2]]
    assert found("--event", made.events[1]) == [made.events[1]]
    assert found("--subscription", made.birch) == []
    assert found("--until", "1h") == []


@pytest.mark.parametrize("command", [("deliveries", "show"), ("delivery",)])
def test_a_delivery_is_shown_with_its_attempts(
    run: Run, made: Made, command: tuple[str, ...]
) -> None:
    shown = answer(run(*command, made.events[0], made.acme, "--json"))
    assert (shown["state"], shown["attempts"], shown["httpStatus"]) == ("delivered", 2, 200)
    assert [(a["n"], a["httpStatus"]) for a in shown["attemptsKept"]] == [(1, 500), (2, 200)]
    lines = [line.split() for line in run(*command, made.events[0], made.acme).stdout.splitlines()]
    assert [line[0] for line in lines if "127.0.0.1" in line] == ["1", "2"]


# --- why, and why not ----------------------------------------------------------------


def test_explain_says_why_and_why_not(run: Run, made: Made) -> None:
    [heard] = answer(run("explain", PATH, "update", "--json"))["data"]
    assert (heard["subscriptionId"], heard["hears"], heard["code"]) == (made.acme, True, "hears")
    [not_covered] = answer(run("explain", f"{BOOK}/r1", "update", "--json"))["data"]
    assert (not_covered["hears"], not_covered["code"]) == (False, "not_covered")
    told = run("explain", "--event", made.events[2], "--subscription", made.acme)
    assert "given up: 2 attempts, the last one answered 503" in told.stdout
    nobody = run("explain", "tenant/cedar/sidedrawer/s1", "update")
    assert "nobody subscribed" in nobody.stdout


# --- mistakes ------------------------------------------------------------------------

NOBODY = "01a2116a-b419-7cdf-933f-eebda918d9fd"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("subscriptions", "show", NOBODY), "ID"),
        (("subscriptions", "list", "--page", "x"), "--page"),
        (("subscriptions", "list", "--limit", "101"), "--limit"),
        (("subscriptions", "list", "--root", "acme"), "--root"),
        (("subscriptions", "list", "--status", "gone"), "--status"),
        (("events", "show", "nonsense"), "ID"),
        (("events", "list", "--page", "AQ"), "--page"),
        (("events", "list", "--since", "yesterday"), "--since"),
        (("deliveries", "list", "--event", NOBODY), "--event"),
        (("deliveries", "list", "--subscription", NOBODY), "--subscription"),
        (("deliveries", "list", "--page", "!"), "--page"),
        (("delivery", NOBODY, NOBODY), "EVENT"),
        (("explain",), "PATH"),
        (("explain", "nonsense", "update"), "PATH"),
        (("explain", PATH, "any"), "ACTION"),
        (("explain", "--event", NOBODY), "--event"),
        (("explain", PATH, "update", "--subscription", NOBODY), "--subscription"),
        (("explain", PATH, "update", "--catalog", "nowhere:x"), "--catalog"),
    ],
)
def test_an_error_names_the_argument_and_ends_with_2(
    run: Run, made: Made, arguments: tuple[str, ...], named: str
) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert named in result.stderr.splitlines()[-1], result.stderr


def test_a_delivery_that_is_none_says_where_to_ask(run: Run, made: Made) -> None:
    result = run("delivery", made.events[0], made.birch)
    assert result.exit_code == 2
    assert "SUBSCRIPTION" in result.stderr
    assert "webhooksub explain" in result.stderr


def test_what_an_endpoint_answers_steers_no_terminal(tmp_path: Path, receiver: Receiver) -> None:
    url, hostile = f"sqlite:///{tmp_path / 'hooks.db'}", "\x1b]0;owned\x07\u202e\r\n"
    with Dispatcher(url, authorizer=allow_all, dev=True, config=QUICK) as hooks:
        info = hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1))
        receiver.answer(500, body=hostile.encode())
        event = hooks.publish(PATH, "update")
        hooks.flush(timeout=10)
    command = ["delivery", event.id, info.id, "--database", url]
    shown = CliRunner().invoke(main, command).stdout
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(shown)
    assert "\\x1b]0;owned" in shown
    kept = answer(CliRunner().invoke(main, [*command, "--json"]))["attemptsKept"]
    assert kept[0]["snippet"] == hostile
