"""``settings.WEBHOOKSUB``: one dict, in which nothing unknown is let pass.

Its keys are the flat names of :class:`webhooksub.Config` and the few below. Environment
variables of :class:`~webhooksub.Config` count where the dict says nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from django.conf import settings as django_settings
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.module_loading import import_string

from ... import Authorizer, Catalog, Config, ConfigurationError, catalogs

NAME = "WEBHOOKSUB"

#: The default encoder: dates, decimals and UUIDs as Django's own JSON has them.
encode: Callable[[Any], str] = partial(
    json.dumps,
    cls=DjangoJSONEncoder,
    ensure_ascii=False,
    allow_nan=False,
    separators=(",", ":"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the dict says. Objects may be given as such or by their dotted paths."""

    alias: str = "default"  # the database whose transactions events join
    authorizer: Authorizer | None = None  # None: deny, by not starting
    catalog: Catalog = catalogs.SIDEDRAWER
    actor: Callable[[Any], Any] | None = None  # request → actor of the API; None: request.user
    encoder: Callable[[Any], str | bytes] = encode
    dev: bool = False  # opens loopback addresses; for development only
    config: Config = Config()


def alias() -> str:
    """Of the database that has the tables. Raises nothing: models ask before checks can."""
    given = getattr(django_settings, NAME, {})
    found = given.get("alias", "default") if isinstance(given, Mapping) else "default"
    return found if isinstance(found, str) else "default"


def read() -> Settings:
    """Raises ConfigurationError naming everything that is wrong."""
    given = getattr(django_settings, NAME, {})
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{NAME} must be a dict")
    own = {f.name for f in fields(Settings)} - {"config"}
    problems: list[str] = []
    found: dict[str, Any] = {}
    for name in own & set(given):
        try:
            found[name] = _READ[name](given[name])
        except (ImportError, TypeError, ValueError) as error:
            problems.append(f"{name}: {error}")
    try:
        rest = {str(name): value for name, value in given.items() if name not in own}
        found["config"] = Config.from_env().replace(**rest)
    except ConfigurationError as error:
        problems += str(error).split("; ")
    if problems:
        raise ConfigurationError("; ".join(f"{NAME}: {text}" for text in sorted(problems)))
    return Settings(**found)


def _object(value: Any) -> Any:
    return import_string(value) if isinstance(value, str) else value


def _authorizer(value: Any) -> Any:
    found = _object(value)
    found = found() if isinstance(found, type) else found
    missing = [
        name
        for name in ("allows", "roots", "owner_id", "still_allowed")
        if not callable(getattr(found, name, None))
    ]
    if missing:
        raise TypeError(f"has no {', '.join(missing)}")
    return found


def _catalog(value: Any) -> Catalog:
    found = _object(value)
    if not isinstance(found, Catalog):
        raise TypeError("is no Catalog")
    return found


def _callable(value: Any) -> Callable[..., Any]:
    found = _object(value)
    if not callable(found):
        raise TypeError("must be callable")
    result: Callable[..., Any] = found
    return result


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("must be a text that is not empty")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be True or False")
    return value


_READ: dict[str, Callable[[Any], Any]] = {
    "alias": _text,
    "authorizer": _authorizer,
    "catalog": _catalog,
    "actor": _callable,
    "encoder": _callable,
    "dev": _bool,
}
