"""The shop of examples/django in this process, on a database of its own for each test."""

import asyncio
import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from webhooksub import SubscriptionInfo
from webhooksub.testing import Receiver

EXAMPLE = Path(__file__).parents[3] / "examples" / "django"
QUICK = {
    "retry_steps_ms": (50,),
    "retry_jitter": 0,
    "poll_ms": 30,
    "connect_timeout_ms": 2_000,
    "total_timeout_ms": 3_000,
    "grace_ms": 200,
}

if importlib.util.find_spec("django") is None:
    collect_ignore_glob = ["*"]
else:
    # Test modules import models, which want all of this before.
    _folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    _migrated = _folder / "migrated.sqlite3"
    os.environ.pop("DATABASE_URL", None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SHOP_DATABASE": str(_migrated),
        "SHOP_DEBUG": "1",
    }
    sys.path.insert(0, str(EXAMPLE))
    importlib.import_module("django").setup()


@pytest.fixture(scope="session")
def migrated() -> Path:
    """A database in which the migrations ran."""
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    connections.close_all()
    return _migrated


@pytest.fixture(autouse=True)
def database(migrated: Path, tmp_path: Path, settings: Any) -> Iterator[Path]:
    """The file of this test; `hooks` makes its dispatcher anew."""
    from asgiref.sync import sync_to_async  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    from webhooksub.contrib.django import hooks  # noqa: PLC0415

    path = tmp_path / "shop.sqlite3"
    shutil.copy(migrated, path)
    given = {"authorizer": "shop.webhooks.Authorizer", "dev": True} | OURS | QUICK
    settings(WEBHOOKSUB=given, DEBUG=False)
    for wrapper in connections.all():
        wrapper.settings_dict["NAME"] = str(path)
    yield path
    hooks.close(0)
    connections.close_all()
    # Those of the thread that asynchronous views lead to: it outlives the test.
    asyncio.run(sync_to_async(connections.close_all)())


OURS = {"catalog": "shop.webhooks.CATALOG", "actor": "shop.webhooks.actor"}


@pytest.fixture
def settings() -> Iterator[Callable[..., None]]:
    """Changes Django's settings until the test ends."""
    from django.test import override_settings  # noqa: PLC0415

    changed: list[Any] = []

    def change(**given: Any) -> None:
        changed.append(override_settings(**given))
        changed[-1].enable()

    yield change
    for override in reversed(changed):
        override.disable()


@pytest.fixture
def ann() -> Any:
    from django.contrib.auth import get_user_model  # noqa: PLC0415

    return get_user_model().objects.create_superuser("ann", password="ann")


@pytest.fixture
def shop(ann: Any) -> Any:
    from shop.models import Shop  # noqa: PLC0415

    return Shop.objects.create(pk=7, name="Books", owner=ann)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as endpoint:
        yield endpoint


@pytest.fixture
def subscribed(shop: Any, ann: Any, receiver: Receiver) -> SubscriptionInfo:
    """To every order of the shop."""
    from webhooksub.contrib.django import hooks  # noqa: PLC0415

    return hooks.subscribe(
        f"shop/{shop.pk}/order",
        "any",
        receiver.url("/hook"),
        expires=timedelta(days=1),
        integrity_key="k" * 32,
        actor=ann,
    )
