"""Defects put in on purpose, to show that the contract's checks can fail. None stands in the
product's files."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

from world import MEMBER

from webhooksub.api import ApiAnswer, ApiRequest, SubscriptionApi
from webhooksub.claims import Caller


def drop_404_check() -> Any:
    """What is another's is refused as such, which tells that it is there."""
    real = SubscriptionApi.answer

    def answer(self: SubscriptionApi, request: ApiRequest) -> ApiAnswer:
        found = real(self, request)
        parts = request.path.split("/")
        if found.status != 404 or len(parts) < 3 or not _exists(self, parts[2]):
            return found
        body = found.body.replace(b"404", b"403").replace(b"Not Found", b"Forbidden")
        return ApiAnswer(403, found.headers, body)

    return patch.object(SubscriptionApi, "answer", answer)


def _exists(api: SubscriptionApi, id_: str) -> bool:
    member = Caller(MEMBER, frozenset())
    as_member = ApiRequest("GET", f"/webhooks/{id_}", "", {}, b"", member)
    return _ANSWER(api, as_member).status == 200


_ANSWER = SubscriptionApi.answer
SABOTAGES = {"drop-404-check": drop_404_check}


def put_in() -> AbstractContextManager[Any]:
    """The one that the environment names, for as long as the context lasts."""
    name = os.environ.get("SABOTAGE")
    if not name:
        return nullcontext()
    if name not in SABOTAGES:
        sys.exit(f"SABOTAGE={name}: one of {', '.join(SABOTAGES)}")
    made: AbstractContextManager[Any] = SABOTAGES[name]()
    return made
