"""What one app has of webhooksub: its settings, its store, its dispatcher."""

import inspect
import logging
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, current_app
from sqlalchemy import Engine
from sqlalchemy.orm import scoped_session

from ... import catalogs
from ...api import SubscriptionApi
from ...authorizer import allow_all
from ...config import ENVIRONMENT_PREFIX, Config
from ...dispatcher import Dispatcher
from ...errors import ConfigurationError, WebhooksubError
from ...logs import about
from .background import AuthorizerOfApp, told_in_context

log = logging.getLogger("webhooksub")

Actor = Callable[[Request], Any]

NAME = "webhooksub"
_DATABASE = "WEBHOOKSUB_DATABASE"
# They come from the app's configuration.
_NO_SETTINGS = ("url", "config")


class AppState:
    """Stands in `app.extensions`. Opens no database before it is asked for the dispatcher.

    Raises ConfigurationError naming every setting that is wrong.
    """

    def __init__(self, app: Flask, db: Any, actor: Actor | None, settings: dict[str, Any]) -> None:
        self._app, self._db, self._settings = app, db, settings
        self.actor = actor
        self._lock = threading.Lock()
        self._dispatcher: Dispatcher | None = None
        self._api: tuple[Dispatcher, SubscriptionApi] | None = None
        self._prepared = False
        _check_settings(settings)
        if db is not None and _DATABASE in app.config:
            raise ConfigurationError(
                f"app.config[{_DATABASE!r}] and db= both name the store: an event joins a "
                "transaction of db, so leave the former out"
            )
        self.config()
        self.database()

    def config(self) -> Config:
        """Of the environment and, over it, of `app.config`."""
        given = {
            name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
            for name, value in self._app.config.items()
            if name.startswith(ENVIRONMENT_PREFIX) and name != _DATABASE
        }
        return Config.from_env().replace(**given)

    def database(self) -> str:
        """The URL of the store."""
        if self._db is not None:
            return self.engine().url.render_as_string(hide_password=False)
        url = self._app.config.get(_DATABASE)
        if not isinstance(url, str) or not url:
            raise ConfigurationError(
                f"app.config[{_DATABASE!r}] must be the store's URL, or db= be given"
            )
        return url

    def engine(self) -> Engine:
        """The default one of `db`."""
        with self._app.app_context():
            try:
                engine: Engine = self._db.engine
            except RuntimeError:
                raise ConfigurationError(
                    "db.init_app(app) comes before that of Webhooksub"
                ) from None
            return engine

    @property
    def catalog(self) -> catalogs.Catalog:
        found: catalogs.Catalog = self._settings.get("catalog", catalogs.SIDEDRAWER)
        return found

    @property
    def dispatcher(self) -> Dispatcher:
        """Made at the first use, on whichever thread that is."""
        with self._lock:
            if self._dispatcher is None:
                self._dispatcher = Dispatcher(
                    self.database(), config=self.config(), **self._given()
                )
            return self._dispatcher

    def prepare(self) -> None:
        """Makes the store before the first transaction of `db`, which is not to suffer."""
        if not self._prepared:
            try:
                _ = self.dispatcher
            except WebhooksubError as error:
                log.warning("publishing will fail: %s", error, extra=about("publishing_will_fail"))
            self._prepared = True

    def _given(self) -> dict[str, Any]:
        """The settings, with what is called in the background made to find the app."""
        given = dict(self._settings)
        if given["authorizer"] is not allow_all:
            given["authorizer"] = AuthorizerOfApp(self._app, given["authorizer"])
        if (tell := given.get("on_operator_event")) is not None:
            given["on_operator_event"] = told_in_context(self._app, tell)
        return given

    @property
    def api(self) -> SubscriptionApi:
        """Of the dispatcher, and made with it."""
        dispatcher = self.dispatcher
        with self._lock:
            if self._api is None or self._api[0] is not dispatcher:
                self._api = (dispatcher, SubscriptionApi(dispatcher))
            return self._api[1]

    def check_mountable(self) -> None:
        """As the API's own, before there is a dispatcher. Raises ConfigurationError."""
        open_to_all = self._settings["authorizer"] is allow_all and self._settings.get("dev")
        if self.actor is None and not open_to_all:
            raise ConfigurationError(
                "actor: give init_app a callable that says who asks; only allow_all with "
                "dev=True needs none"
            )

    def session(self) -> Any:
        """The session that is open here, None without `db`."""
        session = None if self._db is None else self._db.session
        return session() if isinstance(session, scoped_session) else session

    def close(self) -> None:
        with self._lock:
            dispatcher, self._dispatcher = self._dispatcher, None
        if dispatcher is not None:
            dispatcher.close()


def state_of(app: Flask) -> AppState:
    """Raises ConfigurationError where the app has none."""
    try:
        state: AppState = app.extensions[NAME]
    except KeyError:
        raise ConfigurationError(f"{app.name} has no Webhooksub: call init_app") from None
    return state


def current_state() -> AppState:
    """Of the current app."""
    return state_of(current_app)


def _check_settings(settings: dict[str, Any]) -> None:
    known = [n for n in inspect.signature(Dispatcher).parameters if n not in _NO_SETTINGS]
    problems = [f"{name}: no such setting" for name in settings if name not in known]
    if "authorizer" not in settings:
        problems.append("authorizer: is missing; it answers who may subscribe")
    if problems:
        raise ConfigurationError("; ".join(sorted(problems)))
