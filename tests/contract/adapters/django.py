"""The API among the views of a Django project, on the standard library's WSGI server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from werkzeug.serving import WSGIRequestHandler, make_server
from world import CONFIG, actor_of, members

from webhooksub import Dispatcher


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """The terminal is schemathesis' own."""


def actor(request: Any) -> Any:
    return actor_of(request.headers.get("authorization"))


@contextmanager
def serve(hooks: Dispatcher, folder: Path) -> Iterator[str]:
    """The address of the document, while it is served; the project publishes, `hooks` delivers."""
    urls = ModuleType("urls")
    urls.urlpatterns = [path("api/", include("webhooksub.contrib.django.urls"))]  # type: ignore
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "hooks.db"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA wal_autocheckpoint=0"},
    }
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": database},
        INSTALLED_APPS=["webhooksub.contrib.django"],
        ROOT_URLCONF=urls,
        WEBHOOKSUB={"authorizer": members, "actor": actor, "dev": True} | CONFIG,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    application = get_wsgi_application()
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, name="django")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/openapi.json"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
