"""The operator may call integrityHash otherwise; then nobody else's header has that name."""

from collections.abc import Callable

import pytest
from acme import PATH, RECORDS, Make

from webhooksub import ConfigurationError, SubscriptionInfo, ValidationError
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]
RENAMED = {"integrity_header": "X-Hash"}


def test_a_subscription_cannot_choose_the_operator_s_header(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make(config=RENAMED)
    with pytest.raises(ValidationError) as refused:
        subscribe(hooks, delivery={"headers": {"x-hash": "mine"}})
    [mistake] = refused.value.errors
    assert (mistake.field, mistake.code) == ("delivery.headers.x-hash", "forbidden")
    document = (
        f'{{"modificationType": "any", "resource": "{RECORDS}",'
        f' "notificationUrl": "{receiver.url()}", "expirationDateTime": "2099-01-01T00:00:00Z",'
        ' "delivery": {"headers": {"X-HASH": "mine"}}}'
    )
    with pytest.raises(ValidationError):
        hooks.parse(document)
    info = subscribe(hooks, delivery={"headers": {"X-Other": "mine"}})
    with pytest.raises(ValidationError):
        hooks.update(info.id, delivery={"headers": {"X-Hash": "mine"}})


def test_one_that_had_it_before_is_sent_the_operator_s_alone(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make()
    subscribe(hooks, delivery={"headers": {"X-Hash": "mine", "X-Other": "mine"}})
    hooks.close()
    hooks = make(config=RENAMED).start()
    hooks.publish(PATH, "update", {"n": 1})
    [request] = receiver.wait_for(1)
    [value] = request.headers.get_all("X-Hash") or []
    assert value != "mine" and len(value) == 64
    assert request.headers["X-Other"] == "mine"


@pytest.mark.parametrize("name", ["accept", "Content-Type", "webhook-id", "X\r\nHash", ""])
def test_a_name_that_another_header_has_is_no_name_for_it(make: Make, name: str) -> None:
    with pytest.raises(ConfigurationError, match="integrity_header"):
        make(config={"integrity_header": name}).start()
