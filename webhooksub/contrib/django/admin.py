"""The admin's pages: what is subscribed, what was published, what became of it.

Rows are only looked at. Actions go through `hooks`, as the operator: who may do them is asked
of Django's permission ``webhooksub.change_subscription``.
"""

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from ... import WebhooksubError
from ...events import DeliveryState, SubscriptionStatus
from .dispatcher import OPERATOR, current
from .fields import Literal
from .models import Attempt, Delivery, Event, Subscription
from .paging import BoundedPaginator, uuid_of

# More is a command's work: `manage.py webhooksub replay --state dead`.
ACTION_ROWS_MAX = 1_000
# Of an event's data or an endpoint's answer; the rest is in the table.
_SHOWN_BYTES = 20_000
# Computed from the date and the catalog.
_NOT_STORED = (SubscriptionStatus.EXPIRED, SubscriptionStatus.INVALID)


class StoreAdmin(admin.ModelAdmin):
    """A table that is looked at."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # it would count the whole table for each choice
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Asked for by the actions."""
        user: Any = request.user
        return bool(user.has_perm("webhooksub.change_subscription"))

    # What actions write is a transaction of its own, also under ATOMIC_REQUESTS.
    @transaction.non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, extra_context)

    def operate(
        self, request: HttpRequest, rows: QuerySet[Any], what: str, each: Callable[[Any], Any]
    ) -> None:
        """Does it for each row, and says for how many, and why not for the others."""
        # In no order: for one the database would walk over the whole table.
        chosen = list(rows.order_by()[: ACTION_ROWS_MAX + 1])
        if len(chosen) > ACTION_ROWS_MAX:
            text = f"More than {ACTION_ROWS_MAX:,} rows: use `manage.py webhooksub`."
            self.message_user(request, text, messages.ERROR)
            return
        done = 0
        for row in chosen:
            try:
                done += each(row)
            except WebhooksubError as error:
                self.message_user(request, f"{row}: {error}", messages.ERROR)
        self.message_user(request, f"{done:,} {what}.", messages.SUCCESS)


class StatusFilter(admin.SimpleListFilter):
    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        words = [status.name.lower() for status in SubscriptionStatus if status not in _NOT_STORED]
        return [(word, word) for word in [*words, "deleted"]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "deleted":
            return queryset.filter(deleted_at__isnull=False)
        queryset = queryset.filter(deleted_at__isnull=True)
        if self.value() is None:
            return queryset
        return queryset.filter(status=SubscriptionStatus[str(self.value()).upper()])


class StateFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.name.lower(), state.name.lower()) for state in DeliveryState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(state=Literal(DeliveryState[str(self.value()).upper()]))


@admin.register(Subscription)
class SubscriptionAdmin(StoreAdmin):
    list_display = ("id", "resource", "action", "url", "state", "owner", "expires_at")
    list_filter = (StatusFilter, "action")
    search_fields = ("resource", "url", "owner")
    search_help_text = "an id, or a part of resource, URL or owner"
    actions = ("pause", "resume", "send_test", "replay_dead")
    fields = (
        *("id", "resource", "action", "channel", "url", "socket_event", "state", "status_reason"),
        *("owner", "root", "has_integrity_key", "expires_text", "brand_code", "max_retries"),
        *("delivery_options", "failing_since", "created_at", "updated_at", "deleted_at"),
        *("deliveries",),
    )
    readonly_fields = ("state", "has_integrity_key", "delivery_options", "deliveries")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if (found := uuid_of(search_term)) is not None:
            return queryset.filter(id=found), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="status")
    def state(self, row: Subscription) -> str:
        if row.deleted_at is not None:
            return "deleted"
        status = SubscriptionStatus(row.status)
        expired = status is SubscriptionStatus.ACTIVE and row.expired
        return "expired" if expired else status.name.lower()

    @admin.display(description="has an integrity key", boolean=True)
    def has_integrity_key(self, row: Subscription) -> bool | None:
        try:
            return current().subscription(str(row.id), actor=OPERATOR).has_integrity_key
        except WebhooksubError:
            return None

    @admin.display(description="delivery")
    def delivery_options(self, row: Subscription) -> str:
        """Values of headers are the customer's secrets."""
        options = json.loads(row.options)
        options |= (
            {"headers": dict.fromkeys(options["headers"], "…")} if "headers" in options else {}
        )
        return json.dumps(options, indent=2) if options else "–"

    @admin.display(description="deliveries")
    def deliveries(self, row: Subscription) -> str:
        return _link(Delivery, "its deliveries", subscription__exact=row.pk)

    @admin.action(description="Pause", permissions=["operate"])
    def pause(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        hooks = current()
        self.operate(
            request, rows, "paused", lambda row: bool(hooks.pause(str(row.id), actor=OPERATOR))
        )

    @admin.action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        hooks = current()
        self.operate(
            request, rows, "resumed", lambda row: bool(hooks.resume(str(row.id), actor=OPERATOR))
        )

    @admin.action(description="Send a test notification", permissions=["operate"])
    def send_test(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        hooks = current()

        def send(row: Any) -> bool:
            result = hooks.send_test(str(row.id), actor=OPERATOR)
            status = f", HTTP {result.http_status}" if result.http_status else ""
            outcome = result.outcome.name.lower().replace("_", " ")
            well = result.public == "delivered"
            level = messages.INFO if well else messages.WARNING
            text = f"{row.url}: {outcome}{status}, {result.duration_ms} ms"
            self.message_user(request, text, level)
            return well

        self.operate(request, rows, "test notifications were taken", send)

    @admin.action(description="Replay dead letters", permissions=["operate"])
    def replay_dead(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        hooks = current()

        def again(row: Any) -> int:
            return hooks.replay(subscription=str(row.id), state="dead", actor=OPERATOR)

        self.operate(request, rows, "deliveries are due again", again)


@admin.register(Event)
class EventAdmin(StoreAdmin):
    list_display = ("id", "action", "path", "open_id", "published_at")
    list_filter = ("action",)
    search_fields = ("root",)
    search_help_text = "an event's id, or a root as tenant/acme"
    actions = ("replay",)
    fields = ("id", "action", "all_paths", "open_id", "published_at", "content", "deliveries")
    readonly_fields = ("all_paths", "content", "deliveries")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if (found := uuid_of(search_term)) is not None:
            return queryset.filter(id=found), False
        return (queryset.filter(root=search_term) if search_term else queryset), False

    @admin.display(description="path")
    def path(self, row: Event) -> str:
        return str(row.paths.split("\n")[0])

    @admin.display(description="paths")
    def all_paths(self, row: Event) -> str:
        return str(row.paths)

    @admin.display(description="data")
    def content(self, row: Event) -> str:
        return _text(row.data)

    @admin.display(description="deliveries")
    def deliveries(self, row: Event) -> str:
        return _link(Delivery, "its deliveries", event__exact=row.pk)

    @admin.action(description="Replay: deliver again", permissions=["operate"])
    def replay(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        hooks = current()
        self.operate(
            request,
            rows,
            "deliveries are due again",
            lambda row: hooks.replay(event=str(row.id), actor=OPERATOR),
        )


@admin.register(Delivery)
class DeliveryAdmin(StoreAdmin):
    list_display = (
        *("row", "path", "url", "state", "attempts", "http_status", "outcome"),
        *("next_at", "updated_at"),
    )
    list_display_links = ("row",)
    list_filter = (StateFilter,)
    list_select_related = ("event", "subscription")
    search_fields = ("event",)
    search_help_text = "the id of an event or a subscription"
    actions = ("replay",)
    fields = (
        *("event", "subscription", "state", "attempts", "next_at", "http_status", "outcome"),
        *("duration_ms", "batch", "updated_at", "tried"),
    )
    readonly_fields = ("tried",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in ("event__exact", "subscription__exact") or super().lookup_allowed(
            lookup, value, request
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term:
            return queryset, False
        found = uuid_of(search_term)
        if found is None:
            return queryset.none(), False
        events = list(Event.objects.filter(id=found).values_list("seq", flat=True))
        if events:
            return queryset.filter(event__in=events), False
        subscriptions = Subscription.objects.filter(id=found).values_list("seq", flat=True)
        return queryset.filter(subscription__in=list(subscriptions)), False

    @admin.display(description="event – subscription")
    def row(self, row: Delivery) -> str:
        return str(row.pk)

    @admin.display(description="path")
    def path(self, row: Delivery) -> str:
        return f"{row.event.get_action_display()} {row.event.paths.split(chr(10))[0]}"

    @admin.display(description="URL")
    def url(self, row: Delivery) -> str:
        return row.subscription.url or f"socket: {row.subscription.socket_event}"

    @admin.display(description="attempts")
    def tried(self, row: Delivery) -> str:
        return _link(
            Attempt,
            "attempts that failed, or followed a failed one",
            event__exact=row.event.pk,
            subscription__exact=row.subscription.pk,
        )

    @admin.action(description="Replay: deliver again", permissions=["operate"])
    def replay(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        hooks = current()
        self.operate(
            request,
            rows.select_related("event", "subscription"),
            "deliveries are due again",
            lambda row: hooks.replay(
                event=str(row.event.id), subscription=str(row.subscription.id), actor=OPERATOR
            ),
        )


@admin.register(Attempt)
class AttemptAdmin(StoreAdmin):
    list_display = ("started_at", "event", "url", "n", "http_status", "outcome", "duration_ms")
    list_filter = ("outcome",)
    list_select_related = ("event", "subscription")
    fields = (
        *("event", "subscription", "n", "started_at", "duration_ms", "http_status", "outcome"),
        *("address", "answer", "batch"),
    )
    readonly_fields = ("answer",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in ("event__exact", "subscription__exact") or super().lookup_allowed(
            lookup, value, request
        )

    @admin.display(description="URL")
    def url(self, row: Attempt) -> str:
        return row.subscription.url or ""

    @admin.display(description="answer")
    def answer(self, row: Attempt) -> str:
        return _text(row.snippet)


def _text(data: Any) -> str:
    if data is None:
        return "–"
    raw = bytes(data)
    text = raw[:_SHOWN_BYTES].decode(errors="replace")
    more = len(raw) - _SHOWN_BYTES
    return text if more <= 0 else f"{text}… and {more:,} bytes more"


def _link(model: Any, text: str, **conditions: Any) -> str:
    """To the list of another table's rows."""
    url = reverse(f"admin:webhooksub_{model._meta.model_name}_changelist")
    query = "&".join(f"{name}={value}" for name, value in conditions.items())
    return format_html('<a href="{}?{}">{}</a>', url, query, text)
