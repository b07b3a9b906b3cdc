"""A small part of ``make canary``, and that it can fail."""

import base64
from pathlib import Path

import canary
import pytest
from forms import Secret, all_of, forms, occurrences

from webhooksub.secret import SecretBytes, SecretText, concealed, hidden

KEYS = {"plain": "QmVmb3JlIHRoZSBmYWxsLCBicmlk", "whsec": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}


@pytest.mark.timeout(300)
def test_a_service_shows_no_secret(tmp_path: Path) -> None:
    found = canary.run(tmp_path, ["subscriptions", "errors", "api"])
    canary.show(found)
    assert [(row.place, row.occurrences) for row in found if row.occurrences] == []
    looked_at = {row.place for row in found if row.looked_at > 1}
    assert looked_at >= {"logs", "repr", "exceptions", "frames", "pickle", "JSON", "database, WAL"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("sabotage", "chapter", "place"),
    [
        ("log-secret", "subscriptions", "logs"),
        ("show-secret", "subscriptions", "repr"),
        ("send-secret", "deliveries", "requests"),
        ("plain-store", "subscriptions", "database, WAL"),
    ],
)
def test_a_careless_line_is_found_where_it_shows(
    tmp_path: Path, sabotage: str, chapter: str, place: str
) -> None:
    found = canary.run(tmp_path, [chapter], sabotage)
    assert place in {row.place for row in found if row.occurrences}


def test_every_form_of_a_secret_is_found_also_when_it_is_cut() -> None:
    for secret in all_of(KEYS):
        raw = secret.raw
        for kind, shown in (
            ("raw", raw),
            ("raw", raw[:13]),
            ("escaped", repr(b"key=" + raw).encode()),
            ("hex", raw.hex().encode()),
            ("hex", raw.hex()[-20:].upper().encode()),
            ("base64", base64.b64encode(raw)),
            ("base64", base64.b64encode(b"x" + raw + b"yz")),
            ("base64", base64.urlsafe_b64encode(b"xy" + raw).rstrip(b"=")),
        ):
            assert f"{secret.name}, {kind}" in occurrences(b"some " + shown + b" more", [secret])
        assert occurrences(b"some " + raw[:8] + b" more", [secret]) == []


def test_a_secret_too_short_to_be_looked_for_is_refused() -> None:
    with pytest.raises(AssertionError, match="long enough"):
        forms(Secret.of("short", "key"))


def test_a_secret_is_itself_and_shows_nothing() -> None:
    text, raw = SecretText("canary"), SecretBytes(b"canary")
    assert (text, raw) == ("canary", b"canary")
    assert (text[:], bytes(raw), SecretText(text)) == ("canary", b"canary", "canary")
    for shown in (repr([text, raw]), str(text), str(raw), f"{text} {raw}", f"{text!s:>20}"):
        assert "canary" not in shown
    assert concealed({"integrity_key": "a", "url": "b"}) == {"integrity_key": "a", "url": "b"}
    assert repr(concealed({"integrityKey": b"a", "n": 1})) == "{'integrityKey': <secret>, 'n': 1}"
    assert hidden(None) is None
