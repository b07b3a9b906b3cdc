"""``webhooksub serve`` with two people to ask it as: ``make serve``.

A *member* belongs to the tenant acme, an *outsider* to another one. Their tokens are signed by
a secret that is made here; a real service takes those of its issuer (``--jwks-url``).
"""

import argparse
import os
import secrets
import sys
import time
from pathlib import Path

import jwt

ISSUER, AUDIENCE = "https://login.example.com/", "webhooks"
PEOPLE = {"MEMBER": ("ann", ["acme"]), "OUTSIDER": ("eve", ["other"])}
_DAY = 86_400

STEPS = """\
# In another terminal, in this folder:
{tokens}
curl -i -H "$MEMBER" -H 'Content-Type: application/json' \\
    -d @examples/subscription.json {url}/webhooks              # 201, and its id
ID=$(curl -s -H "$MEMBER" {url}/webhooks | python3 -c 'import json, sys; \\
    print(json.load(sys.stdin)["data"][0]["id"])')
curl -i -H "$OUTSIDER" {url}/webhooks/$ID                      # 404
curl -i -H "$OUTSIDER" {url}/webhooks/$(python3 -c 'import uuid; print(uuid.uuid4())')
                                                               # 404, the same bytes
curl -s -H "$OUTSIDER" {url}/webhooks                          # "totalCount":0
curl -s -H "$MEMBER" {url}/webhooks/$ID > ours.json
curl -i -X PUT -H "$MEMBER" -H 'Content-Type: application/json' \\
    -d @ours.json {url}/webhooks/$ID                           # 200, "hasIntegrityKey":true
# {url}/docs is the API, Ctrl-C ends this.
"""


def token_of(name: str, tenants: list[str], secret: str) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + _DAY}
    return jwt.encode(claims | {"sub": name, "tenants": tenants}, secret, algorithm="HS256")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="for the store and the secret")
    parser.add_argument("--port", type=int, default=8000)
    options, others = parser.parse_known_args()
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret, file = secrets.token_urlsafe(32), options.folder / "jwt.key"
    file.touch(0o600)
    file.write_text(secret)
    tokens = [
        f"{name}='Authorization: Bearer {token_of(*person, secret)}'"
        for name, person in PEOPLE.items()
    ]
    url = f"http://127.0.0.1:{options.port}"
    print(STEPS.format(tokens="\n".join(tokens), url=url), flush=True)
    command = [sys.executable, "-m", "webhooksub", "serve"]
    command += ["--listen", f"127.0.0.1:{options.port}"]
    command += ["--database", f"sqlite:///{options.folder / 'hooks.db'}"]
    command += ["--jwt-key-file", str(file), "--algorithm", "HS256"]
    command += ["--issuer", ISSUER, "--audience", AUDIENCE, *others]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
