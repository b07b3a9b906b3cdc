"""A dispatcher in a process of its own, for what depends on a process' environment.

``Apart`` starts it and asks; run as a program, this file answers, a line of JSON each.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from led import Led

from webhooksub import ConfigurationError, Dispatcher, Subscription, allow_all

# Not the settings of tests/hostile/conftest.py: what is retried is to be seen at its end.
QUICK = {"poll_ms": 30, "connect_timeout_ms": 3_000, "total_timeout_ms": 4_000}


class Apart(Led):
    """A started dispatcher that is not open to loopback, and subscriptions of its own.

    `config` are flat settings; `ca_pem` is trusted besides the machine's authorities. Raises
    RuntimeError with the message when it does not start.
    """

    def __init__(
        self,
        *,
        ca_pem: bytes = b"",
        environ: Mapping[str, str] | None = None,
        **config: Any,
    ) -> None:
        settings = {"config": QUICK | config, "ca_pem": ca_pem.decode()}
        super().__init__(__file__, settings, environ)
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def deliver(self, url: str, **fields: Any) -> dict[str, Any]:
        """Publishes to one subscription with this URL, made at the first time.

        Answers ``outcome``, ``status``, ``attempts`` and ``duration_ms`` of the delivery.
        """
        return self._ask({"url": url, "fields": {"max_retries": 0} | fields})

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        self._say(question)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._read()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def main() -> None:
    settings = json.loads(sys.argv[1])
    hooks = Dispatcher.in_memory(
        authorizer=allow_all,
        config=settings["config"],
        ca_pem=settings["ca_pem"].encode() or None,
    )
    try:
        hooks.start()
    except ConfigurationError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    answer(hooks)
    hooks.close(grace=0)


def answer(hooks: Dispatcher) -> None:
    subscriptions: dict[str, tuple[str, str]] = {}
    print("{}", flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        url = question["url"]
        if url not in subscriptions:
            resource = f"tenant/acme/sidedrawer/s{len(subscriptions)}/record"
            # The value is made as if for development: what is refused at subscribe already
            # must be refused at the connection as well.
            value = Subscription(
                resource=resource,
                modification_type="any",
                notification_url=url,
                expires=datetime.now(UTC) + timedelta(days=1),
                dev=True,
                **question["fields"],
            )
            subscriptions[url] = resource, hooks.subscribe(value).id
        resource, id_ = subscriptions[url]
        event = hooks.publish(resource + "/r1", "update", {"n": 1})
        hooks.flush(timeout=15)
        print(json.dumps(describe(hooks, event.id, id_)), flush=True)


def describe(hooks: Dispatcher, event: str, subscription: str) -> dict[str, Any]:
    [found] = hooks.deliveries(event=event, subscription=subscription)
    assert found.outcome is not None
    return {
        "outcome": found.outcome.name,
        "status": found.http_status,
        "attempts": found.attempts,
        "duration_ms": found.duration_ms,
    }


if __name__ == "__main__":
    main()
