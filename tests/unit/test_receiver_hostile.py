"""Bodies that a sender signed well and wrote badly, headers that no server should pass on."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webhooksub import Notification, VerificationError, Verifier, _core

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, NOW = "msg_1", 1_614_265_330
HEADERS = ["webhook-id", "webhook-timestamp", "webhook-signature", "integrityhash"]
WHOLE = {
    "id": ID,
    "subscriptionId": "s",
    "resource": "tenant/t/sidedrawer",
    "resourcePath": "tenant/t/sidedrawer/s",
    "modificationType": "update",
    "rawTime": "2026-01-01T00:00:00.000Z",
    "brandCode": "b",
    "openId": "auth0|1",
    "data": {"n": 1},
}
VERIFIER = Verifier([KEY, "k" * 32], clock=lambda: NOW)


def signed(body: bytes) -> dict[str, str]:
    integrity, standard = _core.sign([_core.decode_key(KEY)], ID, NOW, body)
    return dict(zip(HEADERS, [ID, str(NOW), standard, integrity], strict=True))


def outcome(body: Any, headers: Any) -> tuple[Notification, ...] | None:
    """What a request is read as. Any other exception than the one fails the test."""
    try:
        read = VERIFIER.verify(body, headers)
    except VerificationError as error:
        assert KEY not in str(error)
        return None
    assert isinstance(read, tuple)
    return read


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60))
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example(b'"\\ud800"')
@example(b"1" * 5_000)
@example(b"[" * 100_000)
@example(b"[" * 67 + b"]" * 67)
@example(b"{}{}")
@example(b"NaN")
def test_bytes_that_were_signed_are_read_or_refused(body: bytes) -> None:
    assert not outcome(body, signed(body))


@settings(deadline=None, max_examples=300)
@given(VALUES)
def test_a_signed_document_is_read_or_refused(document: Any) -> None:
    body = json.dumps(document).encode()
    assert not outcome(body, signed(body))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(WHOLE)), VALUES)
def test_a_field_of_another_type_is_refused_or_is_data(name: str, value: Any) -> None:
    body = json.dumps(WHOLE | {name: value}).encode()
    read = outcome(body, signed(body))
    if name == "data" and "NaN" not in str(body) and "Infinity" not in str(body):
        assert read
    if read and name != "data":
        assert value is None or isinstance(value, str)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from([WHOLE, {}, None, [WHOLE], 1]), max_size=4))
def test_a_batch_with_one_bad_notification_is_refused_whole(items: list[Any]) -> None:
    body = json.dumps(items).encode()
    read = outcome(body, signed(body))
    assert (read is not None) == all(item is WHOLE for item in items)
    assert read is None or len(read) == len(items)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10_000), st.integers(1, 255), st.sampled_from([*HEADERS, "body"]))
def test_no_changed_byte_verifies(at: int, change: int, where: str) -> None:
    body = json.dumps(WHOLE).encode()
    headers = signed(body)
    if where == "body":
        changed = bytearray(body)
        changed[at % len(body)] ^= change
        assert not outcome(bytes(changed), headers)
        return
    value = bytearray(headers[where].encode())
    value[at % len(value)] ^= change
    text = value.decode("latin-1")
    same = where == "integrityhash" and text.lower() == headers[where]
    if not same and where != "webhook-timestamp":  # seconds later is as good as signed, below
        assert not outcome(body, headers | {where: text})
    assert not outcome(body, headers | {"webhook-timestamp": str(NOW + change)})


NOISE = st.text(max_size=80) | st.binary(max_size=80) | st.none() | st.integers()


@settings(deadline=None, max_examples=500)
@given(st.dictionaries(st.sampled_from(HEADERS), NOISE), st.booleans())
def test_headers_are_read_or_refused(changes: dict[str, Any], pairs: bool) -> None:
    body = json.dumps(WHOLE).encode()
    headers = signed(body) | changes
    outcome(body, list(headers.items()) if pairs else headers)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([*HEADERS, "IntegrityHash"]) | NOISE, NOISE), max_size=6))
def test_headers_of_noise_alone_never_verify(headers: list[tuple[Any, Any]]) -> None:
    body = json.dumps(WHOLE).encode()
    assert outcome(body, headers) is None


@pytest.mark.parametrize("name", HEADERS)
def test_a_repeated_header_is_refused_in_any_case(name: str) -> None:
    body = json.dumps(WHOLE).encode()
    headers = list(signed(body).items())
    assert outcome(body, headers)
    again = dict(headers)[name]
    for other in (name, name.upper(), name.title().encode()):
        assert outcome(body, [*headers, (other, again)]) is None


@pytest.mark.parametrize("body", ["text", None, 1, [], {}, ["a"], [1, 2]])
def test_a_body_that_is_not_bytes_is_refused(body: Any) -> None:
    assert outcome(body, signed(b"text")) is None
