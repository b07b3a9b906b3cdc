"""Offer webhooks from any Python service: subscriptions, signed notifications, at least once."""

from . import catalogs
from ._core import Catalog, Subscription, build_info
from .authorizer import ALL, AllowAll, Authorizer, allow_all
from .config import Config
from .dispatcher import Dispatcher
from .errors import (
    Closed,
    ConfigurationError,
    Conflict,
    FieldError,
    Forked,
    KeyUnreadable,
    LimitReached,
    NotFound,
    OutboxFull,
    StoreUnavailable,
    Unauthenticated,
    UnknownResource,
    ValidationError,
    VerificationError,
    WebhooksubError,
)
from .events import (
    Action,
    Attempt,
    Delivery,
    DeliveryState,
    Event,
    Explanation,
    FlushResult,
    OperatorEvent,
    Outcome,
    RotatedKeys,
    RotatedSecret,
    SubscriptionInfo,
    SubscriptionStatus,
    TestResult,
)
from .keyring import Keyring
from .receiver import Notification, Verifier
from .version import __version__

__all__ = [
    "ALL",
    "Action",
    "AllowAll",
    "Attempt",
    "Authorizer",
    "Catalog",
    "Closed",
    "Config",
    "ConfigurationError",
    "Conflict",
    "Delivery",
    "DeliveryState",
    "Dispatcher",
    "Event",
    "Explanation",
    "FieldError",
    "FlushResult",
    "Forked",
    "KeyUnreadable",
    "Keyring",
    "LimitReached",
    "NotFound",
    "Notification",
    "OperatorEvent",
    "OutboxFull",
    "Outcome",
    "RotatedKeys",
    "RotatedSecret",
    "StoreUnavailable",
    "Subscription",
    "SubscriptionInfo",
    "SubscriptionStatus",
    "TestResult",
    "Unauthenticated",
    "UnknownResource",
    "ValidationError",
    "VerificationError",
    "Verifier",
    "WebhooksubError",
    "__version__",
    "allow_all",
    "build_info",
    "catalogs",
]
