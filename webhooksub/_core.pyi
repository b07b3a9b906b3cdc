"""The C core, as Python sees it. Checked against the extension by mypy.stubtest."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, Self, TypeVar, final, overload

_Row = TypeVar("_Row", bound=tuple[Any, ...])

#: Name of the deliberate defect of a test build; "" in every other build.
SABOTAGE: Final[str]
#: Live keys of one subscription at most: what one signature header holds.
KEYS_MAX: Final[int]

def build_info() -> dict[str, str]:
    """Versions inside: ``curl`` (with its TLS library), ``cjson``, ``openssl``, ``compiler``."""

def uuid7(now_ms: int, /) -> bytes: ...
def uuid_text(uuid: bytes, /) -> str: ...
def uuid_bytes(text: str, /) -> bytes:
    """Raises ValueError when `text` is no UUID."""

def traceparent(event_id: bytes, /) -> str:
    """W3C Trace Context of an event: its id is the trace's, the parent span its last 8 bytes."""

def notification_id(event_id: bytes, subscription_id: bytes) -> str: ...
def render_notification(
    event: tuple[
        int,
        bytes,
        int,
        Sequence[str],
        str | None,
        bytes | None,
        int,
        int,
        Sequence[int] | None,
    ],
    path: int,
    subscription_id: bytes,
    subscription: Subscription,
) -> tuple[str, bytes]:
    """(webhook-id, body) of a delivery that is sent alone; an array of one where the
    subscription wants batches.

    The event is as for :meth:`Engine.push`, `path` an index of its paths. Raises ValueError.
    """

def check_json(data: bytes, max_depth: int = 64) -> None:
    """RFC 8259 syntax, UTF-8, depth, no trailing bytes. Raises ValidationError (field ``data``),
    ValueError for a `max_depth` beyond 1 to 128."""

def prepare_events(
    catalog: Catalog,
    items: tuple[Any, ...],
    row_type: type[_Row],
    one_by_one: Callable[[int], _Row | None],
    now_ms: int,
    data_max: int,
    /,
) -> NewEvents[_Row]:
    """The events of (path, action[, data bytes or None]) items.

    Where an item is not like that, or not valid, `one_by_one` is asked for it, by its index:
    a row, or None, and then there is none. `row_type` is a tuple of (id, root, action code,
    paths, open_id, data, None, None)."""

def number_events(
    rows: Sequence[Any], first_seq: int, published_at: int, revision: int, /
) -> Events:
    """Rows (as of :func:`prepare_events`) that were stored under numbers from `first_seq` on.
    Raises TypeError for another row."""

def join_events(*parts: Events) -> Events:
    """Those of all, in order."""

def check_url(url: str, *, dev: bool = False, ports: Sequence[int] = ()) -> str:
    """Its normal form: what may be subscribed. Raises ValidationError (field ``url``)."""

def decode_key(text: str, /) -> bytes:
    """Bytes of an integrityKey. Raises ValidationError without echoing it."""

def sign(
    keys: Sequence[bytes],
    id: str,
    timestamp: int,
    body: bytes,
    *,
    encoding: Literal["hex", "base64"] = "hex",
) -> tuple[str, str]:
    """``(integrityHash, webhook-signature)`` for a body; newest key first."""

def verify_integrity(keys: Sequence[bytes], given: str, body: bytes) -> None:
    """Raises VerificationError."""

def verify_standard(
    keys: Sequence[bytes],
    id: str,
    timestamp: str,
    signatures: str,
    body: bytes,
    *,
    now: int,
    tolerance: int = 300,
) -> None:
    """Raises VerificationError."""

def issue_certificate(names: str, days: int = 1) -> tuple[bytes, bytes, bytes]:
    """Throwaway authority, certificate and key as PEM, for demos and tests."""
@final
class Keyring:
    """Keys of (id, bytes), of which the first seals and all open. Immutable, any thread.

    What holds no keys seals nothing, and opens what is not sealed. Raises ConfigurationError
    naming the key. It cannot be pickled, and never shows a key.
    """

    def __new__(cls, keys: tuple[tuple[int, bytes], ...]) -> Self: ...
    @property
    def ids(self) -> tuple[int, ...]:
        """Of its keys, the one that seals first."""
    def seal(self, subscription_id: bytes, n: int, secret: bytes) -> bytes:
        """For this row alone. Raises ValidationError for a secret of 0 or above 256 bytes."""
    def open(self, subscription_id: bytes, n: int, sealed: bytes) -> bytes:
        """Raises KeyUnreadable."""
    def is_current(self, sealed: bytes, /) -> bool:
        """It is sealed as :meth:`seal` would."""
    def __reduce__(self) -> tuple[Any, ...]:
        """Raises TypeError."""

@final
class Catalog:
    """Table of resources and the entities each covers. Immutable, hashable, any thread.

    `rows` are ``(template, ((entity_template, ("create", "update", "delete")), ...))``.
    Raises ConfigurationError naming the row.
    """

    def __new__(cls, rows: Iterable[tuple[str, Iterable[tuple[str, Iterable[str]]]]]) -> Self: ...
    @classmethod
    def of(cls, *templates: str) -> Self:
        """Collection and item rows derived from entity templates."""
    @property
    def rows(self) -> tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]: ...
    def path(self, template: str, /, **parameters: str) -> str:
        """A path from a template; refuses ``/``, control characters and unknown names."""
    def check(self, paths: Sequence[str], /) -> str:
        """The root (``"tenant/acme"``) of an event's paths. ValidationError, UnknownResource."""
    def covers(self, resource: str, action: str, paths: Sequence[str], event_action: str) -> bool:
        """Would a subscription with `resource` and `action` hear this event?"""
    def actions(self, resource: str, /) -> tuple[str, ...]:
        """Actions that the row of this resource marks."""
    def _repr_html_(self) -> str: ...

@final
class Subscription:
    """What a customer asks for: immutable, checked, without identity.

    Raises ValidationError with every mistake at once. Never shows its key.
    """

    def __new__(
        cls,
        *,
        resource: str,
        modification_type: str,
        expires: datetime | str,
        notification_url: str | None = None,
        notification_messages: str | None = None,
        connection_type: str | None = None,
        brand_code: str | None = None,
        integrity_key: str | None = None,
        max_retries: int | None = None,
        delivery: Mapping[str, Any] | None = None,
        catalog: Catalog | None = None,
        now: datetime | None = None,
        dev: bool = False,
        ports: Sequence[int] = (),
        sockets: bool = False,
        integrity_header: str | None = None,
        max_lifetime_ms: int = 0,
    ) -> Self: ...
    @classmethod
    def from_json(
        cls,
        text: str | bytes,
        *,
        catalog: Catalog | None = None,
        now: datetime | None = None,
        current: Mapping[str, Any] | None = None,
        dev: bool = False,
        ports: Sequence[int] = (),
        sockets: bool = False,
        integrity_header: str | None = None,
        max_lifetime_ms: int = 0,
    ) -> Self:
        """`current`: server-made fields (id, owner, status, statusReason, createdAt,
        updatedAt, hasIntegrityKey) of the subscription that this document replaces."""
    @classmethod
    def _restore(cls, fields: tuple[Any, ...], catalog: Catalog, /) -> Self:
        """From the store's columns: (resource, action code, channel code, url, socket_event,
        expires_text, brand_code, max_retries, options json, key bytes | None)."""
    def to_json(self) -> str: ...
    def replace(self, **changes: Any) -> Self: ...
    @property
    def resource(self) -> str: ...
    @property
    def root(self) -> str: ...
    @property
    def modification_type(self) -> str: ...
    @property
    def connection_type(self) -> str: ...
    @property
    def notification_url(self) -> str | None: ...
    @property
    def notification_messages(self) -> str | None: ...
    @property
    def origin(self) -> str | None: ...
    @property
    def expires(self) -> datetime: ...
    @property
    def expires_text(self) -> str: ...
    @property
    def expires_at_ms(self) -> int: ...
    @property
    def brand_code(self) -> str | None: ...
    @property
    def max_retries(self) -> int | None: ...
    @property
    def delivery(self) -> dict[str, Any]: ...
    @property
    def has_integrity_key(self) -> bool: ...
    @property
    def key_change(self) -> Literal["absent", "cleared", "set"]:
        """What the document said about the key: a replacement keeps an absent one."""
    @property
    def warnings(self) -> tuple[str, ...]: ...
    def _key(self) -> bytes | None:
        """Key bytes for the store's secret table."""
    def _with_key(self, key: bytes | None, /) -> Self: ...
    def _repr_html_(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles without the key."""
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Self: ...

@final
class NewEvents(Sequence[_Row]):
    """Events that are to be stored: rows, each made when it is looked at. Any thread."""

    @property
    def data_bytes(self) -> int:
        """Of the data of all."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> _Row: ...
    @overload
    def __getitem__(self, index: slice, /) -> NewEvents[_Row]: ...

@final
class Events(Sequence[tuple[Any, ...]]):
    """Stored events: the rows that :meth:`Engine.push` takes, each with its root behind, made
    when it is looked at. Any thread."""

    def __new__(cls, rows: Sequence[tuple[Any, ...]], /) -> Self:
        """Raises TypeError, ValueError for a row that is none."""
    @property
    def data_bytes(self) -> int:
        """Of the data of all."""
    @property
    def revision(self) -> int:
        """Of subscriptions: the highest of all."""
    def seqs(self) -> list[int]: ...
    def find(self, id: bytes, /) -> tuple[Any, ...] | None:
        """The one with this id."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, index: slice, /) -> Events: ...

@final
class Outbox:
    """Events that are to be fanned out, by seq: a mapping to rows as those of :class:`Events`,
    the oldest first. Any thread."""

    def __new__(cls) -> Self: ...
    @property
    def data_bytes(self) -> int:
        """Of the data of all."""
    @property
    def oldest(self) -> tuple[Any, ...] | None: ...
    def add(self, events: Events, /) -> None:
        """Numbered above all that ever were here."""
    def take(self, done: Sequence[tuple[int]], /) -> Events:
        """Out of here. Answers those that were here."""
    def find(self, seqs: list[int], max_bytes: int, /) -> Events:
        """The events with these numbers, to so many bytes of data but at least one. Raises
        KeyError where one is not here."""
    def events(self) -> Events:
        """All of now."""
    def __contains__(self, seq: int, /) -> bool: ...
    def __getitem__(self, seq: int, /) -> tuple[Any, ...]: ...
    def __iter__(self) -> Iterator[int]: ...
    def __len__(self) -> int: ...

@final
class Seqs(Sequence[tuple[int]]):
    """Numbers of events, each made when it is looked at."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[int]: ...  # type: ignore[override]

@final
class Rows(Sequence[tuple[Any, ...]]):
    """Rows of deliveries, each made when it is looked at. They outlive their Reports."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[Any, ...]: ...  # type: ignore[override]

@final
class Reports:
    """What became of some attempts, as rows in the order in which the store binds them.

    Times: `now_ms` is the store's clock; a retry's delay is added to it.
    """

    def __len__(self) -> int:
        """Deliveries in it."""
    def deliveries(self, now_ms: int, /) -> Rows:
        """(event_seq, subscription_seq, state, attempts, next_at | None, origin_seq, batch | None,
        http_status | None, outcome, duration_ms, updated_at)"""
    def waiting(self, now_ms: int, /) -> Rows:
        """Those of them that wait."""
    def attempts(self) -> list[tuple[Any, ...]]:
        """Failures, and everything about a delivery that was tried before:
        (event_seq, subscription_seq, batch | None, n, started_at, duration_ms, http_status | None,
        outcome, address | None, snippet | None)"""
    def done(self) -> Seqs:
        """(event_seq,) of each event whose last match is in these reports."""
    def dead(self) -> list[tuple[int, int]]:
        """(event_seq, subscription_seq) of each dead letter."""
    def claimed(self) -> list[tuple[int, int, bool]]:
        """(event_seq, subscription_seq, spilled) of those that were waiting rows."""
    def subscriptions(self) -> list[tuple[int, str, int]]:
        """(subscription_seq, "failing" | "recovered" | "disabled", outcome code), in order."""
    def origins(self) -> list[tuple[int, int | None]]:
        """(origin_seq, its breaker is open for so many ms from now | None: closed), in order."""

@final
class Engine:
    """The delivering part. Its thread never needs the GIL. Any method from any thread.

    `config` holds the engine's part of Config, flat: the limits of engine.h, ``retry_steps_ms``,
    ``retry_jitter``, ``retry_max_retries``, ``retry_after_max_ms``, ``disable_after_ms``,
    ``disable_on_gone``, ``integrity_header``, ``integrity_encoding``, ``connect_timeout_ms``,
    ``total_timeout_ms``, ``connections_max``, ``connections_idle_max``, ``resolves_max``,
    ``allow`` (CIDR texts), ``dev``, ``proxy``, ``ca_file``, ``ca_dir``, ``ca_pem``, ``spill``.
    Unknown keys are refused by ConfigurationError, as are wrong values, all at once.
    """

    def __new__(cls, catalog: Catalog, config: Mapping[str, Any]) -> Self: ...
    def start(self) -> None: ...
    def put_subscription(
        self,
        seq: int,
        id: bytes,
        origin_seq: int,
        created_revision: int,
        subscription: Subscription,
        keys: Sequence[bytes],
        failing_since_ms: int | None = None,
        origin: str | None = None,
    ) -> None:
        """`origin`: where its deliveries go, by name; None is its URL's."""
    def remove_subscription(self, seq: int, *, spill: bool = False) -> bool:
        """What is queued for it is cancelled, or spilled. False when it wasn't there."""
    def match(self, paths: Sequence[str], action: str, revision: int) -> list[tuple[int, int]]:
        """(subscription seq, index of the path) of who hears this."""
    def push(
        self,
        events: Sequence[
            tuple[
                int,
                bytes,
                int,
                Sequence[str],
                str | None,
                bytes | None,
                int,
                int,
                Sequence[int] | None,
            ]
        ],
        /,
    ) -> list[int]:
        """Events as (seq, id, action code, paths, open_id, data, published_at, revision, settled
        subscription seqs). Answers the number of matches queued for each; 0 means done, -1 that
        the catalog does not know its paths, -2 that the queue was full: try later."""
    def push_due(self, deliveries: Sequence[tuple[tuple[Any, ...], int, int]], /) -> list[bool]:
        """(event as above, subscription seq, attempts made) of claimed rows. False: not taken."""
    def room(self) -> tuple[int, int]:
        """(deliveries, bytes) that still fit in the queue; not below 0."""
    def extend_lease(self, for_ms: int, /) -> None: ...
    def take_reports(self, max_deliveries: int, timeout_ms: int) -> Reports | None:
        """Waits with the GIL released. Each Reports must go to settled() or return_reports()."""
    def settled(self, reports: Reports, /) -> None:
        """After the commit: their slots are free again."""
    def return_reports(self, reports: Reports, /) -> None:
        """Not written: they will be taken again."""
    def wake_reports(self) -> None: ...
    def wait_idle(self, timeout_ms: int, /) -> bool: ...
    def close(self, grace_ms: int = 0) -> None:
        """Waits with the GIL released. Twice is fine."""
    def ask(
        self,
        method: Literal["POST", "OPTIONS"],
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
    ) -> tuple[int, int | None, int, str | None, bytes, dict[str, str]]:
        """One request that is no attempt, by the same thread, guard and transport. Waits with the
        GIL released.

        Answers (outcome code, http_status, duration_ms, address, first 4 KB of the body, values
        of Content-Type, WebHook-Allowed-Origin and WebHook-Allowed-Rate by these names, where
        the answer has them). Raises ValidationError, Closed (also before start())."""
    def take_events(self, most: int, timeout_ms: int) -> list[tuple[int, str, str, bytes]]:
        """What sockets are to be sent, the oldest first: (ticket, origin, event, body). Waits
        with the GIL released. Raises Forked."""
    def answer_event(self, ticket: int, outcome: int, /) -> bool:
        """How it ended. False: it has ended before. Raises Forked."""
    def wake_events(self) -> None:
        """A :meth:`take_events` that waits returns."""
    def reopen(self, origin: str, /) -> None:
        """Somebody is there now: what waits for it here may start. Raises Forked."""
    def stats(self) -> dict[str, int]: ...
    def matcher_bytes(self) -> int: ...
