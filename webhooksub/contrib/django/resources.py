"""Models whose changes are published: ``@webhook_resource``.

``save()`` and ``delete()`` send Django's signals, and so publish, in one transaction with the
row. ``QuerySet.update()``, ``bulk_create()`` and ``bulk_update()`` send none: after these call
:func:`publish_many`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from typing import Any, TypeVar

from django.db import models, router, transaction
from django.db.models.signals import post_delete, post_save

from ... import ConfigurationError
from . import settings
from .dispatcher import hooks

ACTIONS = ("create", "update", "delete")
_PARAMETER = re.compile(r"\{(\w+)\}")
# Events written by one call; all calls of one publish_many are one transaction.
_CHUNK = 500

_Model = TypeVar("_Model", bound=type[models.Model])
Data = Callable[[Any], Any] | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Resource:
    """How changes of one model are published."""

    model: type[models.Model]
    templates: tuple[str, ...]
    data: Data
    actions: tuple[str, ...]
    open_id: Callable[[Any], str | None] | None

    def item(self, instance: models.Model, action: str) -> tuple[Any, ...]:
        """``(paths, action, data, open_id)``. Raises ValidationError for a hostile id."""
        paths = [self._path(template, instance) for template in self.templates]
        who = None if self.open_id is None else self.open_id(instance)
        return (paths, action, self._data(instance), who)

    def _path(self, template: str, instance: models.Model) -> str:
        """Its names are attributes; in the catalog the same ids may have other names."""
        filled = {}
        for name in _PARAMETER.findall(template):
            value = getattr(instance, name)
            if value is None or value == "":
                raise ConfigurationError(
                    f"{self.model.__name__}.{name} is empty: no path {template!r}"
                )
            filled[name] = str(value)
        return hooks.catalog.path(template, **filled)

    def _data(self, instance: models.Model) -> Any:
        if self.data is None:
            return None
        if callable(self.data):
            return self.data(instance)
        return {name: getattr(instance, name) for name in self.data}


_resources: dict[type[models.Model], Resource] = {}


def registered() -> Iterator[Resource]:
    """Every resource that was declared."""
    return iter(tuple(_resources.values()))


def resource_of(model: type[models.Model]) -> Resource:
    """Raises ConfigurationError for a model that was not declared."""
    try:
        return _resources[model]
    except KeyError:
        raise ConfigurationError(
            f"{model.__name__} is no webhook resource: declare it by @webhook_resource"
        ) from None


def webhook_resource(
    *templates: str,
    data: Data = None,
    actions: Sequence[str] = ACTIONS,
    open_id: Callable[[Any], str | None] | None = None,
) -> Callable[[_Model], _Model]:
    """Publishes saves and deletes of a model, in their own transactions.

    `templates`: one path or several of the same entity, such as
    ``"shop/{shop_id}/order/{pk}"``; a name in braces is an attribute of the instance. `data`:
    what is sent of it: a function of the instance, names of its attributes, or None for
    nothing but the path. `actions`: which changes. `open_id`: who did it, from the instance.

    Fixtures (``loaddata``) publish nothing.
    """
    if not templates:
        raise ConfigurationError("@webhook_resource needs a path")
    unknown = set(actions) - set(ACTIONS)
    if unknown:
        raise ConfigurationError(f"no such actions: {', '.join(sorted(unknown))}")
    fields = tuple(data) if data is not None and not callable(data) else data

    def declare(model: _Model) -> _Model:
        if model not in _resources:
            _save_atomically(model)
        _resources[model] = Resource(model, templates, fields, tuple(actions), open_id)
        name = f"webhooksub.{model.__module__}.{model.__qualname__}"
        post_save.connect(_saved, sender=model, dispatch_uid=name)
        post_delete.connect(_deleted, sender=model, dispatch_uid=name)
        return model

    return declare


def _save_atomically(model: type[models.Model]) -> None:
    """Django sends post_save when a save that stands alone is committed already: in a
    transaction around both a crash loses neither the row nor its event."""
    save_base: Callable[..., None] = model.save_base

    @wraps(save_base)
    def save_with_event(self: models.Model, *args: Any, **options: Any) -> None:
        with transaction.atomic(using=options.get("using") or router.db_for_write(model)):
            save_base(self, *args, **options)

    model.save_base = save_with_event  # type: ignore[method-assign]


def publish_many(objects: Iterable[models.Model], action: str, *, data: Data = None) -> int:
    """Publishes the same change of many instances of a declared model; answers how many.

    For what sends no signals: ``bulk_create``, ``bulk_update``, ``QuerySet.update``,
    ``_raw_delete``. All events are one transaction, yours if you are in one. `data`
    replaces what the resource declares.
    """
    items = objects.iterator(_CHUNK) if isinstance(objects, models.QuerySet) else objects
    count = 0
    with transaction.atomic(using=settings.alias()):
        for chunk in _chunks(items):
            hooks.publish_many([_item(instance, action, data) for instance in chunk])
            count += len(chunk)
    return count


def _chunks(items: Iterable[models.Model]) -> Iterator[Sequence[models.Model]]:
    waiting = iter(items)
    while chunk := list(islice(waiting, _CHUNK)):
        yield chunk


def _item(instance: models.Model, action: str, data: Data) -> tuple[Any, ...]:
    resource = resource_of(type(instance))
    _check_database(instance)
    if data is not None:
        resource = Resource(resource.model, resource.templates, data, ACTIONS, resource.open_id)
    return resource.item(instance, action)


def _saved(sender: Any, instance: Any, created: bool, raw: bool, **_: Any) -> None:
    if not raw:
        _publish(sender, instance, "create" if created else "update")


def _deleted(sender: Any, instance: Any, **_: Any) -> None:
    _publish(sender, instance, "delete")


def _publish(model: Any, instance: Any, action: str) -> None:
    resource = resource_of(model)
    if action in resource.actions:
        _check_database(instance)
        paths, _, sent, who = resource.item(instance, action)
        hooks.publish(paths, action, sent, open_id=who)


def _check_database(instance: models.Model) -> None:
    """Its event must be able to join its transaction."""
    using = instance._state.db
    if using not in (None, settings.alias()):
        raise ConfigurationError(
            f"{type(instance).__name__} is saved in the database {using!r}, and the tables of "
            f"webhooksub are in {settings.alias()!r}: its event cannot join that transaction. "
            "Publish in transaction.on_commit instead, which may lose it in a crash"
        )
