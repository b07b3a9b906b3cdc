"""Everything that webhooksub raises on purpose::

    WebhooksubError
    ├── ConfigurationError      (ValueError)    a setting, catalog or option is wrong
    ├── ValidationError         (ValueError)    a document or argument is wrong: see .errors
    ├── UnknownResource         (ValueError)    no catalog row knows this path
    ├── NotFound                (LookupError)   not there, or not for this actor to see
    ├── Conflict                                it contradicts what is stored already
    ├── LimitReached                            a named limit allows no more
    ├── OutboxFull                              the store's limit for waiting events is reached
    ├── StoreUnavailable                        the database did not answer, or refused
    ├── Closed                  (RuntimeError)  used after close(), or before start()
    ├── Forked                  (RuntimeError)  used in a child of the process that made it
    ├── Unauthenticated                         raised by a host: it does not know who asks
    ├── KeyUnreadable                           a stored key cannot be opened: see docs/security.md
    └── VerificationError       (ValueError)    a received signature does not verify

The class in brackets is a second base, for callers who catch the built-in one. No message
holds a key, nor the value of a field that was refused. All of them pickle.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake: the field's JSON name (``delivery.batch.maxBytes``; ``""`` is the whole
    document), a code for programs (``required``, ``type``, ``range``, …), and a sentence."""

    field: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class WebhooksubError(Exception):
    """Base of all errors of this library."""


class ConfigurationError(WebhooksubError, ValueError):
    """A setting, a catalog or an option is wrong. Names every wrong one."""


class ValidationError(WebhooksubError, ValueError):
    """Something that was given is wrong; `errors` holds every mistake, not only the first."""

    errors: tuple[FieldError, ...]

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__(self.errors)

    @classmethod
    def of(cls, field: str, code: str, message: str) -> Self:
        """The error with a single mistake."""
        return cls([FieldError(field, code, message)])

    def __str__(self) -> str:
        return "; ".join(map(str, self.errors))


class UnknownResource(WebhooksubError, ValueError):
    """No row of the catalog knows this path; the message names the nearest template."""


class NotFound(WebhooksubError, LookupError):
    """It does not exist, or this actor may not see it: the answer is the same."""


class Conflict(WebhooksubError):
    """The request contradicts what is stored, such as an idempotency key used for other
    content."""


class LimitReached(WebhooksubError):
    """A limit that the operator set, named in the message, allows no more of something.

    `retry_after_s`: when asking again makes sense.
    """

    def __init__(self, message: str, retry_after_s: int = 60) -> None:
        super().__init__(message, retry_after_s)
        self.message, self.retry_after_s = message, retry_after_s

    def __str__(self) -> str:
        return self.message


class OutboxFull(WebhooksubError):
    """The outbox has reached its limit. Nothing of this call was accepted."""


class StoreUnavailable(WebhooksubError):
    """The database did not answer, or refused. Whether a commit arrived may be unknown."""


class Closed(WebhooksubError, RuntimeError):
    """It was closed, or never started."""


class Forked(WebhooksubError, RuntimeError):
    """It belongs to the parent process: make a new one after the fork."""


class Unauthenticated(WebhooksubError):
    """The request does not say who asks, or not credibly. A host's callable raises it."""


class KeyUnreadable(WebhooksubError):
    """A stored integrity key cannot be opened: it is sealed by a key that the keyring lacks, it
    was changed, or it lies in another row than it was sealed for."""


class VerificationError(WebhooksubError, ValueError):
    """A received notification does not verify. Never says which key or byte."""
