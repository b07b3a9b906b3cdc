"""Events for sockets, from the engine to whatever transport the host has for them.

::

    engine ──take_events──▶ SocketDelivery ──send──▶ transport ──▶ each connection of the owner
       ▲                                                                   │
       └──────────answer_event──── SUCCESS ◀──────── acknowledged ◀────────┘

The engine sends them in the same turn, under the same limits and with the same retries as
requests by HTTP: it only does not know how. Who is not connected is answered NOT_CONNECTED;
what waits for him becomes due when he comes.
"""

import json
import logging
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from . import _core
from .config import SocketConfig
from .errors import StoreUnavailable
from .events import Outcome
from .hostcalls import join_or_leave
from .logs import about
from .store.base import Store
from .subscribing import SOCKET_ORIGIN

log = logging.getLogger("webhooksub")

# Taken from the engine at once: their owners are looked up together.
_TAKEN_MAX = 256
# Who came is looked for so often; in this process it is told.
_LOOK_MS = 250
# Who came within this time is told again at each look: what says that he is absent may
# still be on its way to the engine and the store.
_CAME_MS = 60_000
# Of those who came so many are looked after between two lots of events.
_WELCOMED_MAX = 100
# Owners remembered as absent, the last ones: another is found by the engine's own probe.
_ABSENT_MAX = 100_000

Cancel = Callable[[], None]
_Event = tuple[int, str, str, bytes]  # as Engine.take_events gives it


class SocketTransport(Protocol):
    """What sends one event to one connection, of whichever process. Any thread."""

    def start(self) -> None:
        """Before the first send, when a dispatcher starts. Raises ConfigurationError."""

    def send(
        self, sid: str, event: str, notification: Any, acknowledged: Callable[[], None]
    ) -> Cancel | None:
        """Sends without waiting; `acknowledged` is called when the client says so, on any
        thread. What is answered forgets that, and is called once for each send; None: the
        connection is known to have ended."""

    def stop(self) -> None:
        """After the last send. Twice is fine."""


@dataclass(slots=True)
class _Sent:
    until: float
    cancels: list[Cancel] = field(default_factory=list)
    acknowledged: bool = False


class SocketDelivery:
    """One started dispatcher's thread for sockets. :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        store: Store,
        engine: _core.Engine,
        transport: SocketTransport,
        config: SocketConfig,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._engine, self._transport = store, engine, transport
        self._config, self._clock = config, clock
        self._lock = threading.Lock()
        self._sent: dict[int, _Sent] = {}  # by ticket; under the lock
        self._order: deque[int] = deque()  # tickets, the oldest first
        self._absent: OrderedDict[str, None] = OrderedDict()
        self._known: set[str] | None = None  # who had come at the last look
        self._told: OrderedDict[str, None] = OrderedDict()  # that they came, and not welcomed yet
        self._look_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooksub-sockets", daemon=True)

    def start(self) -> None:
        """Raises ConfigurationError."""
        self._transport.start()
        self._thread.start()

    def stop(self) -> None:
        """After the engine has closed: nothing can be acknowledged any more. A transport that
        does not return is left behind."""
        self._stopping.set()
        self._engine.wake_events()
        join_or_leave(self._thread)

    def wake(self) -> None:
        """Somebody came: looks at once. Any thread."""
        self._look_at = 0.0
        self._engine.wake_events()

    # --- on its thread ---------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except StoreUnavailable as error:
                log.warning("sockets wait for the store: %s", error, extra=about("sockets_wait"))
                self._stopping.wait(_LOOK_MS / 1_000)
            except Exception:
                log.exception("events for sockets wait", extra=about("sockets_defect"))
                self._stopping.wait(_LOOK_MS / 1_000)
        try:
            self._transport.stop()
        except Exception:
            facts = about("sockets_defect")
            log.exception("the transport of sockets did not stop", extra=facts)

    def _turn(self) -> None:
        events = self._engine.take_events(_TAKEN_MAX, 0 if self._told else _LOOK_MS)
        if events:
            self._send_all(events)
        if self._stopping.is_set():  # and perhaps the store is closed
            return
        self._forget_overdue()
        if monotonic() >= self._look_at:
            self._look_at = monotonic() + _LOOK_MS / 1_000
            self._look_who_came()
        self._welcome()

    def _send_all(self, events: Sequence[_Event]) -> None:
        owners = {origin.removeprefix(SOCKET_ORIGIN) for _, origin, _, _ in events}
        try:
            found = self._store.listeners.of(owners, since=self._since())
        except BaseException:
            for ticket, *_ in events:
                self._answer(ticket, Outcome.LOCAL_ERROR)
            raise
        for ticket, origin, event, body in events:
            owner = origin.removeprefix(SOCKET_ORIGIN)
            sids = found.get(owner, [])
            if not sids:
                self._answer(ticket, Outcome.NOT_CONNECTED)
            if sids and self._send(ticket, sids, event, body):
                self._absent.pop(owner, None)
            else:
                self._note_absent(owner)

    def _send(self, ticket: int, sids: Sequence[str], event: str, body: bytes) -> bool:
        """To every connection: the first acknowledgement counts. False: all have ended."""
        notification = json.loads(body, parse_float=_parse_float)
        sent = _Sent(monotonic() + self._config.socket_ack_ms / 1_000)
        with self._lock:
            self._sent[ticket] = sent
            self._order.append(ticket)
        failed = gone = 0
        for sid in sids:
            try:
                cancel = self._transport.send(
                    sid, event, notification, lambda: self._acknowledge(ticket)
                )
            except Exception:
                facts = about("socket_not_sent")
                log.exception("an event could not be sent to a socket", extra=facts)
                failed += 1
            else:
                if cancel is None:
                    gone += 1
                else:
                    self._keep(sent, cancel)
        if failed + gone == len(sids):
            self._answer(ticket, Outcome.LOCAL_ERROR if failed else Outcome.NOT_CONNECTED)
            self._forget(ticket)
        return gone < len(sids)

    def _keep(self, sent: _Sent, cancel: Cancel) -> None:
        with self._lock:
            sent.cancels.append(cancel)
            late = sent.acknowledged
        if late:
            cancel()

    def _acknowledge(self, ticket: int) -> None:
        """On any thread."""
        self._answer(ticket, Outcome.SUCCESS)
        self._forget(ticket)

    def _answer(self, ticket: int, outcome: Outcome) -> None:
        self._engine.answer_event(ticket, int(outcome))

    def _forget(self, ticket: int) -> None:
        with self._lock:
            sent = self._sent.pop(ticket, None)
            if sent is None:
                return
            sent.acknowledged = True
            cancels, sent.cancels = sent.cancels, []
        for cancel in cancels:
            cancel()

    def _forget_overdue(self) -> None:
        """The engine has given them up."""
        now = monotonic()
        while self._order:
            with self._lock:
                sent = self._sent.get(self._order[0])
            if sent is not None and sent.until > now:
                return
            self._forget(self._order.popleft())

    def _note_absent(self, owner: str) -> None:
        self._absent[owner] = None
        self._absent.move_to_end(owner)
        if len(self._absent) > _ABSENT_MAX:
            self._absent.popitem(last=False)

    def _look_who_came(self) -> None:
        """At first everybody who is there: what waits for them may be older than we are."""
        after = 0 if self._known is None else self._clock() - _CAME_MS
        came = self._store.listeners.came(after, since=self._since())
        new = came - (self._known or set())
        self._known = came
        self._told.update(dict.fromkeys(new | (came & self._absent.keys())))

    def _welcome(self) -> None:
        """Some of those who came: the others when the next events are sent."""
        for _ in range(min(_WELCOMED_MAX, len(self._told))):
            owner = next(iter(self._told))
            self._engine.reopen(SOCKET_ORIGIN + owner)
            self._store.free_origin(SOCKET_ORIGIN + owner)
            del self._told[owner]

    def _since(self) -> int:
        return self._clock() - self._config.socket_lease_ms


def _parse_float(text: str) -> float | str:
    """A number that no double holds would be written again as something that is no JSON."""
    number = float(text)
    return number if math.isfinite(number) else text
