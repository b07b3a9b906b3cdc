"""A subscription's key can be given and compared, never seen."""

import copy
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from subscriptions import CANARY, SAMPLE, URL, document, make

from webhooksub import Subscription, ValidationError


def shown(value: Subscription) -> Iterator[str]:
    yield from (repr(value), str(value), f"{value}", value.to_json(), repr(value.warnings))
    yield repr(value.__reduce__())
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.dumps(value, protocol).decode("latin-1")
    for name in dir(value):
        if name not in ("_key", "_with_key"):
            yield repr(getattr(value, name))


def test_a_key_is_shown_nowhere() -> None:
    with_key = make(integrity_key=CANARY)
    for text in shown(with_key):
        assert CANARY not in text
    assert "integrity_key='***'" in repr(with_key)
    assert with_key._key() == CANARY.encode()


def test_a_key_is_in_no_mistake() -> None:
    wrong: list[Callable[[], object]] = [
        lambda: Subscription.from_json(
            SAMPLE.replace('"integrityKey": ""', f'"integrityKey": "{CANARY}"')[:-1]
            + f', "webhookSecret": "{CANARY}"}}'
        ),
        lambda: Subscription.from_json(document(integrityKey=[CANARY])),
        lambda: Subscription.from_json(document(integrityKey="whsec_" + CANARY)),
        lambda: Subscription.from_json(document(integrityKey=CANARY) + CANARY),
        lambda: make(integrity_key=CANARY + "\n"),
        lambda: make(integrity_key=CANARY * 20),
        lambda: make(integrity_key=CANARY.encode()),
        lambda: make(integrity_key=CANARY + "\udcff"),
        lambda: make(integrity_key=CANARY, resource=CANARY, brand_code="\n"),
        lambda: make(integrity_key=CANARY).replace(integrity_key="whsec_" + CANARY),
    ]
    for call in wrong:
        with pytest.raises(ValidationError) as caught:
            call()
        error: BaseException | None = caught.value
        while error is not None:  # also what it was raised from
            assert CANARY not in str(error) + repr(error)
            error = error.__cause__ or error.__context__


def test_the_hash_does_not_depend_on_the_key() -> None:
    assert hash(make(integrity_key=CANARY)) == hash(make(integrity_key="k" * 32)) == hash(make())


def test_a_pickle_has_everything_but_the_key() -> None:
    value = make(integrity_key=CANARY, max_retries=2, delivery={"headers": {"X-A": "b"}})
    again = pickle.loads(pickle.dumps(value))
    assert again != value
    assert again._with_key(CANARY.encode()) == value


def test_a_pickle_is_read_though_its_date_has_passed() -> None:
    past = make(expires="2020-01-01T00:00:00Z", now=datetime(2019, 1, 1, tzinfo=UTC))
    assert pickle.loads(pickle.dumps(past)) == past


def test_a_copy_in_the_same_process_is_the_same() -> None:
    value = make(integrity_key=CANARY)
    assert copy.copy(value) is value
    assert copy.deepcopy([value])[0] is value


def test_the_query_of_a_url_is_not_in_the_repr() -> None:
    value = make(notification_url=URL + "/%C3%BC?token=" + CANARY)
    assert CANARY not in repr(value)
    assert f"notification_url='{URL}/" in repr(value)
    assert "?…'" in repr(value)


def test_a_repr_names_what_identifies_it() -> None:
    assert repr(make()) == (
        "Subscription(resource='tenant/t1/sidedrawer', modification_type='any', "
        f"notification_url='{URL}', expires='2029-07-07T14:40:40-03:00')"
    )
