"""The web process: the subscription API, the clients' sockets, and a page that listens.

uvicorn web:app --port 8000
"""

import os
from pathlib import Path

from service import make_hooks, who
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from webhooksub.contrib.socketio.asgi import socket_app
from webhooksub.contrib.starlette import lifespan, webhook_routes

HERE = Path(__file__).parent
CLIENT = Path(os.environ.get("CLIENT", HERE)) / "node_modules/socket.io-client/dist"

hooks, sockets = make_hooks()


async def page(request: Request) -> Response:
    return FileResponse(HERE / "page.html")


async def client(request: Request) -> Response:
    return FileResponse(CLIENT / "socket.io.min.js")


async def change(request: Request) -> Response:
    """Something happened to a drawer of the tenant that asks."""
    tenant, number = who(request), request.path_params["n"]
    if tenant is None:
        return Response(status_code=401)
    path = hooks.catalog.path(
        "tenant/{tenantId}/sidedrawer/{sidedrawerId}", tenantId=tenant, sidedrawerId=f"s{number}"
    )
    await hooks.apublish(path, "update", {"n": number})
    return Response(status_code=204)


routes = [
    Route("/", page),
    Route("/socket.io.min.js", client),
    Route("/changes/{n:int}", change, methods=["POST"]),
    *webhook_routes(hooks, who),
]
app = socket_app(
    sockets, hooks, who, Starlette(routes=routes, lifespan=lifespan(hooks, deliver=False))
)
