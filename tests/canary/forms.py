"""Every way in which a secret might be written down, cut to what is still recognisable."""

import base64
from dataclasses import dataclass, field

#: So many characters are no accident, and a leak that was cut may hold no more.
_LONG_ENOUGH = 12


@dataclass(frozen=True, slots=True)
class Secret:
    """`text` as its owner wrote it, `raw` the bytes that it stands for."""

    name: str
    text: str = field(repr=False)
    raw: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, text: str) -> "Secret":
        encoded = text.removeprefix("whsec_")
        raw = base64.b64decode(encoded) if encoded != text else text.encode()
        return cls(name, text, raw)

    @classmethod
    def of_keyring(cls, entry: str) -> "Secret":
        """Of ``ID:BASE64``."""
        text = entry.partition(":")[2]
        return cls("keyring", text, base64.b64decode(text))


def all_of(given: dict[str, str]) -> list[Secret]:
    """By their names, of which one is the keyring's."""
    return [
        Secret.of_keyring(text) if name == "keyring" else Secret.of(name, text)
        for name, text in given.items()
    ]


def forms(secret: Secret) -> dict[str, set[bytes]]:
    """By kind, the beginnings and ends to be looked for."""
    whole = {
        "raw": [secret.raw, secret.raw[::-1], secret.text.removeprefix("whsec_").encode()],
        "escaped": [repr(secret.raw)[2:-1].encode()],
        "hex": [secret.raw.hex().encode(), secret.raw.hex().upper().encode()],
        "base64": [*_base64(secret.raw), *_base64(secret.text.encode())],
    }
    return {kind: {end for form in forms for end in _ends(form)} for kind, forms in whole.items()}


def _base64(raw: bytes) -> list[bytes]:
    """Also from within a longer text: then it begins at any of three places of a group, and
    the characters at both ends belong to its neighbours as well."""
    found = []
    for shift in range(3):
        inner = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 :]
        inner = inner.rstrip(b"=")[:-1]
        found += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    return found


def _ends(form: bytes) -> tuple[bytes, bytes]:
    assert len(form) >= _LONG_ENOUGH, "a secret must be long enough to be looked for"
    return form[:_LONG_ENOUGH], form[-_LONG_ENOUGH:]


def occurrences(content: bytes, secrets: list[Secret]) -> list[str]:
    """``name, kind`` of each form that stands there."""
    return [
        f"{secret.name}, {kind}"
        for secret in secrets
        for kind, needles in forms(secret).items()
        if any(needle in content for needle in needles)
    ]
