"""A WSGI service: every request is a child's work, told as JSON. For gunicorn and uWSGI.

Where the server loads it before it forks, what is made here is the parent's.
"""

import json
from collections.abc import Callable, Iterable
from os import environ
from typing import Any

import host

hooks = host.open_dispatcher()
if environ.get("FORK_STARTED"):
    hooks.start()
    host.publish(hooks, "parent", 1)
    hooks.flush(timeout=30)


def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = json.dumps(host.work_as_child(hooks)).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]
