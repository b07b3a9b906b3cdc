"""Who may subscribe to what, and what an answer tells whom."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from acme import PATH, RECORDS, Make

from webhooksub import (
    ALL,
    Catalog,
    ConfigurationError,
    Conflict,
    Dispatcher,
    NotFound,
    OperatorEvent,
    Subscription,
    SubscriptionInfo,
    SubscriptionStatus,
    UnknownResource,
    ValidationError,
)
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]


class Members:
    """Each actor is a member of some tenants, until thrown out."""

    def __init__(self, **tenants: set[str]) -> None:
        self.tenants = tenants
        self.fails = False

    def allows(self, actor: Any, root: tuple[str, str], operation: str) -> bool:
        return root[0] == "tenant" and root[1] in self.tenants.get(actor, set())

    def roots(self, actor: Any) -> Any:
        return ALL if actor == "operator" else [("tenant", t) for t in self.tenants.get(actor, ())]

    def owner_id(self, actor: Any) -> str:
        return str(actor)

    def still_allowed(self, owner_id: str, root: tuple[str, str]) -> bool:
        if self.fails:
            raise RuntimeError("the directory is down")
        return self.allows(owner_id, root, "read")


@pytest.fixture
def members() -> Members:
    return Members(ann={"acme"}, bob={"other"})


def add(hooks: Dispatcher, actor: str, **fields: Any) -> SubscriptionInfo:
    given = {"expires": timedelta(days=1)} | fields
    return hooks.subscribe(RECORDS, "any", "https://example.com/hook", actor=actor, **given)


def test_only_members_subscribe(make: Make, members: Members) -> None:
    hooks = make(authorizer=members)
    assert add(hooks, "ann").owner == "ann"
    with pytest.raises(NotFound):
        add(hooks, "bob")
    with pytest.raises(NotFound):
        add(hooks, None)  # type: ignore[arg-type]


def test_what_an_actor_may_not_see_is_as_if_it_were_not_there(make: Make, members: Members) -> None:
    hooks = make(authorizer=members)
    info = add(hooks, "ann")
    strange = "01890000-0000-7000-8000-000000000000"
    for use in (hooks.subscription, hooks.pause, hooks.unsubscribe, hooks.resume):
        answers = []
        for id_ in (info.id, strange, "no uuid"):
            with pytest.raises(NotFound) as caught:
                use(id_, actor="bob")
            answers.append(str(caught.value))
        assert len(set(answers)) == 1
    assert hooks.subscriptions(actor="bob") == []
    assert [s.id for s in hooks.subscriptions(actor="ann")] == [info.id]
    assert [s.id for s in hooks.subscriptions(actor="operator")] == [info.id]


def test_who_lost_access_stops_receiving_and_a_failing_authorizer_changes_nothing(
    make: Make, members: Members, receiver: Receiver, told: list[OperatorEvent]
) -> None:
    hooks = make(authorizer=members, config={"recheck_ms": 50}).start()
    info = hooks.subscribe(
        RECORDS, "any", receiver.url("/hook"), expires=timedelta(days=1), actor="ann"
    )
    members.fails = True
    while not any(event.kind == "authorizer_failed" for event in told):
        hooks.publish(PATH, "update", {"n": 1})
        assert hooks.flush(timeout=5).delivered == 1
    assert hooks.subscription(info.id, actor="ann").status is SubscriptionStatus.ACTIVE
    members.tenants["ann"], members.fails = set(), False
    members.tenants["auditor"] = {"acme"}

    def status() -> SubscriptionStatus:
        return hooks.subscription(info.id, actor="auditor").status

    for _ in range(100):
        hooks.flush(timeout=0.1)
        if status() is SubscriptionStatus.DISABLED:
            break
    found = hooks.subscription(info.id, actor="auditor")
    assert found.status is SubscriptionStatus.DISABLED
    assert found.status_reason and "no longer" in found.status_reason
    assert "disabled" in [event.kind for event in told]


def test_all_mistakes_of_a_subscription_come_at_once(make: Make) -> None:
    hooks = make(dev=False)
    with pytest.raises(ValidationError) as caught:
        hooks.subscribe(
            "tenant/{tenantId}/sidedrawer",
            "often",
            "http://localhost/x",
            expires="tomorrow",
            max_retries=1.5,
            integrity_key="whsec_!",
        )
    fields = {error.field for error in caught.value.errors}
    assert fields == {
        "resource",
        "modificationType",
        "notificationUrl",
        "expirationDateTime",
        "maxRetries",
        "integrityKey",
    }


def test_a_value_made_elsewhere_can_be_subscribed(make: Make) -> None:
    hooks = make()
    value = Subscription(
        resource=RECORDS,
        modification_type="update",
        notification_url="https://example.com/hook?token=t",
        expires="2099-01-01T00:00:00+02:00",
    )
    info = hooks.subscribe(value)
    assert info.subscription == value
    assert hooks.subscription(info.id).subscription == value


def test_a_document_read_is_a_document_that_can_be_put_back(make: Make) -> None:
    hooks = make()
    info = add(hooks, "x", integrity_key="s" * 32)
    assert info.subscription is not None
    document = hooks.parse(info.subscription.to_json(), replaces=info.id)
    changed = hooks.update(info.id, document)
    assert changed.has_integrity_key
    cleared = hooks.parse(
        info.subscription.to_json()[:-1] + ',"integrityKey":""}', replaces=info.id
    )
    assert not hooks.update(info.id, cleared).has_integrity_key


def test_a_change_of_what_was_changed_meanwhile_is_a_conflict(make: Make) -> None:
    hooks = make()
    info = add(hooks, "x")
    hooks.pause(info.id)
    with pytest.raises(Conflict):
        hooks.update(info.id, brand_code="b", revision=info.revision)


def test_a_subscription_of_another_catalog_is_invalid_and_hears_nothing(
    make: Make, told: list[OperatorEvent]
) -> None:
    first = make()
    info = add(first, "x")
    first.close()
    catalog = Catalog.of("repos/{owner}/{repo}/issues/{number}")
    second = make(catalog=catalog).start()
    second.flush(timeout=5)
    found = second.subscription(info.id)
    assert (found.status, found.subscription) == (SubscriptionStatus.INVALID, None)


def test_an_unknown_path_names_the_nearest_template(make: Make) -> None:
    hooks = make()
    with pytest.raises(UnknownResource, match="sidedrawer"):
        hooks.publish("tenant/acme/sidedraw/s1", "update")
    with pytest.raises(ValidationError):
        hooks.publish(RECORDS + "/{recordId}", "update")
    with pytest.raises(ValidationError, match="action"):
        hooks.publish(PATH, "any")


@pytest.mark.stores("sqlite")
def test_a_second_dispatcher_is_refused_by_the_name_of_the_first(make: Make) -> None:
    make().start()
    with pytest.raises(ConfigurationError, match="dispatcher"):
        make().start()


def test_sockets_are_refused_where_no_transport_is(make: Make) -> None:
    with pytest.raises(ValidationError, match="SOCKET"):
        make().subscribe(
            RECORDS,
            "any",
            connection_type="SOCKET",
            notification_messages="changed",
            expires=timedelta(days=1),
        )


def test_explain_tells_why(make: Make, receiver: Receiver, subscribe: Subscribe) -> None:
    hooks = make().start()
    early = hooks.publish(PATH, "update", {"n": 0})
    info = subscribe(hooks, action="update")

    def code(path: str, action: str, **more: str) -> str:
        [answer] = hooks.explain(path, action, subscription=info.id, **more)
        return answer.code

    assert code(PATH, "update") == "hears"
    assert code(PATH, "delete") == "not_covered"
    assert code("tenant/acme/sidedrawer/s2/record/r1", "update") == "not_covered"
    assert code(PATH, "update", event=early.id) == "created_later"
    event = hooks.publish(PATH, "update", {"n": 1})
    hooks.flush(timeout=10)
    assert code(PATH, "update", event=event.id) == "delivered"
