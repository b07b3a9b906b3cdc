"""The API in a FastAPI application, held to the host's own document."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from served import Served
from world import actor_of

from webhooksub import Dispatcher
from webhooksub.claims import Caller
from webhooksub.contrib.fastapi import describe_webhooks, webhook_router

Token = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


@contextmanager
def serve(hooks: Dispatcher, folder: Path) -> Iterator[str]:
    """The address of the document, while it is served."""

    def actor(token: Token) -> Caller | None:
        return None if token is None else actor_of(f"{token.scheme} {token.credentials}")

    app = FastAPI(title="A host")
    app.include_router(webhook_router(hooks, actor), prefix="/api/v1")
    describe_webhooks(app, hooks)
    with Served(app) as service:
        yield service.url + "/openapi.json"
