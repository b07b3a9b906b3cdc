"""Verifying on the other side: what passes, and that only one exception ever comes."""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooksub import ConfigurationError, VerificationError, Verifier, _core

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = json.dumps(
    {
        "id": "msg_1",
        "subscriptionId": "s",
        "resource": "tenant/t/sidedrawer",
        "resourcePath": "tenant/t/sidedrawer/s",
        "modificationType": "update",
        "rawTime": "2026-01-01T00:00:00.000Z",
        "data": {"n": 1},
    }
).encode()


def signed(body: bytes = BODY, *, at: int = TIMESTAMP, key: str = KEY) -> dict[str, str]:
    integrity, standard = _core.sign([_core.decode_key(key)], ID, at, body)
    return {
        "Webhook-Id": ID,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": standard,
        "IntegrityHash": integrity,
    }


def verifier(keys: Any = KEY, **options: Any) -> Verifier:
    return Verifier(keys, clock=lambda: TIMESTAMP, **options)


def test_the_published_vectors_sign_and_verify() -> None:
    body = b'{"test": 2432232314}'
    _, standard = _core.sign([_core.decode_key(KEY)], ID, TIMESTAMP, body)
    assert standard == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    plain = _core.decode_key("It's a Secret to Everybody")
    integrity, _ = _core.sign([plain], "x", 1, b"Hello, World!")
    assert integrity == "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_a_signed_notification_is_read() -> None:
    [notification] = verifier().verify(BODY, signed())
    assert (notification.id, notification.resource_path) == ("msg_1", "tenant/t/sidedrawer/s")
    assert (notification.brand_code, notification.data) == (None, {"n": 1})


def test_headers_may_be_pairs_or_bytes_and_either_signature_is_enough() -> None:
    headers = signed()
    assert verifier().verify(BODY, list(headers.items()))
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert verifier().verify(BODY, raw)  # type: ignore[arg-type]
    only = {"integrityHash": headers["IntegrityHash"]}
    assert verifier().verify(BODY, only)
    with pytest.raises(VerificationError):
        verifier(require_standard=True).verify(BODY, only)


def test_a_batch_is_read_as_its_notifications() -> None:
    body = b"[" + BODY + b"," + BODY + b"]"
    assert len(verifier().verify(body, signed(body))) == 2


def test_any_of_several_keys_verifies_while_one_is_replaced() -> None:
    assert verifier(["another-key-of-24-bytes....", KEY]).verify(BODY, signed())
    with pytest.raises(VerificationError):
        verifier("another-key-of-24-bytes....").verify(BODY, signed())


@pytest.mark.parametrize(
    ("age", "passes"), [(300, True), (301, False), (-300, True), (-301, False)]
)
def test_a_timestamp_may_be_five_minutes_off_either_way(age: int, passes: bool) -> None:
    headers = signed(at=TIMESTAMP - age)
    if passes:
        assert verifier().verify(BODY, headers)
    else:
        with pytest.raises(VerificationError):
            verifier().verify(BODY, headers)


def without(name: str) -> dict[str, str]:
    return {k: v for k, v in signed().items() if k != name}


HOSTILE: list[tuple[Any, Any]] = [
    (BODY + b" ", signed()),
    (BODY, {}),
    (BODY, without("Webhook-Id")),
    (BODY, without("Webhook-Timestamp")),
    (BODY, [*signed().items(), ("webhook-id", ID)]),
    (BODY, signed() | {"Webhook-Signature": "v1"}),
    (BODY, signed() | {"Webhook-Signature": "v1,"}),
    (BODY, signed() | {"Webhook-Signature": "v1,!!!!"}),
    (BODY, signed() | {"Webhook-Signature": "v1a,AAAA"}),
    (BODY, signed() | {"Webhook-Signature": " ".join(["v1,AAAA"] * 100_000)}),
    (BODY, signed() | {"Webhook-Signature": "v1,ключ"}),
    (BODY, signed() | {"Webhook-Timestamp": "nan"}),
    (BODY, signed() | {"Webhook-Timestamp": "1e400"}),
    (BODY, signed() | {"Webhook-Timestamp": "-1"}),
    (BODY, signed() | {"Webhook-Timestamp": "١٢٣"}),
    (BODY, signed() | {"Webhook-Id": "a.b"}),
    (BODY, signed() | {"IntegrityHash": ""}),
    (BODY, signed() | {"IntegrityHash": "00"}),
    (BODY.decode(), signed()),
    (None, signed()),
    (b"\xff", signed(b"\xff")),
    (b"[" * 100_000, signed(b"[" * 100_000)),
    (b"5", signed(b"5")),
    (b"[5]", signed(b"[5]")),
    (b'{"id": 5}', signed(b'{"id": 5}')),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_whatever_a_sender_does_is_one_exception(number: int) -> None:
    body, headers = HOSTILE[number]
    with pytest.raises(VerificationError):
        verifier().verify(body, headers)


@given(
    body=st.binary(max_size=200),
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "integrityHash"]),
        st.text(max_size=60),
    ),
)
def test_noise_is_one_exception(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(VerificationError):
        verifier().verify(body, headers)


@given(data=st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=20))
def test_what_was_signed_verifies_and_arrives_unchanged(data: Any) -> None:
    body = json.dumps(json.loads(BODY) | {"data": data}).encode()
    [notification] = verifier().verify(body, signed(body))
    assert notification.data == data


def test_a_wrong_key_is_a_mistake_of_the_configuration_and_not_shown() -> None:
    for wrong in ([], "", "whsec_", "whsec_canary!"):
        with pytest.raises(ConfigurationError) as caught:
            Verifier(wrong)
        assert "canary" not in str(caught.value)
    assert KEY not in repr(verifier())


def test_base64_is_understood_where_the_sender_was_set_to_it() -> None:
    key = _core.decode_key(KEY)
    integrity, _ = _core.sign([key], ID, TIMESTAMP, BODY, encoding="base64")
    assert base64.b64decode(integrity)
    assert verifier().verify(BODY, {"integrityHash": integrity})


def test_the_clock_may_be_a_float() -> None:
    assert Verifier(KEY, clock=lambda: TIMESTAMP + math.pi).verify(BODY, signed())


def test_keys_are_a_list_or_a_tuple_because_they_are_borrowed() -> None:
    class Computed(list[bytes]):
        def __getitem__(self, index: Any) -> Any:
            return bytes([107]) * 32

    assert _core.sign((b"k" * 32,), ID, TIMESTAMP, BODY)
    with pytest.raises(TypeError, match="list or a tuple"):
        _core.sign(Computed([b"k" * 32]), ID, TIMESTAMP, BODY)
