"""Flask: an extension that publishes in the transaction of `db.session`.

::

    db = SQLAlchemy()
    hooks = Webhooksub(authorizer=authorizer, catalog=catalog)


    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db.init_app(app)
        hooks.init_app(app, db=db, actor=lambda request: g.user)
        app.register_blueprint(hooks.blueprint(), url_prefix="/api")
        return app

``hooks.publish(…)`` writes the event with the session: it exists if the session commits. One
extension serves any number of apps; each has a dispatcher of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from flask import Blueprint, Flask

from ...dispatcher import Dispatcher
from ...errors import ConfigurationError
from ...events import Event
from ..hostsqlite import set_up_sqlite
from .api import blueprint_of_app, webhook_blueprint
from .commands import make_commands
from .state import NAME, Actor, AppState, current_state

__all__ = ["SESSION", "Webhooksub", "webhook_blueprint"]


class _Session:
    def __repr__(self) -> str:
        return "SESSION"


#: Publish with the session of `db`, where the app has one: the default.
SESSION: Final = _Session()


class Webhooksub:
    """The extension. `settings` are those of :class:`~webhooksub.Dispatcher`: `authorizer`,
    `catalog`, `dev`, `json`, `clock`, `on_operator_event`, `ca_pem`; `app`, `db` and `actor`
    as for :meth:`init_app`.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        db: Any = None,
        actor: Actor | None = None,
        **settings: Any,
    ) -> None:
        self._settings = settings
        if app is not None:
            self.init_app(app, db=db, actor=actor)
        elif db is not None or actor is not None:
            raise ConfigurationError("db and actor belong to an app: give them to init_app")

    def init_app(
        self,
        app: Flask,
        *,
        db: Any = None,
        actor: Actor | None = None,
        **settings: Any,
    ) -> None:
        """Makes `app` one that offers webhooks, with the commands ``flask webhooksub …``.

        `db`: a Flask-SQLAlchemy extension that the app has already; its database is the store,
        and publishing joins its session. Without one ``WEBHOOKSUB_DATABASE`` names the store.
        `actor` answers who sent a request of the subscription API, None for nobody known.
        `settings` come over those of the extension.

        The other ``WEBHOOKSUB_…`` in `app.config` are the fields of
        :class:`~webhooksub.Config`. Raises ConfigurationError naming every one that is wrong.
        Opens no database.
        """
        if NAME in app.extensions:
            raise ConfigurationError("this app has a Webhooksub extension already")
        state = AppState(app, db, actor, self._settings | settings)
        if db is not None:
            set_up_sqlite(state.engine(), state.prepare)
        app.extensions[NAME] = state
        app.cli.add_command(make_commands())

    @property
    def dispatcher(self) -> Dispatcher:
        """The current app's, made at its first use; a publisher until it is started."""
        return current_state().dispatcher

    def close(self) -> None:
        """Ends the current app's dispatcher; the next use makes another."""
        current_state().close()

    def publish(
        self,
        path: str | Sequence[str],
        action: str,
        data: Any = None,
        *,
        open_id: str | None = None,
        idempotency_key: str | None = None,
        connection: Any = SESSION,
    ) -> Event:
        """:meth:`Dispatcher.publish` in the transaction of `db.session`.

        Without `db`, or with ``connection=None``, the event is durable when this returns.
        """
        state = current_state()
        return state.dispatcher.publish(
            path,
            action,
            data,
            open_id=open_id,
            idempotency_key=idempotency_key,
            connection=state.session() if connection is SESSION else connection,
        )

    def publish_many(
        self, items: Iterable[Sequence[Any]], *, connection: Any = SESSION
    ) -> Sequence[Event]:
        """:meth:`Dispatcher.publish_many`, joining as :meth:`publish` does."""
        state = current_state()
        joined = state.session() if connection is SESSION else connection
        return state.dispatcher.publish_many(items, connection=joined)

    def blueprint(self, name: str = NAME, *, pages: bool = True) -> Blueprint:
        """The subscription API, for ``app.register_blueprint(…, url_prefix=…)`` after
        :meth:`init_app`; `pages` as for :func:`webhook_blueprint`.

        Raises ConfigurationError there, where the app has no `actor`.
        """
        return blueprint_of_app(name, pages)
