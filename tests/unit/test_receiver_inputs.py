"""What a Verifier takes, kind by kind. The standard library signs, as a second opinion."""

import base64
import hashlib
import hmac
import http.client
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from webhooksub import ConfigurationError, Notification, VerificationError, Verifier
from webhooksub.receiver import Headers

NOW = 1_800_000_000
KEY = "plain text of 24 or more bytes"
OTHER = "another text of 24 or more bytes"
NOTIFICATION = {
    "id": "msg_1",
    "subscriptionId": "01a21172-15d5-73b5-8f9e-a20333556221",
    "resource": "tenant/acme/sidedrawer/s1/record",
    "resourcePath": "tenant/acme/sidedrawer/s1/record/r9",
    "modificationType": "update",
    "rawTime": "2027-01-15T08:00:00.000Z",
}


def verifier(keys: Any = KEY, *, now: float = NOW, **settings: Any) -> Verifier:
    return Verifier(keys, clock=lambda: now, **settings)


def body_of(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


BODY = body_of(NOTIFICATION)


# The sender's side, by the standard library.
def mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b".".join(parts), hashlib.sha256).digest()


def standard(body: bytes = BODY, key: str = KEY, at: Any = NOW, id_: str = "msg_1") -> dict:
    """Standard Webhooks headers."""
    made = mac(key.encode(), id_.encode(), str(at).encode(), body)
    signature = "v1," + base64.b64encode(made).decode()
    return {"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": signature}


def integrity(body: bytes = BODY, key: str = KEY) -> dict[str, str]:
    return {"integrityHash": mac(key.encode(), body).hex()}


def refused(body: Any, headers: Headers, **settings: Any) -> str:
    with pytest.raises(VerificationError) as caught:
        verifier(**settings).verify(body, headers)
    assert type(caught.value) is VerificationError
    return str(caught.value)


# --- published vectors ------------------------------------------------------------------

FIRST = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FIRST_BODY = b'{"test": 2432232314}'
FIRST_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
SECOND_BODY = b'{"email":"test@example.com","username":"test_user"}'
SECOND_HEADERS = {
    "webhook-id": "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
    "webhook-timestamp": "1649367553",
    "webhook-signature": "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
}
SIGNED_NO_NOTIFICATION = "the body is no notification"


@pytest.mark.parametrize(
    ("key", "body", "headers"),
    [
        (FIRST, FIRST_BODY, FIRST_HEADERS),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SECOND_BODY, SECOND_HEADERS),
    ],
)
def test_vectors_of_standard_webhooks_pass_the_signature(
    key: str, body: bytes, headers: dict[str, str]
) -> None:
    """Their bodies are nobody's notifications: that comes after the signature."""
    now = int(headers["webhook-timestamp"])
    assert refused(body, headers, keys=key, now=now) == SIGNED_NO_NOTIFICATION
    assert refused(body + b" ", headers, keys=key, now=now) == "webhook-signature does not verify"


def test_a_vector_with_its_last_byte_changed_fails() -> None:
    headers = FIRST_HEADERS | {
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="
    }
    assert refused(FIRST_BODY, headers, keys=FIRST, now=1614265330) != SIGNED_NO_NOTIFICATION


def test_one_good_signature_among_others_is_enough() -> None:
    wrong = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
    good = FIRST_HEADERS["webhook-signature"]
    headers = FIRST_HEADERS | {"webhook-signature": f"v1,{wrong} v2,{wrong} {good} v1,{wrong}"}
    assert refused(FIRST_BODY, headers, keys=FIRST, now=1614265330) == SIGNED_NO_NOTIFICATION


def test_keys_behind_whsec_may_lack_their_padding() -> None:
    for text in ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr"):
        key = base64.b64decode(text + "=" * (-len(text) % 4))
        headers = {"integrityHash": mac(key, BODY).hex()}
        assert verifier("whsec_" + text).verify(BODY, headers)


# --- what a verified request says -------------------------------------------------------


def test_a_notification_is_a_frozen_typed_value() -> None:
    document = NOTIFICATION | {
        "brandCode": "mybrand",
        "openId": "auth0|12345abcde",
        "data": {"name": "Größe 7"},
        "later": "a field of a newer sender",
    }
    body = body_of(document)
    [notification] = verifier().verify(body, standard(body) | integrity(body))
    assert notification == Notification(
        id="msg_1",
        subscription_id=NOTIFICATION["subscriptionId"],
        resource=NOTIFICATION["resource"],
        resource_path=NOTIFICATION["resourcePath"],
        modification_type="update",
        raw_time="2027-01-15T08:00:00.000Z",
        brand_code="mybrand",
        open_id="auth0|12345abcde",
        data={"name": "Größe 7"},
    )
    with pytest.raises(AttributeError):
        notification.id = "msg_2"  # type: ignore[misc]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_body_may_be_anything_that_holds_bytes(kind: type) -> None:
    assert verifier().verify(kind(BODY), integrity())


# --- keys -------------------------------------------------------------------------------


def test_more_keys_than_can_be_tried_are_refused_at_once() -> None:
    keys = [f"{KEY} {n}" for n in range(11)]
    assert verifier(keys[:10]).verify(BODY, integrity(key=keys[9]))
    with pytest.raises(ConfigurationError, match="10 keys"):
        Verifier(keys)


@pytest.mark.parametrize("tolerance", [-1, 2**63, 1.5, None])
def test_a_tolerance_that_is_no_number_of_seconds_is_refused_at_once(tolerance: Any) -> None:
    with pytest.raises(ConfigurationError, match="tolerance"):
        Verifier(KEY, tolerance=tolerance)


# --- headers ----------------------------------------------------------------------------


class Items:
    """What many frameworks have: items, and no Mapping above them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def items(self) -> list[tuple[str, str]]:
        return list(self._headers.items())


def parsed(headers: Mapping[str, str]) -> Any:
    """As the standard library's servers hand them out."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return http.client.parse_headers(io.BytesIO((lines + "\r\n").encode()))


@pytest.mark.parametrize(
    "kind",
    [
        dict,
        Items,
        parsed,
        lambda h: list(h.items()),
        lambda h: [(k.encode(), v.encode()) for k, v in h.items()],
        lambda h: {k.upper(): v for k, v in h.items()},
        lambda h: {k.title(): v for k, v in h.items()},
        lambda h: h | {"Accept": "*/*", "X-Größe": "\udcff"},
    ],
    ids=["dict", "items", "parsed", "pairs", "bytes", "upper", "title", "others"],
)
def test_headers_come_as_any_framework_has_them(kind: Any) -> None:
    headers = standard() | integrity()
    assert verifier(require_standard=True).verify(BODY, kind(headers))


@pytest.mark.parametrize("name", [*standard(), "integrityHash"])
def test_a_repeated_header_is_refused_wherever_it_is_seen(name: str) -> None:
    headers = standard() | integrity()
    twice = [*headers.items(), (name.upper(), headers[name])]
    assert "repeated" in refused(BODY, twice)
    message = parsed(headers)
    message[name] = headers[name]
    assert "repeated" in refused(BODY, message)
    assert "repeated" in refused(BODY, headers | {name.upper(): headers[name]})


def test_a_request_without_any_signature_is_refused() -> None:
    assert refused(BODY, {}) == "the request carries no signature"
    assert refused(BODY, {"webhook-id": "msg_1", "webhook-timestamp": str(NOW)})
    refused(BODY, integrity(), require_standard=True)


def test_one_good_signature_does_not_excuse_a_bad_one() -> None:
    refused(BODY, standard() | integrity(key=OTHER))
    refused(BODY, standard(key=OTHER) | integrity())


def test_the_hash_may_be_base64_and_have_another_name() -> None:
    made = base64.b64encode(mac(KEY.encode(), BODY)).decode()
    renamed = verifier(integrity_header="X-Body-Hash")
    assert renamed.verify(BODY, {"x-body-hash": made})
    refused(BODY, integrity(), integrity_header="X-Body-Hash")


# --- time -------------------------------------------------------------------------------


def test_another_tolerance_is_obeyed() -> None:
    assert verifier(now=NOW + 301, tolerance=301).verify(BODY, standard())
    refused(BODY, standard(), now=NOW + 1, tolerance=0)


@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "1e400", "-1", "+1", " 1", "1 ", "1_000", "0x10", "161426533.0", "", "9" * 5000]
    + ["٣" * 10, "１" * 10, "1800000000\0", "\ud800"],
)
def test_a_timestamp_that_is_no_whole_number_is_refused(text: str) -> None:
    headers = standard() | {"webhook-timestamp": text}
    refused(BODY, headers)


# --- hostile input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", " ", "v1", "v1,", "v1,,", ",", "v1,=", "v1,====", "v1,A", "v1a,AAAA", "v2,AAAA"]
    + ["v1,!!!!", "v1," + "A" * 10**6, "v1,AAAA " * 10**5, "v1," + "Ä" * 44, "\0", "\udcff"]
    + ["v1,_-" + "A" * 41 + "="],
)
def test_a_signature_that_is_none_is_refused(text: str) -> None:
    refused(BODY, standard() | {"webhook-signature": text})


@pytest.mark.parametrize("text", ["", "0", "0" * 63, "0" * 65, "g" * 64, "=" * 44, "Ä" * 64, "\0"])
def test_a_hash_that_is_none_is_refused(text: str) -> None:
    refused(BODY, {"integrityHash": text})


@pytest.mark.parametrize("id_", ["", "a.b", "a b", "a\nb", "a\0b", "x" * 257, "é"])
def test_an_id_that_could_be_read_two_ways_is_refused(id_: str) -> None:
    refused(BODY, standard(id_=id_))


@pytest.mark.parametrize("value", [None, 1, [b"x"], ["x", "y"], object()])
def test_a_header_value_that_is_no_text_is_refused(value: Any) -> None:
    for name in (*standard(), "integrityHash"):
        refused(BODY, standard() | integrity() | {name: value})


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"nope", b"NaN", b"\xff", b"\xef\xbb\xbf" + BODY, BODY + b"x", BODY + BODY]
    + [BODY.decode().encode("utf-16"), b"[" * 100_000, b'{"id":"\xed\xa0\x80"}'],
)
def test_a_signed_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert refused(body, integrity(body)) == "the body is no JSON"


@pytest.mark.parametrize(
    "document",
    [None, 5, "text", {}, [None], [[NOTIFICATION]], [NOTIFICATION, {}], NOTIFICATION | {"id": 5}]
    + [{k: v for k, v in NOTIFICATION.items() if k != name} for name in NOTIFICATION]
    + [NOTIFICATION | {name: [1]} for name in (*NOTIFICATION, "brandCode", "openId")],
)
def test_a_signed_document_that_is_no_notification_is_refused(document: Any) -> None:
    body = body_of(document)
    assert refused(body, integrity(body)) == SIGNED_NO_NOTIFICATION


def test_data_as_deep_as_a_publisher_may_send_arrives_in_a_batch() -> None:
    body = b"[" + BODY[:-1] + b',"data":' + b"[" * 64 + b"]" * 64 + b"}]"
    [notification] = verifier().verify(body, integrity(body))
    assert str(notification.data).count("[") == 64
