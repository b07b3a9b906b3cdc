"""What the API offers: every method and path, and which of them a request means."""

from dataclasses import dataclass
from typing import Final

from .problems import Refused, not_found


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `status` is its success; `query` the parameters that it knows;
    `body` and `answer` name schemas of the OpenAPI document."""

    method: str
    path: str
    operation_id: str
    summary: str
    status: int = 200
    answer: str | None = "Webhook"
    query: tuple[str, ...] = ()
    body: str | None = None
    body_required: bool = True
    conditional: bool = False  # obeys If-Match

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.strip("/").split("/"))


_ALL = "/webhooks"
_ONE = "/webhooks/{id}"

OPERATIONS: Final = (
    Operation("POST", _ALL, "createWebhook", "Subscribe", 201, "WrittenWebhook", body="Webhook"),
    Operation(
        "GET",
        _ALL,
        "listWebhooks",
        "List subscriptions, oldest first",
        answer="WebhookList",
        query=("resource", "status", "brandCode", "cursor", "limit"),
    ),
    Operation(
        "GET",
        _ALL + "/resources",
        "listResources",
        "List what can be subscribed to",
        answer="ResourceList",
    ),
    Operation("GET", _ONE, "getWebhook", "Read a subscription"),
    Operation(
        "PUT",
        _ONE,
        "replaceWebhook",
        "Replace a subscription; an absent key is kept",
        answer="WrittenWebhook",
        body="Webhook",
        conditional=True,
    ),
    Operation(
        "PATCH",
        _ONE,
        "updateWebhook",
        "Change some fields (RFC 7396)",
        answer="WrittenWebhook",
        body="WebhookPatch",
        conditional=True,
    ),
    Operation("DELETE", _ONE, "deleteWebhook", "Unsubscribe", 204, None, conditional=True),
    Operation(
        "POST",
        _ONE + "/pause",
        "pauseWebhook",
        "Pause: events are not matched until it is resumed",
        conditional=True,
    ),
    Operation(
        "POST",
        _ONE + "/resume",
        "resumeWebhook",
        "Make active again, also what was disabled",
        conditional=True,
    ),
    Operation(
        "POST",
        _ONE + "/renew",
        "renewWebhook",
        "Give another expiration date",
        body="Renewal",
        conditional=True,
    ),
    Operation(
        "POST",
        _ONE + "/test",
        "testWebhook",
        "Send a test notification and wait for the endpoint's answer",
        answer="TestResult",
    ),
    Operation(
        "POST",
        _ONE + "/rotate-secret",
        "rotateSecret",
        "Change the key; the old one signs beside it for a while",
        answer="RotatedSecret",
        body="Rotation",
        body_required=False,
        conditional=True,
    ),
    Operation(
        "GET",
        _ONE + "/deliveries",
        "listDeliveries",
        "List deliveries, the newest events' first",
        answer="DeliveryList",
        query=("state", "since", "until", "cursor", "limit"),
    ),
    Operation(
        "GET",
        _ONE + "/deliveries/{eventId}/attempts",
        "listAttempts",
        "List a delivery's failed attempts, and those behind a failed one",
        answer="AttemptList",
    ),
    Operation(
        "POST",
        _ONE + "/replay",
        "replayDeliveries",
        "Deliver again: one event, or all of a time, also those missed",
        202,
        "Replayed",
        body="Replay",
    ),
    Operation(
        "GET",
        _ONE + "/explain",
        "explainWebhook",
        "Why does, or did, it not hear a change?",
        answer="Explanation",
        query=("path", "action", "event"),
    ),
)


def find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation meant, and the parameters in its path. Raises Refused (404, 405).

    A path that is spelled out goes before one with a parameter in its place.
    """
    given = tuple(path.split("/"))[1:] if path.startswith("/") else ()
    fitting = [operation for operation in OPERATIONS if _fits(operation.segments, given)]
    if not fitting:
        raise not_found()
    spelled = min(operation.path.count("{") for operation in fitting)
    fitting = [operation for operation in fitting if operation.path.count("{") == spelled]
    wanted = "GET" if method == "HEAD" else method
    for operation in fitting:
        if operation.method == wanted:
            return operation, _parameters(operation.segments, given)
    allowed = {operation.method for operation in fitting}
    raise method_not_allowed(allowed)


def method_not_allowed(allowed: set[str]) -> Refused:
    if "GET" in allowed:
        allowed = allowed | {"HEAD"}
    return Refused(405, "this method is not offered here", ("allow", ", ".join(sorted(allowed))))


def _fits(template: tuple[str, ...], given: tuple[str, ...]) -> bool:
    return len(template) == len(given) and all(
        part.startswith("{") or part == segment
        for part, segment in zip(template, given, strict=True)
    )


def _parameters(template: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str]:
    pairs = zip(template, given, strict=True)
    return {part[1:-1]: segment for part, segment in pairs if part.startswith("{")}
