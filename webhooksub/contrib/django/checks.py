"""What ``manage.py check`` says about webhooks. Nothing here opens the database but W007,
which runs where databases are named (``check --database``, ``migrate``)."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Warning
from django.db import DatabaseError

from ... import ConfigurationError, UnknownResource, ValidationError, WebhooksubError
from ...certificates import find_authorities
from . import database, settings
from .dispatcher import current
from .resources import Resource, registered

TAG = "webhooksub"


def register_all() -> None:
    """Called when the app is ready. Twice is fine."""
    for check in (check_settings, check_database, check_authorities, check_resources):
        checks.register(check, TAG)
    checks.register(check_dev, TAG, deploy=True)
    checks.register(check_dispatcher, TAG, checks.Tags.database)


def check_settings(**_: Any) -> list[CheckMessage]:
    """E001, E002"""
    try:
        given = settings.read()
    except ConfigurationError as error:
        return [Error(text, id="webhooksub.E001") for text in str(error).split("; ")]
    found: list[CheckMessage] = []
    if given.authorizer is None:
        hint = f'{settings.NAME} = {{"authorizer": "myapp.webhooks.Authorizer"}}'
        text = f"{settings.NAME} names no authorizer: nobody may subscribe to anything"
        found.append(Error(text, hint=hint, id="webhooksub.E002"))
    return found


def check_dev(**_: Any) -> list[CheckMessage]:
    """E003: by ``check --deploy`` and the worker, as tests have no DEBUG either"""
    try:
        dev = settings.read().dev
    except ConfigurationError:
        return []  # E001 says so
    if not dev or django_settings.DEBUG:
        return []
    text = f"{settings.NAME}['dev'] opens loopback addresses, and DEBUG is off"
    return [Error(text, hint="leave dev out", id="webhooksub.E003")]


def check_database(**_: Any) -> list[CheckMessage]:
    """E004, E005, E006"""
    try:
        wrapper = database.connection()
        database.check_vendor(wrapper)
    except ConfigurationError as error:
        return [Error(str(error), id="webhooksub.E004")]
    if database.in_memory(wrapper) or database.on_server(wrapper):
        return []
    ids = {"transaction_mode": "webhooksub.E005", "init_command": "webhooksub.E006"}
    lacks = database.missing_options(wrapper.settings_dict.get("OPTIONS", {}))
    return [
        Error(
            f"DATABASES[{wrapper.alias!r}]['OPTIONS']: {name} {what}; beside a dispatcher the "
            "service's own transactions would fail",
            hint=f'"{name}": "{database.SQLITE_OPTIONS[name]}"',
            id=ids[name],
        )
        for name, what in lacks.items()
    ]


def check_authorities(**_: Any) -> list[CheckMessage]:
    """E008: without certificate authorities nothing can be delivered"""
    try:
        find_authorities(settings.read().config.http.ca_bundle)
    except ConfigurationError as error:
        if str(error).startswith(settings.NAME):
            return []  # E001 says so
        return [Error(str(error), id="webhooksub.E008")]
    return []


def check_resources(**_: Any) -> list[CheckMessage]:
    """E009: what @webhook_resource publishes must be in the catalog"""
    try:
        catalog = settings.read().catalog
    except ConfigurationError:
        return []  # E001 says so
    return list(_unknown_paths(catalog.check))


def _unknown_paths(check: Callable[[Sequence[str]], str]) -> Iterator[CheckMessage]:
    for resource in registered():
        try:
            check([re.sub(r"\{\w+\}", "1", template) for template in resource.templates])
        except (UnknownResource, ValidationError) as error:
            yield _not_in_catalog(resource, error)


def _not_in_catalog(resource: Resource, error: Exception) -> CheckMessage:
    return Error(
        f"@webhook_resource of {resource.model.__name__}: {error}",
        hint=f"add the path to the catalog that {settings.NAME}['catalog'] names",
        obj=resource.model,
        id="webhooksub.E009",
    )


def check_dispatcher(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W007. With DEBUG runserver delivers, and nobody is missed."""
    if django_settings.DEBUG or settings.alias() not in (databases or ()):
        return []
    try:
        alive = current().stats()["dispatchers_alive"]
    except (WebhooksubError, DatabaseError):
        return []  # no tables yet, or what the other checks say
    if alive or not current().durable:
        return []
    text = "no dispatcher delivers from this database: events wait in the outbox"
    return [Warning(text, hint="run `manage.py webhooksub worker`", id="webhooksub.W007")]
