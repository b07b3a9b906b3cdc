"""The engine that a dispatcher starts: its settings, and the authorities that it trusts."""

from typing import Any

from . import _core
from .certificates import find_authorities, local_certificate
from .config import Config
from .errors import ConfigurationError

# Settings of Config that the engine takes, by the same names.
_SECTIONS = ("delivery", "retry", "signing")
_SOCKETS = ("socket_ack_ms", "socket_absent_ms")
_HTTP = (
    "connect_timeout_ms",
    "total_timeout_ms",
    "body_timeout_ms",
    "connections_max",
    "connections_idle_max",
    "resolves_max",
    "allow",
    "deny",
    "nat64",
    "proxy",
    "traceparent",
)


def make_engine(
    catalog: _core.Catalog,
    config: Config,
    *,
    dev: bool,
    spill: bool,
    ca_pem: bytes | None,
    sockets: bool = False,
) -> _core.Engine:
    """An engine, not started. `ca_pem` is trusted besides the authorities that are found;
    `sockets`: somebody takes its events for sockets.

    Raises ConfigurationError naming every wrong setting, or the places where no authority
    was found.
    """
    settings: dict[str, Any] = {"dev": dev, "spill": spill, "sockets": sockets}
    for section in _SECTIONS:
        part = getattr(config, section)
        settings |= {name: getattr(part, name) for name in part.__dataclass_fields__}
    settings |= {name: getattr(config.http, name) for name in _HTTP}
    settings |= {name: getattr(config.sockets, name) for name in _SOCKETS}
    if config.http.handshake == "cloudevents":
        settings["handshake_origin"] = config.http.handshake_origin
    settings |= _authorities(config.http.ca_bundle, dev, ca_pem)
    return _core.Engine(catalog, {k: v for k, v in settings.items() if v is not None})


def _authorities(bundle: str | None, dev: bool, ca_pem: bytes | None) -> dict[str, Any]:
    pem = (ca_pem or b"") + (local_certificate()[0] if dev else b"")
    extra: dict[str, Any] = {"ca_pem": pem} if pem else {}
    try:
        found = find_authorities(bundle)
    except ConfigurationError:
        if not pem or bundle:
            raise
        return extra
    return extra | {"ca_file": found.ca_file, "ca_dir": found.ca_dir}
