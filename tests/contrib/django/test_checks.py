"""``manage.py check`` names what would fail in production, each by its id."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.db import connection, connections
from shop.models import Order

from webhooksub import Catalog
from webhooksub.contrib.django import hooks, resources

AUTHORIZER = "shop.webhooks.Authorizer"
CATALOG = "shop.webhooks.CATALOG"
RIGHT = {"authorizer": AUTHORIZER, "catalog": CATALOG}


def told(databases: Sequence[str] = (), *, deploy: bool = False) -> list[CheckMessage]:
    """What our checks say. For None Django 6 looks into every database."""
    return checks.run_checks(
        tags=["webhooksub"], databases=list(databases), include_deployment_checks=deploy
    )


def found(databases: Sequence[str] = (), *, deploy: bool = False) -> list[str]:
    """The ids of that."""
    return [str(m.id).removeprefix("webhooksub.") for m in told(databases, deploy=deploy)]


def test_right_settings_are_not_complained_of(settings: Any) -> None:
    settings(WEBHOOKSUB=RIGHT)
    assert found(["default"]) == ["W007"]
    hooks.start()
    assert found(["default"]) == []


def test_unknown_keys_and_wrong_values_are_all_told_at_once(settings: Any) -> None:
    settings(
        WEBHOOKSUB={"autorizer": AUTHORIZER, "poll_ms": 0, "catalog": "shop.views.pay", "dev": 1}
    )
    texts = sorted(str(m.msg) for m in told() if m.id == "webhooksub.E001")
    assert texts == [
        "WEBHOOKSUB: autorizer: no such setting",
        "WEBHOOKSUB: catalog: is no Catalog",
        "WEBHOOKSUB: dev: must be True or False",
        "WEBHOOKSUB: poll_ms: must be more than 0",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "must be a dict"),
        ({"authorizer": "shop.nothing.Authorizer"}, "No module named 'shop.nothing'"),
        ({"authorizer": "shop.webhooks.CATALOG"}, "has no allows, roots"),
        ({"actor": "shop.webhooks.CATALOG"}, "must be callable"),
        ({"alias": ""}, "must be a text"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told(settings: Any, given: Any, said: str) -> None:
    settings(WEBHOOKSUB=given)
    assert any(said in str(message.msg) for message in told())


def test_a_missing_authorizer_is_told(settings: Any) -> None:
    settings(WEBHOOKSUB={"catalog": CATALOG})
    assert found() == ["E002"]


def test_dev_is_told_in_production_and_not_in_development(settings: Any) -> None:
    settings(WEBHOOKSUB=RIGHT | {"dev": True}, DEBUG=False)
    assert found() == []  # as in a run of tests
    assert found(deploy=True) == ["E003"]
    with pytest.raises(CommandError, match="dev.*DEBUG is off"):
        call_command("webhooksub", "worker")
    settings(DEBUG=True)
    assert found(deploy=True) == []


@pytest.mark.parametrize(
    ("lost", "expected"),
    [("transaction_mode", ["E005"]), ("init_command", ["E006"]), ("timeout", [])],
)
def test_sqlite_without_immediate_transactions_or_wal_is_told(
    settings: Any, monkeypatch: pytest.MonkeyPatch, lost: str, expected: list[str]
) -> None:
    settings(WEBHOOKSUB=RIGHT)
    monkeypatch.delitem(connection.settings_dict["OPTIONS"], lost)
    assert found() == expected


def test_a_deferred_mode_is_as_bad_as_none(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(WEBHOOKSUB=RIGHT)
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "transaction_mode", "deferred")
    [message] = told()
    assert message.msg.startswith("DATABASES['default']['OPTIONS']: transaction_mode is deferred")
    assert message.hint == '"transaction_mode": "IMMEDIATE"'


def test_an_error_keeps_a_command_from_running(settings: Any) -> None:
    settings(WEBHOOKSUB={})
    with pytest.raises(SystemCheckError, match=r"webhooksub\.E002"):
        call_command("check")
    with pytest.raises(SystemCheckError, match=r"webhooksub\.E002"):
        call_command("webhooksub", "worker")


@pytest.mark.parametrize("vendor", ["mysql", "oracle"])
def test_another_database_is_refused_with_a_recipe(
    settings: Any, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    settings(WEBHOOKSUB=RIGHT)
    monkeypatch.setattr(type(connections["default"]), "vendor", vendor)
    monkeypatch.setattr(type(connections["default"]), "display_name", vendor)
    [message] = told()
    assert message.id == "webhooksub.E004"
    assert f"'default' is {vendor}" in message.msg and "transaction.on_commit" in message.msg


def test_an_alias_that_does_not_exist_is_told(settings: Any) -> None:
    settings(WEBHOOKSUB=RIGHT | {"alias": "hooks"})
    assert found() == ["E004"]


def test_missing_authorities_are_told(settings: Any, tmp_path: Any) -> None:
    settings(WEBHOOKSUB=RIGHT | {"ca_bundle": str(tmp_path / "none.pem")})
    assert found() == ["E008"]


def test_a_resource_that_the_catalog_does_not_know_is_told(settings: Any) -> None:
    settings(WEBHOOKSUB={"authorizer": AUTHORIZER, "catalog": Catalog.of("shop/{id}/sale/{n}")})
    [message] = told()
    assert (message.id, message.obj) == ("webhooksub.E009", Order)
    assert "@webhook_resource of Order" in message.msg
    assert [resource.model for resource in resources.registered()] == [Order]


def test_with_debug_nobody_misses_a_worker(settings: Any) -> None:
    settings(WEBHOOKSUB=RIGHT, DEBUG=True)
    assert found(["default"]) == []


def test_checks_without_databases_open_none(settings: Any, tmp_path: Any) -> None:
    settings(WEBHOOKSUB=RIGHT)
    connection.close()
    connection.settings_dict["NAME"] = str(tmp_path / "none.sqlite3")
    assert found() == []
    assert not (tmp_path / "none.sqlite3").exists()
