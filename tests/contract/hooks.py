"""What schemathesis is told of this API, and what it checks besides its own checks.

Loaded by schemathesis (``SCHEMATHESIS_HOOKS``). A rule that no schema can say is obeyed in
documents that are meant to be accepted, so that each refusal is a finding.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import EnsureResourceAvailability
from world import OUTSIDER, authorization_of

FUTURE = "2099-07-07T14:40:40-03:00"
KNOWN_PATH = "tenant/acme/sidedrawer/s1/record/r9"
SOME_URL = "https://example.com/hook"
SOME_TEXT = "a text of more than 24 bytes"
# A host's name may have 253 bytes.
_URL_MAX = 200
_BYTES_MAX = 256
_HOUR = timedelta(hours=1)
# What differs between two answers whatever they say.
_ANY = {"date"}


# --- What no schema says -------------------------------------------------------------


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Without `default` an answer of any other status is a finding."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            operation["responses"].pop("default", None)


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    if isinstance(case.body, dict):
        _make_sensible(case.body)
    query = case.query = case.query or {}
    query.pop("cursor", None)  # one that no page gave
    if case.path.endswith("/explain"):
        query["path"] = [KNOWN_PATH]
        if "event" not in query:
            query.setdefault("action", "update")
    if "since" in query and "until" in query:
        query.pop("until")


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """An event that is made up is not there, whatever there is around it."""
    made_up = isinstance(case.body, dict) and "eventId" in case.body
    made_up = made_up or "eventId" in (case.path_parameters or {})
    return not (isinstance(failure, EnsureResourceAvailability) and made_up)


def _make_sensible(body: dict[str, Any]) -> None:
    """In the future; an action that every resource offers; bytes, where a schema counts
    characters."""
    if "expirationDateTime" in body and not _lies_ahead(body["expirationDateTime"]):
        body["expirationDateTime"] = FUTURE
    if "modificationType" in body:
        body["modificationType"] = "any"
    if len(body.get("notificationUrl", "")) > _URL_MAX:
        body["notificationUrl"] = SOME_URL
    for name in ("brandCode", "notificationMessages", "integrityKey"):
        if len((body.get(name) or "").encode()) > _BYTES_MAX:
            body[name] = SOME_TEXT
    if (body.get("integrityKey") or "").startswith("whsec_"):
        body["integrityKey"] = SOME_TEXT
    if "since" in body and "until" in body:
        body.pop("until")


def _lies_ahead(text: Any) -> bool:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return False
    return moment.tzinfo is not None and moment > datetime.now(UTC) + _HOUR


# --- What is checked besides ---------------------------------------------------------


@schemathesis.check
def what_is_not_yours_does_not_exist(context: CheckContext, response: Response, case: Case) -> None:
    """What a member is answered, an outsider is not: neither that it is there nor a count."""
    if not 200 <= response.status_code < 300:
        return
    if "id" in (case.path_parameters or {}):
        theirs = _as_outsider(response.request)
        id_ = str(case.path_parameters["id"])
        nobodys = _as_outsider(response.request, instead_of=id_)
        assert theirs == nobodys, f"it is there: {theirs} is not {nobodys}"
        assert theirs[0] == 404, theirs
    elif case.method == "GET" and not case.path.endswith("/resources"):
        status, _, body = _as_outsider(response.request)
        assert (status, b'"totalCount":0' in body) == (200, True), body


def _as_outsider(
    asked: requests.PreparedRequest, *, instead_of: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """The same request of somebody else, `instead_of` for an id that nothing has."""
    assert asked.url is not None and asked.method is not None
    url = asked.url if instead_of is None else asked.url.replace(instead_of, str(uuid.uuid4()))
    headers = dict(asked.headers) | {"Authorization": authorization_of(OUTSIDER)}
    answer = requests.request(asked.method, url, headers=headers, data=asked.body, timeout=20)
    kept = {k.lower(): v for k, v in answer.headers.items() if k.lower() not in _ANY}
    return answer.status_code, kept, answer.content
