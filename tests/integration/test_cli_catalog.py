"""`webhooksub catalog`: what there is, and who would go deaf under another one."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from webhooksub import Catalog, Dispatcher, allow_all, catalogs
from webhooksub.cli import main
from webhooksub.cli.comparing import lost_by

REPOS = Catalog.of("repos/{owner}/issues/{number}", "repos/{owner}/pulls/{number}")
MODULE = """
from webhooksub import Catalog
OLD = Catalog.of("repos/{owner}/issues/{number}", "repos/{owner}/pulls/{number}")
LESS = Catalog.of("repos/{owner}/issues/{number}")
FEWER = Catalog((r, [(e, ("create",)) for e, _ in rules]) for r, rules in OLD.rows)
MORE = Catalog.of(
    "repos/{owner}/issues/{number}", "repos/{owner}/pulls/{number}", "repos/{owner}/tags/{tag}"
)
other = 1
"""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "shop_catalogs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEBHOOKSUB_DATABASE", raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["catalog", *arguments])


@pytest.fixture
def subscribed(tmp_path: Path) -> dict[str, str]:
    """Ids of three subscriptions in the store that commands look at by themselves."""
    hooks = Dispatcher(f"sqlite:///{tmp_path / 'hooks.db'}", authorizer=allow_all, catalog=REPOS)
    wanted = {
        "all issues": ("repos/ann/issues", "any"),
        "one pull": ("repos/ann/pulls/7", "update"),
        "new pulls": ("repos/bob/pulls", "create"),
    }
    made = {
        name: hooks.subscribe(*one, "https://a.example/", expires=timedelta(days=1)).id
        for name, one in wanted.items()
    }
    gone = hooks.subscribe("repos/bob/pulls", "any", "https://a.example/", expires=timedelta(1))
    hooks.unsubscribe(gone.id)
    hooks.close()
    return made


def diff(run: Run, new: str, *options: str) -> tuple[int, Any]:
    result = run("diff", "shop_catalogs:OLD", f"shop_catalogs:{new}", "--json", *options)
    assert result.exit_code in (0, 1), result.output
    return result.exit_code, json.loads(result.stdout)


def test_show_lists_what_can_be_subscribed_to(run: Run) -> None:
    shown = json.loads(run("show", "--json").stdout)
    assert [row["resource"] for row in shown["data"]] == [r for r, _ in catalogs.SIDEDRAWER.rows]
    text = run("show", "--catalog", "shop_catalogs:OLD").stdout
    assert any(
        line.split()[:2] == ["repos/{owner}/issues", "repos/{owner}/issues/{number}"]
        for line in text.splitlines()
    )


def test_a_resource_that_goes_makes_its_subscribers_deaf(
    run: Run, subscribed: dict[str, str]
) -> None:
    code, found = diff(run, "LESS")
    assert (code, found["added"]) == (1, [])
    assert found["removed"] == ["repos/{owner}/pulls", "repos/{owner}/pulls/{number}"]
    deaf = {row["subscriptionId"]: row for row in found["deaf"]}
    assert set(deaf) == {subscribed["one pull"], subscribed["new pulls"]}
    assert all(row["hearsNothing"] for row in found["deaf"])
    assert deaf[subscribed["new pulls"]]["lost"] == [
        {"path": "repos/{owner}/pulls/{number}", "modificationTypes": ["create"]}
    ]


def test_who_would_hear_less_is_named_with_what_goes(run: Run, subscribed: dict[str, str]) -> None:
    code, found = diff(run, "FEWER")
    assert (code, found["removed"], found["added"]) == (1, [], [])
    deaf = {row["subscriptionId"]: row for row in found["deaf"]}
    assert set(deaf) == {subscribed["all issues"], subscribed["one pull"]}
    assert not deaf[subscribed["all issues"]]["hearsNothing"]
    assert deaf[subscribed["one pull"]]["hearsNothing"]
    result = run("diff", "shop_catalogs:OLD", "shop_catalogs:FEWER")
    line = next(x for x in result.stdout.splitlines() if subscribed["all issues"] in x)
    assert "update, delete of repos/{owner}/issues/{number}" in line


def test_more_resources_make_nobody_deaf(run: Run, subscribed: dict[str, str]) -> None:
    code, found = diff(run, "MORE")
    assert (code, found["deaf"]) == (0, [])
    assert found["added"] == ["repos/{owner}/tags", "repos/{owner}/tags/{tag}"]


def test_an_old_catalog_may_be_what_show_printed(
    run: Run, tmp_path: Path, subscribed: dict[str, str]
) -> None:
    (tmp_path / "old.json").write_text(
        run("show", "--catalog", "shop_catalogs:OLD", "--json").stdout
    )
    assert run("diff", "old.json", "shop_catalogs:OLD").exit_code == 0
    assert run("diff", "old.json", "shop_catalogs:LESS").exit_code == 1


def test_a_store_that_nobody_named_may_be_missing(run: Run) -> None:
    assert diff(run, "LESS")[0] == 0
    result = run("diff", "shop_catalogs:OLD", "shop_catalogs:LESS", "--database", "sqlite:///no.db")
    assert result.exit_code == 2


@pytest.mark.parametrize("wrong", ["nowhere:x", "shop_catalogs:other", "text", "empty.json"])
def test_a_catalog_that_is_none_names_the_argument(run: Run, tmp_path: Path, wrong: str) -> None:
    (tmp_path / "empty.json").write_text("{}")
    first = run("diff", wrong, "shop_catalogs:OLD")
    assert (first.exit_code, "OLD" in first.stderr) == (2, True), first.output
    second = run("diff", "shop_catalogs:OLD", wrong)
    assert (second.exit_code, "NEW" in second.stderr) == (2, True), second.output


def test_the_wide_catalog_takes_nothing_from_anybody_and_the_other_way_round_does() -> None:
    wide, narrow = catalogs.SIDEDRAWER_WIDE, catalogs.SIDEDRAWER
    plan = "tenant/t1/sidedrawer/s1/plan-request/p1"
    assert lost_by(plan, "any", narrow, wide)[0] == frozenset()
    lost, _ = lost_by(plan, "any", wide, narrow)
    entity = "tenant/{tenantId}/sidedrawer/{sidedrawerId}/plan-request/{planRequestId}"
    assert lost == {(entity, "create"), (entity, "delete")}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_completes_our_commands(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0, result.output
    assert "_WEBHOOKSUB_COMPLETE" in result.stdout
