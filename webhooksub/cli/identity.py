"""The options by which ``serve`` knows who asks, and the reader that they make."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..claims import CallerReader
from ..errors import ConfigurationError
from .options import Command

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Identity(click.Option):
    """An option by which it is known who asks."""


_option = partial(click.option, cls=_Identity)
_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    _option("--jwt-key-file", type=_FILE, metavar="FILE", help="PEM or secret of the tokens."),
    _option("--jwks-url", metavar="URL", help="Where the issuer shows its keys."),
    _option("--issuer", multiple=True, metavar="TEXT", help="iss of tokens taken."),
    _option("--audience", multiple=True, metavar="TEXT", help="aud of tokens taken."),
    _option(
        "--algorithm",
        "algorithms",
        multiple=True,
        default=("RS256", "ES256"),
        show_default=True,
        metavar="NAME",
        help="Signatures taken.",
    ),
    _option(
        "--owner-claim",
        default="sub",
        show_default=True,
        metavar="NAME",
        help="The claim that names the owner.",
    ),
    _option(
        "--root-claim",
        "root_claims",
        multiple=True,
        default=("tenant=tenants", "subscription=subscriptions"),
        show_default=True,
        metavar="KIND=NAME",
        help="The claim that lists a kind of roots.",
    ),
)


def identity_options(command: Command) -> Command:
    """Who asks: a bearer JWT."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_identity(options: dict[str, Any]) -> dict[str, Any]:
    """Takes out of the running command's `options` what :func:`bearer_reader` wants."""
    params = click.get_current_context().command.params
    names = [p.name for p in params if isinstance(p, _Identity) and p.name is not None]
    return {name: options.pop(name) for name in names}


def refuse_identity() -> None:
    """For a server that restricts nobody. Raises ConfigurationError naming what was given."""
    context = click.get_current_context()
    named = [
        option.opts[0]
        for option in context.command.params
        if (isinstance(option, _Identity) or option.name == "authorizer")
        and option.name is not None
        and context.get_parameter_source(option.name) is not ParameterSource.DEFAULT
    ]
    if named:
        told = ", ".join(named)
        raise ConfigurationError(f"--dev restricts nobody, and goes without {told}")


def bearer_reader(
    *,
    jwt_key_file: Path | None,
    jwks_url: str | None,
    issuer: tuple[str, ...],
    audience: tuple[str, ...],
    algorithms: tuple[str, ...],
    owner_claim: str,
    root_claims: tuple[str, ...],
) -> Any:
    """Raises ConfigurationError naming what is missing or wrong."""
    if jwt_key_file is None and jwks_url is None:
        raise ConfigurationError(
            "say how it is known who asks: --jwt-key-file or --jwks-url, with --issuer and "
            "--audience; or --dev, which restricts nobody and serves this machine alone"
        )
    key = None if jwt_key_file is None else jwt_key_file.read_bytes().strip()
    reader = import_module("webhooksub.contrib.jwt").BearerReader(
        issuer=issuer,
        audience=audience,
        key=key,
        jwks_url=jwks_url,
        algorithms=algorithms,
        claims=CallerReader(owner_claim=owner_claim, root_claims=root_claims),
    )
    if key is not None and not _fits(key, algorithms):
        raise ConfigurationError(f"--jwt-key-file: no key for {' or '.join(algorithms)}")
    return reader


def _fits(key: bytes, algorithms: tuple[str, ...]) -> bool:
    """Some algorithm can verify by it: told at the start, not by refusing everybody."""
    known = import_module("jwt.algorithms").get_default_algorithms()
    for name in algorithms:
        try:
            known[name].prepare_key(key)
        except Exception:  # each algorithm has its own
            continue
        return True
    return False
