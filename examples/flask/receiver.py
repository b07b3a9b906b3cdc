"""The customer's side: an HTTPS endpoint that believes nothing unsigned.

    RECEIVER_KEY=… python receiver.py CERTIFICATE KEY SEEN

prints its address, then a line for each notification that is verified and new.
"""

import os
import signal
import sys
from collections.abc import Sequence

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from webhooksub import Notification
from webhooksub.receiving import Receiving, SqliteSeen
from webhooksub.receiving.flask import receives


def create_app(key: str, seen: str) -> Flask:
    app = Flask(__name__)

    @app.post("/hook")
    @receives(Receiving(key, seen=SqliteSeen(seen)))
    def hook(notifications: Sequence[Notification]) -> tuple[str, int]:
        for notification in notifications:
            print(
                f"{notification.modification_type} {notification.resource_path} "
                f"{notification.data}",
                flush=True,
            )
        return "", 204

    return app


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """What matters is printed by the view."""


def main(certificate: str, key: str, seen: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = create_app(os.environ["RECEIVER_KEY"], seen)
    server = make_server(
        "localhost",
        0,
        app,
        threaded=True,
        request_handler=Quiet,
        ssl_context=(certificate, key),
    )
    print(f"https://localhost:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
