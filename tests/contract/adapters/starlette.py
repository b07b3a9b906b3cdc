"""The API as routes of a Starlette application on uvicorn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from served import Served
from starlette.applications import Starlette
from starlette.requests import Request
from world import actor_of

from webhooksub import Dispatcher
from webhooksub.claims import Caller
from webhooksub.contrib.starlette import webhook_routes


@contextmanager
def serve(hooks: Dispatcher, folder: Path) -> Iterator[str]:
    """The address of the document, while it is served."""

    async def actor(request: Request) -> Caller | None:
        return actor_of(request.headers.get("authorization"))

    with Served(Starlette(routes=webhook_routes(hooks, actor))) as service:
        yield service.url + "/openapi.json"
