"""A dispatcher in a process of its own, led by hand: stopped, resumed, killed, asked.

:class:`Hand` starts it; run as a program, this file obeys, a line of JSON for each command.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from led import Led

from webhooksub import Dispatcher, OperatorEvent, allow_all
from webhooksub.delivering import DeliveryLoop

RESOURCE = "tenant/acme/sidedrawer/s1/record"

SETTINGS: dict[str, Any] = {
    "heartbeat_ms": 200,
    "lease_ms": 1_000,
    "poll_ms": 50,
    "retry_steps_ms": (100,),
    "retry_jitter": 0,
    "connect_timeout_ms": 20_000,
    "total_timeout_ms": 30_000,
}


class Hand(Led):
    """A started dispatcher. `environ` is added to its environment."""

    def __init__(
        self, database: Path, ca_pem: bytes, environ: dict[str, str] | None = None, **config: Any
    ) -> None:
        settings = {"database": str(database), "ca": ca_pem.decode(), "config": SETTINGS | config}
        super().__init__(__file__, settings, environ)
        self.started = self._read() == "ready\n"

    def publish(self, *numbers: int, **fields: Any) -> None:
        """Events with these numbers in their data. Returns when they are acknowledged."""
        self._ask("publish", events=[{"n": n} | fields for n in numbers])

    def flush(self, timeout: float = 20) -> bool:
        """Whether nothing was left to do."""
        return bool(self._ask("flush", timeout=timeout))

    def stats(self) -> dict[str, Any]:
        return dict(self._ask("stats"))

    def told(self) -> list[str]:
        """Kinds of what the operator was told so far."""
        return list(self._ask("told"))

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def dies(self, seconds: float) -> bool:
        """Whether it ends by itself, killed, within the time."""
        try:
            return self._process.wait(seconds) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False

    def close(self) -> None:
        """Ends it, as a service is ended. Twice is fine."""
        if self._process.poll() is None:
            self.resume()
        super().close()

    def _ask(self, command: str, **arguments: Any) -> Any:
        self._say({"command": command} | arguments)
        line = self._read()
        if not line:
            raise RuntimeError("it ended")
        return json.loads(line)


# --- In the process ------------------------------------------------------------------


def killed_by(data: bytes) -> Any:
    """An event with such data ends the process when the engine is to have it."""
    real = DeliveryLoop._push

    def push(self: Any, events: Any) -> None:
        if any(data in (event[5] or b"") for event in events):
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, events)

    return patch.object(DeliveryLoop, "_push", push)


class Obedience:
    def __init__(self, hooks: Dispatcher, told: list[str]) -> None:
        self._hooks, self._told = hooks, told

    def publish(self, events: list[dict[str, Any]]) -> int:
        path = f"{RESOURCE}/r1"
        return len(self._hooks.publish_many([(path, "update", data) for data in events]))

    def flush(self, timeout: float) -> bool:
        return self._hooks.flush(timeout=timeout).complete

    def stats(self) -> dict[str, Any]:
        return self._hooks.stats()

    def told(self) -> list[str]:
        return self._told


@contextlib.contextmanager
def opened(settings: dict[str, Any]) -> Iterator[Obedience]:
    told: list[str] = []

    def tell(event: OperatorEvent) -> None:
        told.append(event.kind)

    hooks = Dispatcher(
        f"sqlite:///{settings['database']}",
        authorizer=allow_all,
        dev=True,
        ca_pem=settings["ca"].encode(),
        config=settings["config"],
        on_operator_event=tell,
    )
    with hooks:
        yield Obedience(hooks, told)


def main() -> None:
    settings = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.ERROR)
    with killed_by(b'"kills":true'), opened(settings) as obedience:
        print("ready", flush=True)
        for line in sys.stdin:
            question = json.loads(line)
            act: Callable[..., Any] = getattr(obedience, question.pop("command"))
            print(json.dumps(act(**question)), flush=True)


if __name__ == "__main__":
    main()
