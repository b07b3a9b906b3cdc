"""The operations that read and change subscriptions."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ..dispatcher import Dispatcher
from ..errors import ValidationError
from ..events import SubscriptionInfo
from ..secret import SecretBytes
from . import documents, facts
from .call import Call
from .exchange import ApiAnswer, json_answer
from .problems import precondition_failed
from .schemas import OVERLAP_MAX_S


class SubscriptionOperations:
    """By the ids of :data:`OPERATIONS`."""

    def __init__(self, hooks: Dispatcher) -> None:
        self._hooks = hooks
        self.by_id: dict[str, Callable[[Call], ApiAnswer]] = {
            "createWebhook": self.create,
            "listWebhooks": self.list,
            "listResources": self.resources,
            "getWebhook": self.read,
            "replaceWebhook": self.replace,
            "updateWebhook": self.update,
            "deleteWebhook": self.delete,
            "pauseWebhook": self.pause,
            "resumeWebhook": self.resume,
            "renewWebhook": self.renew,
            "rotateSecret": self.rotate,
        }

    def create(self, call: Call) -> ApiAnswer:
        key = facts.idempotency_key(call.request.headers)
        value = self._hooks.parse(call.body)
        info = self._hooks.subscribe(value, actor=call.actor, idempotency_key=key)
        place = f"{call.request.base_path}/webhooks/{info.id}"
        return self._warned(201, info, ("location", place))

    def list(self, call: Call) -> ApiAnswer:
        page = self._hooks.subscription_page(
            actor=call.actor,
            resource=call.one("resource"),
            status=call.one("status"),
            brand_code=call.one("brandCode"),
            cursor=call.one("cursor"),
            limit=call.limit(),
        )
        rows = [documents.webhook(info) for info in page.items]
        return json_answer(200, documents.page(page, rows, call.link))

    def resources(self, call: Call) -> ApiAnswer:
        rows = documents.resources(self._hooks.catalog)
        return json_answer(200, documents.whole(rows))

    def read(self, call: Call) -> ApiAnswer:
        return _shown(self._hooks.subscription(call.id, actor=call.actor))

    def replace(self, call: Call) -> ApiAnswer:
        info = self._current(call)
        value = self._hooks.parse(call.body, replaces=call.id, actor=call.actor)
        changed = self._hooks.update(call.id, value, actor=call.actor, revision=info.revision)
        return self._warned(200, changed)

    def update(self, call: Call) -> ApiAnswer:
        info = self._current(call)
        merged = merge(documents.webhook(info), facts.read_object(call.body))
        value = self._hooks.parse(merged, replaces=call.id, actor=call.actor)
        changed = self._hooks.update(call.id, value, actor=call.actor, revision=info.revision)
        return self._warned(200, changed)

    def delete(self, call: Call) -> ApiAnswer:
        info = self._current(call)
        self._hooks.unsubscribe(call.id, actor=call.actor, revision=_revision(call, info))
        return ApiAnswer(204, (("cache-control", "no-store"),), b"")

    def pause(self, call: Call) -> ApiAnswer:
        revision = _revision(call, self._current(call))
        return _shown(self._hooks.pause(call.id, actor=call.actor, revision=revision))

    def resume(self, call: Call) -> ApiAnswer:
        revision = _revision(call, self._current(call))
        return _shown(self._hooks.resume(call.id, actor=call.actor, revision=revision))

    def renew(self, call: Call) -> ApiAnswer:
        info = self._current(call)
        fields = facts.Fields(facts.read_object(call.body))
        expires = fields.text("expirationDateTime", required=True)
        fields.end()
        assert expires is not None
        changed = self._hooks.update(
            call.id, actor=call.actor, revision=info.revision, expires=expires
        )
        return _shown(changed)

    def rotate(self, call: Call) -> ApiAnswer:
        """A key of the client's is not shown again; one that was made is, this once."""
        info = self._current(call)
        fields = facts.Fields(facts.read_object(call.body) if call.body else {})
        key = fields.text("integrityKey")
        seconds = fields.integer("overlapSeconds", 0, OVERLAP_MAX_S)
        fields.end()
        rotated = self._hooks.rotate_secret(
            call.id,
            actor=call.actor,
            integrity_key=key,
            overlap=None if seconds is None else timedelta(seconds=seconds),
            revision=_revision(call, info),
        )
        etag = documents.etag(rotated.subscription)
        return json_answer(200, documents.rotated(rotated), ("etag", etag))

    def _current(self, call: Call) -> SubscriptionInfo:
        """What is to be changed, as If-Match wants it. Raises NotFound, Refused (412)."""
        info = self._hooks.subscription(call.id, actor=call.actor)
        if not facts.satisfied(call.if_match, documents.etag(info)):
            raise precondition_failed()
        return info

    def _warned(self, status: int, info: SubscriptionInfo, *headers: tuple[str, str]) -> ApiAnswer:
        document = documents.webhook(info) | {"warnings": list(info.warnings)}
        return json_answer(status, document, ("etag", documents.etag(info)), *headers)


def _revision(call: Call, info: SubscriptionInfo) -> int | None:
    """Of what only one field is changed, the others may have changed meanwhile: but where the
    client said that it must not."""
    return None if call.if_match is None else info.revision


def _shown(info: SubscriptionInfo) -> ApiAnswer:
    return json_answer(200, documents.webhook(info), ("etag", documents.etag(info)))


def merge(document: dict[str, Any], patch: dict[str, Any]) -> bytes:
    """RFC 7396, but that a key, which no document shows, is cleared by null."""
    merged = _merged(document, patch)
    if "integrityKey" in patch:
        merged["integrityKey"] = patch["integrityKey"]
    try:
        return SecretBytes(json.dumps(merged, allow_nan=False).encode())
    except ValueError:
        raise ValidationError.of("", "json", "a number is too large") from None


def _merged(target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = _merged(merged.get(name), value)
        else:
            merged[name] = value
    return merged
