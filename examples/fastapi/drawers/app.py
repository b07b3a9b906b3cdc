"""The application: the service's routes, webhooksub's, and a lifespan around both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from webhooksub import Dispatcher
from webhooksub.contrib.fastapi import describe_webhooks, lifespan, webhook_router

from .database import make_tables, open_engine, sessions_of
from .people import Members, current_person
from .routes import router


def make_app(database: Path, *, deliver: bool = True) -> FastAPI:
    """`deliver` False: its events wait in the file for a `webhooksub worker`."""
    hooks = Dispatcher(f"sqlite:///{database}", authorizer=Members(database))

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        engine = open_engine(database)
        await make_tables(engine)
        app.state.hooks, app.state.sessions = hooks, sessions_of(engine)
        yield
        await engine.dispose()

    app = FastAPI(title="Drawers", lifespan=lifespan(hooks, own, deliver=deliver))
    app.include_router(router)
    app.include_router(webhook_router(hooks, current_person, tags=["webhooks"]))
    describe_webhooks(app, hooks)
    return app
