"""The operations that look at what became of events, and deliver again."""

from collections.abc import Callable
from datetime import datetime

from ..dispatcher import Dispatcher
from ..errors import FieldError, ValidationError
from . import documents, facts
from .call import Call
from .exchange import ApiAnswer, json_answer


class LookingOperations:
    """By the ids of :data:`OPERATIONS`."""

    def __init__(self, hooks: Dispatcher) -> None:
        self._hooks = hooks
        self.by_id: dict[str, Callable[[Call], ApiAnswer]] = {
            "testWebhook": self.test,
            "listDeliveries": self.deliveries,
            "listAttempts": self.attempts,
            "replayDeliveries": self.replay,
            "explainWebhook": self.explain,
        }

    def test(self, call: Call) -> ApiAnswer:
        """An id is looked up as one even where it looks like a URL."""
        self._hooks.subscription(call.id, actor=call.actor)
        result = self._hooks.send_test(call.id, actor=call.actor)
        return json_answer(200, {"result": result.public})

    def deliveries(self, call: Call) -> ApiAnswer:
        page = self._hooks.delivery_page(
            call.id,
            actor=call.actor,
            state=call.one("state"),
            since=_moment(call, "since"),
            until=_moment(call, "until"),
            cursor=call.one("cursor"),
            limit=call.limit(),
        )
        rows = [documents.delivery(row) for row in page.items]
        return json_answer(200, documents.page(page, rows, call.link))

    def attempts(self, call: Call) -> ApiAnswer:
        event = call.parameters["eventId"]
        rows = self._hooks.attempts(event, call.id, actor=call.actor)
        return json_answer(200, documents.whole([documents.attempt(row) for row in rows]))

    def replay(self, call: Call) -> ApiAnswer:
        self._hooks.subscription(call.id, actor=call.actor)
        fields = facts.Fields(facts.read_object(call.body))
        event = fields.text("eventId")
        since, until = fields.moment("since"), fields.moment("until")
        if event is None and since is None and not fields.mistakes:
            fields.refuse("", "required", "eventId or since is required")
        if event is not None and (since is not None or until is not None):
            fields.refuse("eventId", "conflict", "goes without since and until")
        fields.end()
        count = self._hooks.replay(
            subscription=call.id, event=event, since=since, until=until, actor=call.actor
        )
        return json_answer(202, {"replayed": count})

    def explain(self, call: Call) -> ApiAnswer:
        self._hooks.subscription(call.id, actor=call.actor)
        paths, action = call.query.get("path", []), call.one("action")
        event = call.one("event")
        missing = [n for n, v in (("path", paths), ("action", action)) if not v]
        if missing and event is None:
            raise ValidationError(
                FieldError(n, "required", "is required without event") for n in missing
            )
        [found] = self._hooks.explain(
            paths or None, action, subscription=call.id, event=event, actor=call.actor
        )
        return json_answer(200, documents.explanation(found))


def _moment(call: Call, name: str) -> datetime | None:
    text = call.one(name)
    if text is None:
        return None
    found = facts.read_moment(text)
    if found is None:
        raise ValidationError.of(name, "format", "must be an RFC 3339 date-time with offset")
    return found
