"""An endpoint made with one of the frameworks, served on a port that the kernel chose.

Run as a program, with the framework's name and a folder; prints the port. Its paths are named
for what the view does there; the view answers with the ids that it was shown.
"""

import json
import os
import socketserver
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import flask
import uvicorn
from acme import KEY
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path as route
from fastapi import FastAPI, HTTPException, Response

from webhooksub import Notification
from webhooksub.receiving import CacheSeen, Receiving, SqliteSeen
from webhooksub.receiving import django as for_django
from webhooksub.receiving import fastapi as for_fastapi
from webhooksub.receiving import flask as for_flask

#: Less than the frameworks' own limits, so that ours is the one that is seen.
BODY_MAX = 100_000
entered, released = threading.Event(), threading.Event()


def view(path: str, notifications: Sequence[Notification]) -> tuple[int, str]:
    if path == "raise":
        raise RuntimeError("the view failed")
    if path == "slow":
        entered.set()
        released.wait(30)
    return 500 if path == "refuse" else 200, json.dumps([n.id for n in notifications])


def receiving(folder: Path) -> Receiving:
    return Receiving(KEY, seen=SqliteSeen(folder / "seen.db"), body_max=BODY_MAX)


def release() -> str:
    released.set()
    return ""


def flask_app(folder: Path) -> Any:
    app = flask.Flask(__name__)

    @app.post("/<path>")
    @for_flask.receives(receiving(folder))
    def hook(notifications: Sequence[Notification], path: str) -> tuple[str, int]:
        status, body = view(path, notifications)
        return body, status

    app.get("/entered")(lambda: str(entered.is_set()))
    app.get("/release")(release)

    return app


def django_urls(asynchronous: bool) -> None:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    )
    decorate = for_django.receives(Receiving(KEY, seen=CacheSeen(cache), body_max=BODY_MAX))

    def sync_hook(
        request: HttpRequest, notifications: Sequence[Notification], path: str
    ) -> HttpResponse:
        status, body = view(path, notifications)
        return HttpResponse(body, status=status)

    async def async_hook(
        request: HttpRequest, notifications: Sequence[Notification], path: str
    ) -> HttpResponse:
        run = sync_to_async(view, thread_sensitive=False)
        status, body = await run(path, notifications)
        return HttpResponse(body, status=status)

    hook = decorate(async_hook if asynchronous else sync_hook)
    globals()["urlpatterns"] = [
        route("entered", lambda _: HttpResponse(str(entered.is_set()))),
        route("release", lambda _: HttpResponse(release())),
        route("<path>", hook),
    ]


def django_app(folder: Path) -> Any:
    django_urls(asynchronous=False)
    return get_wsgi_application()


def django_async_app(folder: Path) -> Any:
    django_urls(asynchronous=True)
    return get_asgi_application()


def fastapi_app(folder: Path) -> Any:
    app = FastAPI()
    dependency = for_fastapi.receives(receiving(folder))

    app.get("/entered")(lambda: entered.is_set())
    app.get("/release")(release)

    @app.post("/{path}")
    def hook(path: str, notifications: Annotated[tuple[Notification, ...], dependency]) -> Response:
        status, body = view(path, notifications)
        if status >= 400:
            raise HTTPException(status)
        return Response(body, status)

    return app


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Threading(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


def serve_wsgi(app: Any) -> None:
    with make_server("127.0.0.1", 0, app, Threading, Quiet) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


def serve_asgi(app: Any) -> None:
    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)

    Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off")).run()


APPS = {
    "flask": (flask_app, serve_wsgi),
    "django": (django_app, serve_wsgi),
    "django-async": (django_async_app, serve_asgi),
    "fastapi": (fastapi_app, serve_asgi),
}

if __name__ == "__main__":
    make, serve = APPS[sys.argv[1]]
    os.environ["PYTHONWARNINGS"] = "error"
    serve(make(Path(sys.argv[2])))
