"""Who asks of ``webhooksub serve``: read from a token's verified claims.

A claim names the roots of one kind that its bearer belongs to: ``"tenants": ["acme"]``. What
the token says is all that is known, so whether an owner may *still* receive cannot be asked
for; a service that must take that back gives its own authorizer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .authorizer import Operation, Root
from .errors import ConfigurationError

__all__ = ["Caller", "CallerReader", "ClaimsAuthorizer"]


@dataclass(frozen=True, slots=True)
class Caller:
    """The actor: who it is, the roots it belongs to, and everything else the token says."""

    id: str
    roots: frozenset[Root]
    claims: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)


class CallerReader:
    """Makes a :class:`Caller` of claims.

    `root_claims` are ``KIND=CLAIM``: the claim holds ids of roots of that kind, a list of
    texts or one. Raises ConfigurationError naming each that is not of this form.
    """

    def __init__(self, *, owner_claim: str, root_claims: tuple[str, ...]) -> None:
        self._owner_claim = owner_claim
        pairs = [text.partition("=") for text in root_claims]
        wrong = [
            text
            for text, (kind, _, claim) in zip(root_claims, pairs, strict=True)
            if not kind or not claim
        ]
        if wrong:
            told = ", ".join(map(repr, wrong))
            raise ConfigurationError(f"root claim: {told} must be KIND=CLAIM, as tenant=tenants")
        self._root_claims = [(kind, claim) for kind, _, claim in pairs]

    def __call__(self, claims: Mapping[str, Any]) -> Caller | None:
        """None where the token does not say who its bearer is."""
        owner = claims.get(self._owner_claim)
        if not isinstance(owner, str) or not owner:
            return None
        roots = {
            (kind, id_) for kind, claim in self._root_claims for id_ in _texts(claims.get(claim))
        }
        return Caller(owner, frozenset(roots), claims)


class ClaimsAuthorizer:
    """Who belongs to a root may do everything beneath it."""

    def allows(self, actor: Caller, root: Root, operation: Operation) -> bool:
        return root in actor.roots

    def roots(self, actor: Caller) -> frozenset[Root]:
        return actor.roots

    def owner_id(self, actor: Caller) -> str:
        return actor.id

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        """Nobody shows a token in the background: what was allowed stays so."""
        return True

    def __repr__(self) -> str:
        return "<what the token says>"


def _texts(value: Any) -> list[str]:
    """A claim's ids; anything but texts is none."""
    found = value if isinstance(value, list) else [value]
    return [text for text in found if isinstance(text, str) and text]
