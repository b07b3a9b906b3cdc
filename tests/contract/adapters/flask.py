"""The API as a blueprint of a Flask app, on Werkzeug's server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask, Request
from werkzeug.serving import WSGIRequestHandler, make_server
from world import actor_of

from webhooksub import Dispatcher
from webhooksub.claims import Caller
from webhooksub.contrib.flask import webhook_blueprint


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """The terminal is schemathesis' own."""


@contextmanager
def serve(hooks: Dispatcher, folder: Path) -> Iterator[str]:
    """The address of the document, while it is served."""

    def actor(request: Request) -> Caller | None:
        return actor_of(request.headers.get("authorization"))

    app = Flask(__name__)
    app.register_blueprint(webhook_blueprint(hooks, actor), url_prefix="/api/v1")
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, name="flask")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1/openapi.json"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
