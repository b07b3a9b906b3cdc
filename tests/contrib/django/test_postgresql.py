"""A service whose database is PostgreSQL: migrated, published to in its transactions."""

import os
import subprocess
import sys
from pathlib import Path

from postgres import shared_server

SERVICE = """
import os
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres",
        "HOST": os.environ["SOCKETS"],
        "OPTIONS": {"options": "-csearch_path=" + os.environ["SCHEMA"]},
    }},
    INSTALLED_APPS=["django.contrib.contenttypes", "webhooksub.contrib.django"],
    WEBHOOKSUB={"authorizer": "webhooksub.allow_all"},
)
django.setup()
call_command("check")
call_command("migrate", verbosity=0)

from django.db import transaction
from webhooksub.contrib.django import hooks

PATH = "tenant/acme/sidedrawer/s1/record/r1"

def count():
    return hooks.stats()["outbox"]
"""
WRITES = """
with transaction.atomic():
    hooks.publish(PATH, "create", {"n": 1})
    assert count() == 0, "others do not see it yet"
    try:
        with transaction.atomic():
            hooks.publish(PATH, "update", {"n": 2})
            raise LookupError
    except LookupError:
        pass
assert count() == 1
try:
    with transaction.atomic():
        hooks.publish(PATH, "update", {"n": 3}, connection="default")
        raise LookupError
except LookupError:
    pass
assert count() == 1
hooks.publish(PATH, "delete")
print(count(), hooks.alias)
hooks.close()
"""
BACKWARDS = """
call_command("migrate", "webhooksub", "zero", verbosity=0)
from django.db import connection
print([name for name in connection.introspection.table_names() if name.startswith("webhooksub_")])
"""


def run(code: str, folder: Path) -> str:
    server = shared_server()
    with server.schema() as schema:
        environ = os.environ | {"SOCKETS": str(server.folder), "SCHEMA": schema}
        environ.pop("DJANGO_SETTINGS_MODULE", None)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SERVICE + code],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=folder,
            env=environ,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_events_are_real_with_the_service_s_own_rows_or_never_were(tmp_path: Path) -> None:
    assert run(WRITES, tmp_path) == "2 default"


def test_the_migrations_go_back_to_nothing(tmp_path: Path) -> None:
    assert run(BACKWARDS, tmp_path) == "[]"
