"""``python -m drawers serve`` and ``python -m drawers member PERSON TENANT``."""

import argparse
import asyncio
import os
import secrets

import uvicorn

from .app import make_app
from .database import make_tables, open_engine, sessions_of
from .models import Member, digest_of
from .settings import DATABASE


async def add_member(person: str, tenant: str) -> str:
    """A new member's bearer token, which is shown this once."""
    token = secrets.token_urlsafe(24)
    engine = open_engine(DATABASE)
    await make_tables(engine)
    async with sessions_of(engine)() as session, session.begin():
        session.add(Member(person=person, tenant=tenant, token_digest=digest_of(token)))
    await engine.dispose()
    return token


def main() -> None:
    parser = argparse.ArgumentParser(prog="drawers")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--publish-only", action="store_true", help="a `webhooksub worker` delivers")
    member = commands.add_parser("member")
    member.add_argument("person")
    member.add_argument("tenant")
    options = parser.parse_args()
    os.umask(0o077)  # the file holds the subscribers' keys
    if options.command == "member":
        print(asyncio.run(add_member(options.person, options.tenant)))
    else:
        app = make_app(DATABASE, deliver=not options.publish_only)
        uvicorn.run(app, port=options.port)


if __name__ == "__main__":
    main()
