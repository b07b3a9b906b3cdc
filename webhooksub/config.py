"""One tree of frozen values for everything that can be set.

A field's name is the same everywhere: ``Config.http.total_timeout_ms`` is
``total_timeout_ms=…`` for :meth:`Config.of`, ``WEBHOOKSUB_TOTAL_TIMEOUT_MS`` in the
environment, and the option ``--total-timeout-ms``. Unknown names are refused, and all
mistakes are told at once. Times are milliseconds, sizes bytes.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Literal, Self

from .errors import ConfigurationError
from .keyring import NO_KEYRING, Keyring
from .secret import concealed, hidden

ENVIRONMENT_PREFIX = "WEBHOOKSUB_"
# Variables of the prefix that set no field: the command line's own, and those of builds.
_NO_SETTINGS = frozenset(
    f"{ENVIRONMENT_PREFIX}{name}"
    for name in ("DATABASE", "DEBUG_BUILD", "FRESH", "SOURCES", "STATIC")
)

#: They hold secrets: no option of a command sets them, for every process may read its words.
SECRET_SETTINGS = frozenset(("keyring",))

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_PROXY_MAX = 280
_PROXY = re.compile(r"(?P<proxy>http://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\]):(?P<port>[0-9]{1,5}))/?")


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """How much is queued and how many attempts run at once."""

    queue_deliveries_max: int = 65_536  # matches queued, not started
    queue_bytes_max: int = 64 * 1024 * 1024  # events and matches queued
    in_flight_max: int = 256  # attempts at once, in total
    in_flight_per_origin: int = 8  # polite to a host that many tenants share
    in_flight_reserved_per_origin: int = 2  # of them, for subscriptions with none in flight
    in_flight_per_subscription: int = 8  # attempts or batches of one subscription at once
    report_slots: int = 4_096  # attempts running or not yet settled
    spill_after_ms: int = 2_000  # then a delivery becomes a waiting row
    breaker_failures: int = 5  # connection failures in a row that open it
    breaker_open_ms: int = 30_000  # then one probe


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """When a failed delivery is tried again. The schedule is Standard Webhooks' example."""

    retry_steps_ms: tuple[int, ...] = (
        5_000,
        5 * _MINUTE,
        30 * _MINUTE,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    )  # after each failed attempt; the last one is repeated
    retry_jitter: float = 0.2  # each step ± 20 %
    retry_max_retries: int = 9  # where a subscription names none
    retry_after_max_ms: int = 6 * _HOUR  # an endpoint cannot ask for longer
    disable_after_ms: int = 5 * _DAY  # of only failures; 0: never
    disable_on_gone: bool = True  # 410 disables the subscription


@dataclass(frozen=True, slots=True)
class SigningConfig:
    """How ``integrityHash`` is written."""

    integrity_header: str = "integrityHash"  # its name
    integrity_encoding: Literal["hex", "base64"] = "hex"  # or base64


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Connections, and where they may go."""

    connect_timeout_ms: int = 5_000  # name, connection and TLS together
    total_timeout_ms: int = 15_000  # of an attempt; Standard Webhooks advises 15–30 s
    body_timeout_ms: int = 2_000  # of a body: the head has decided, silence frees the place
    connections_max: int = 256  # open at once
    connections_idle_max: int = 1_024  # fewer than the live origins thrashes
    resolves_max: int = 64  # names looked up at once
    allow: tuple[str, ...] = ()  # CIDRs that the address guard opens
    deny: tuple[str, ...] = ()  # CIDRs that it closes, before allow: our own public addresses
    nat64: tuple[str, ...] = ()  # prefixes of a NAT64: judged as the IPv4 address they hold
    ports: tuple[int, ...] = ()  # besides 443 and 8443
    proxy: str | None = None  # http://host:port; in place of the address guard
    handshake: Literal["off", "graph", "cloudevents"] = "off"  # asks a URL before it is sent to
    handshake_origin: str | None = None  # our own DNS name, for cloudevents
    ca_bundle: str | None = None  # PEM file or hashed directory
    traceparent: bool = False  # a notification sent alone names its event's trace (W3C)


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The database."""

    synchronous: Literal["FULL", "NORMAL"] = "FULL"  # NORMAL may lose commits on power loss
    outbox_rows_max: int = 10_000_000  # events; past it publish raises OutboxFull
    outbox_bytes_max: int = 10 * 1024**3  # their data; likewise
    waiting_per_subscription_max: int = 1_000_000  # past it deliveries are dead
    quarantine_claims: int = 5  # an event claimed so often kills its dispatcher
    idempotency_ms: int = _DAY  # how long an idempotency key is remembered
    keyring: Keyring | None = None  # ID:BASE64,…: seals integrity keys, the first one; all open
    keyring_file: str | None = None  # the same in a file, one a line
    takeover_ms: int = 40_000  # PostgreSQL: who is silent for so long is dead; past its lease
    pooled: bool = False  # PostgreSQL: the URL leads to a pooler, in transaction mode
    listen_url: str | None = field(default=None, repr=False)  # PostgreSQL: past it, for LISTEN

    def sealing(self) -> Keyring:
        """Of the two the one that is set. Nothing is read yet."""
        if self.keyring_file is not None:
            return Keyring.from_file(self.keyring_file)
        return NO_KEYRING if self.keyring is None else self.keyring


@dataclass(frozen=True, slots=True)
class DispatcherConfig:
    """The rhythm of the delivering process."""

    heartbeat_ms: int = 5_000  # says that it is alive, and extends its lease
    lease_ms: int = 30_000  # nothing starts so long after the last heartbeat
    poll_ms: int = 500  # events of other processes are found within this
    claim_events: int = 2_000  # in one transaction
    claim_due_per_origin: int = 64  # waiting deliveries of one origin, likewise
    claim_due: int = 2_000  # waiting deliveries in all, likewise
    settle_deliveries: int = 5_000  # in one transaction
    tell_again_ms: int = _HOUR  # one subscription's full backlog is told so often
    recheck_ms: int = 5 * _MINUTE  # asks the authorizer who may still receive
    grace_ms: int = 10_000  # for attempts under way at close


@dataclass(frozen=True, slots=True)
class SubscriptionConfig:
    """What customers may have, and what they are told."""

    subscriptions_per_root_max: int = 10_000  # one tenant cannot fill the matcher; 0: no limit
    max_lifetime_ms: int = 0  # an expirationDateTime lies at most so far ahead; 0: no limit
    secret_overlap_ms: int = _DAY  # a rotated key signs on beside the new one
    requests_per_minute_max: int = 0  # API requests of one actor; 0: not counted
    expiring_notice_ms: int = 3 * _DAY  # the operator hears of an end so long before; 0: never
    lifecycle: tuple[str, ...] = ()  # endpoints are told: expiring, removed, missed, disabled
    lifecycle_queue_max: int = 1_000  # of these waiting to be sent; past it the operator is told


@dataclass(frozen=True, slots=True)
class SocketConfig:
    """Events for sockets, where the dispatcher has a transport for them."""

    socket_ack_ms: int = 15_000  # without an acknowledgement an attempt has failed
    socket_absent_ms: int = 10 * _MINUTE  # who is absent is looked for, had we not heard
    socket_lease_ms: int = 30_000  # connections of a process that is silent for so long are gone
    socket_connections_per_owner_max: int = 16  # an event goes to each of them


_LIFECYCLE = ("expiring", "removed", "missed", "disabled")
_TUPLES = {
    "retry_steps_ms": int,
    "ports": int,
    "allow": str,
    "deny": str,
    "nat64": str,
    "lifecycle": str,
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "integrity_encoding": ("hex", "base64"),
    "synchronous": ("FULL", "NORMAL"),
    "handshake": ("off", "graph", "cloudevents"),
}
_ZERO_ALLOWED = {
    "retry_jitter",
    "retry_max_retries",
    "disable_after_ms",
    "grace_ms",
    "spill_after_ms",
    "in_flight_reserved_per_origin",
    "idempotency_ms",
    "subscriptions_per_root_max",
    "max_lifetime_ms",
    "secret_overlap_ms",
    "requests_per_minute_max",
    "expiring_notice_ms",
}


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set, by section.

    Raises :class:`ConfigurationError` naming every wrong field.
    """

    delivery: DeliveryConfig = field(default_factory=DeliveryConfig)
    retry: RetryConfig = field(default_factory=RetryConfig)
    signing: SigningConfig = field(default_factory=SigningConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    dispatcher: DispatcherConfig = field(default_factory=DispatcherConfig)
    subscriptions: SubscriptionConfig = field(default_factory=SubscriptionConfig)
    sockets: SocketConfig = field(default_factory=SocketConfig)

    @classmethod
    def of(cls, **settings: Any) -> Self:
        """Defaults with some fields changed, by their flat names."""
        settings = concealed(settings, SECRET_SETTINGS)
        return cls().replace(**settings)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Fields from ``WEBHOOKSUB_…``; lists are separated by commas."""
        given = _given(environ)
        del environ  # a traceback that shows locals would show what else stands there
        return cls.of(**given)

    def replace(self, **settings: Any) -> Self:
        """A copy with some fields changed, by their flat names."""
        settings = concealed(settings, SECRET_SETTINGS)
        problems: list[str] = []
        changed: dict[str, dict[str, Any]] = {}
        places = {f.name: (section, f) for section, f in _places()}
        for name, value in settings.items():
            if name not in places:
                problems.append(f"{name}: no such setting")
                continue
            section, f = places[name]
            try:
                changed.setdefault(section, {})[name] = _convert(f, value)
            except (TypeError, ValueError) as error:
                problems.append(f"{name}: {error}")
        if {"keyring", "keyring_file"} <= self._set(changed.get("store", {})):
            problems.append("keyring, keyring_file: one of them, not both")
        if problems:
            raise ConfigurationError("; ".join(sorted(problems)))
        sections = {s: replace(getattr(self, s), **values) for s, values in changed.items()}
        return replace(self, **sections)

    def _set(self, changed: Mapping[str, Any]) -> set[str]:
        """Fields of the store that would not be None."""
        stored = {f.name: getattr(self.store, f.name) for f in fields(self.store)}
        return {name for name, value in (stored | dict(changed)).items() if value is not None}

    def flat(self) -> dict[str, Any]:
        """All fields by their flat names."""
        return {f.name: getattr(getattr(self, section), f.name) for section, f in _places()}


_SECTIONS = {
    "delivery": DeliveryConfig,
    "retry": RetryConfig,
    "signing": SigningConfig,
    "http": HttpConfig,
    "store": StoreConfig,
    "dispatcher": DispatcherConfig,
    "subscriptions": SubscriptionConfig,
    "sockets": SocketConfig,
}


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in environ:
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _NO_SETTINGS:
            setting = name.removeprefix(ENVIRONMENT_PREFIX).lower()
            secret = setting in SECRET_SETTINGS
            found[setting] = hidden(environ[name]) if secret else environ[name]
    del environ
    return found


def _places() -> Iterator[tuple[str, Field[Any]]]:
    for section, type_ in _SECTIONS.items():
        for f in fields(type_):
            yield section, f


def _convert(f: Field[Any], value: Any) -> Any:
    """`value` as the field's type; text as from the environment is understood."""
    name = f.name
    if name in _TUPLES:
        return _convert_tuple(name, value)
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(f"must be one of {', '.join(_CHOICES[name])}")
        return value
    if name == "proxy":
        return _convert_proxy(value)
    if name == "keyring":
        return _convert_keyring(value)
    kind: type[Any] = type(f.default)
    if f.default is None or kind is str:
        return _convert_text(value, optional=f.default is None)
    if kind is bool:
        return _convert_bool(value)
    return _convert_number(name, kind, value)


def _convert_tuple(name: str, value: Any) -> tuple[Any, ...]:
    kind = _TUPLES[name]
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    items = tuple(kind(item) for item in value)
    if name == "retry_steps_ms" and (not items or min(items) < 0):
        raise ValueError("must name at least one delay, none negative")
    if name == "ports" and any(not 0 < port < 65_536 for port in items):
        raise ValueError("must be ports, 1–65535")
    if name == "lifecycle" and not set(items) <= set(_LIFECYCLE):
        raise ValueError(f"must be of {', '.join(_LIFECYCLE)}")
    return items


def _convert_text(value: Any, *, optional: bool) -> str | None:
    if value is None and optional:
        return None
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError("must be a text that is not empty")
    return os.fspath(value)


def _convert_proxy(value: Any) -> str | None:
    """``http://host:port`` and no more: no user, no path, no TLS to the proxy itself."""
    if value is None:
        return None
    found = _PROXY.fullmatch(value.lower()) if isinstance(value, str) else None
    if found is None or len(value) > _PROXY_MAX or not 0 < int(found["port"]) < 65_536:
        raise ValueError("must be http://host:port")
    return found["proxy"]


def _convert_keyring(value: Any) -> Keyring | None:
    """A text, keys by their ids, or who fetches either."""
    if value is None or isinstance(value, Keyring):
        return value
    if isinstance(value, str | bytes | Mapping):
        if not value:
            raise ValueError("must hold a key")
        return Keyring.of(value)
    if callable(value):
        return Keyring(value)
    raise ValueError("must be ID:BASE64,…, keys by their ids, a Keyring or a callable")


def _convert_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("must be true or false")


def _convert_number(name: str, kind: type[int] | type[float], value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number")
    number = kind(value)
    if kind is int and isinstance(value, float) and value != number:
        raise ValueError("must be a whole number")
    if number < 0 or (number == 0 and name not in _ZERO_ALLOWED):
        raise ValueError("must be more than 0")
    if name == "retry_jitter" and not number < 1:
        raise ValueError("must be at least 0 and less than 1")
    return number
