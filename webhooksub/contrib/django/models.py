"""The store's tables, to be looked at: what changes them is `hooks`.

They are made by the store's own migrations. Keys of subscriptions have no model.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.db import models

from ...events import Action, DeliveryState, Outcome, SubscriptionStatus
from ...store.schema import PREFIX
from . import settings
from .fields import MsField, PairField, UuidField


def _choices(codes: Any) -> list[tuple[int, str]]:
    return [(int(code), code.name.lower().replace("_", " ")) for code in codes]


class StoreManager(models.Manager):
    """Reads from the database that has the tables, whatever the routers say."""

    def get_queryset(self) -> Any:
        found = super().get_queryset()
        return found if self._db else found.using(settings.alias())


class StoreModel(models.Model):
    """A row that is only read."""

    objects = StoreManager()

    class Meta:
        abstract = True

    def save(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("rows of webhooksub are changed by `hooks`, not by their models")

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("rows of webhooksub are changed by `hooks`, not by their models")


class Subscription(StoreModel):
    """What a customer asked for. A deleted one stays, with `deleted_at`."""

    seq = models.BigIntegerField(primary_key=True)
    id = UuidField("id", max_length=16, unique=True)
    root = models.TextField()
    owner = models.TextField()
    resource = models.TextField()
    action = models.SmallIntegerField(choices=_choices(Action))
    channel = models.SmallIntegerField(choices=[(1, "HTTP"), (2, "SOCKET")])
    url = models.TextField("URL", null=True)
    socket_event = models.TextField(null=True)
    expires_at = MsField()
    expires_text = models.TextField()
    brand_code = models.TextField(null=True)
    max_retries = models.IntegerField(null=True)
    options = models.TextField()
    status = models.SmallIntegerField(choices=_choices(SubscriptionStatus))
    status_reason = models.TextField(null=True)
    failing_since = MsField(null=True)
    created_at = MsField()
    updated_at = MsField()
    deleted_at = MsField(null=True)

    class Meta:
        managed = False
        db_table = PREFIX + "subscription"
        ordering = ["-seq"]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def expired(self) -> bool:
        return bool(self.expires_at <= datetime.now(UTC))


class Event(StoreModel):
    """One published change."""

    seq = models.BigIntegerField(primary_key=True)
    id = UuidField("id", max_length=16, unique=True)
    root = models.TextField()
    action = models.SmallIntegerField(choices=_choices(a for a in Action if a is not Action.ANY))
    paths = models.TextField()
    open_id = models.TextField(null=True)
    published_at = MsField()
    data = models.BinaryField(null=True)

    class Meta:
        managed = False
        db_table = PREFIX + "event"
        ordering = ["-seq"]

    def __str__(self) -> str:
        return str(self.id)


class Delivery(StoreModel):
    """One event for one subscription."""

    key = PairField("event_seq", "subscription_seq")
    event = models.ForeignKey(
        Event, models.DO_NOTHING, db_column="event_seq", db_constraint=False, related_name="+"
    )
    subscription = models.ForeignKey(
        Subscription,
        models.DO_NOTHING,
        db_column="subscription_seq",
        db_constraint=False,
        related_name="+",
    )
    state = models.SmallIntegerField(choices=_choices(DeliveryState))
    attempts = models.IntegerField()
    next_at = MsField(null=True)
    batch = models.TextField(null=True)
    http_status = models.IntegerField("HTTP status", null=True)
    outcome = models.SmallIntegerField(choices=_choices(Outcome), null=True)
    duration_ms = models.BigIntegerField("duration, ms", null=True)
    updated_at = MsField()

    class Meta:
        managed = False
        db_table = PREFIX + "delivery"
        ordering = ["-event_id", "-subscription_id"]
        unique_together = [("event", "subscription")]
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return str(self.pk)


class Attempt(StoreModel):
    """One POST that failed, or that followed a failed one or a replay."""

    seq = models.BigIntegerField(primary_key=True)
    event = models.ForeignKey(
        Event, models.DO_NOTHING, db_column="event_seq", db_constraint=False, related_name="+"
    )
    subscription = models.ForeignKey(
        Subscription,
        models.DO_NOTHING,
        db_column="subscription_seq",
        db_constraint=False,
        related_name="+",
    )
    n = models.IntegerField()
    started_at = MsField()
    duration_ms = models.BigIntegerField("duration, ms")
    http_status = models.IntegerField("HTTP status", null=True)
    outcome = models.SmallIntegerField(choices=_choices(Outcome))
    address = models.TextField(null=True)
    snippet = models.BinaryField(null=True)
    batch = models.TextField(null=True)

    class Meta:
        managed = False
        db_table = PREFIX + "attempt"
        ordering = ["-seq"]

    def __str__(self) -> str:
        return f"attempt {self.n}"


MODELS: Collection[type[StoreModel]] = (Subscription, Event, Delivery, Attempt)
