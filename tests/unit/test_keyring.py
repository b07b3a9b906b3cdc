"""A keyring: read from a text, a file or a callable, sealing by its first key, never seen."""

import base64
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import webhooksub
from webhooksub import Config, ConfigurationError, Keyring, KeyUnreadable, _core
from webhooksub.keyring import NO_KEYRING

OLD, NEW = b"canary-of-the-old-key-0123456789", b"canary-of-the-new-key-0123456789"
ID = bytes(range(16))


def entry(id_: int, key: bytes) -> str:
    return f"{id_}:{base64.b64encode(key).decode()}"


BOTH = f"{entry(2, NEW)},{entry(1, OLD)}"


@pytest.mark.parametrize(
    "given",
    [
        BOTH,
        BOTH.encode(),
        f"  {entry(2, NEW)}  # the new one\n\n# by hand\n{entry(1, OLD)}\n",
        {2: NEW, 1: OLD},
        lambda: BOTH,
        lambda: {2: NEW, 1: OLD},
        Keyring.of(BOTH),
    ],
)
def test_keys_come_from_a_text_from_a_mapping_or_from_who_fetches_them(given: Any) -> None:
    keyring = Config.of(keyring=given).store.sealing().load()
    assert keyring.ids == (2, 1)
    old = Keyring.of({1: OLD}).load().seal(ID, 1, b"secret")
    assert keyring.open(ID, 1, old) == b"secret"


def test_the_environment_names_the_text_or_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keyring"
    path.write_text(BOTH.replace(",", "\n"))
    path.chmod(0o600)
    for environment in ({"WEBHOOKSUB_KEYRING": BOTH}, {"WEBHOOKSUB_KEYRING_FILE": str(path)}):
        assert Config.from_env(environment).store.sealing().load().ids == (2, 1)


def test_without_one_nothing_is_sealed() -> None:
    assert Config().store.sealing() is NO_KEYRING
    assert NO_KEYRING.load().ids == ()
    assert not NO_KEYRING


def test_who_fetches_keys_is_asked_once_and_when_one_is_needed() -> None:
    asked = []

    def fetch() -> dict[int, bytes]:
        asked.append(1)
        return {1: OLD}

    keyring = Config.of(keyring=fetch).store.sealing()
    assert (asked, bool(keyring)) == ([], True)
    assert keyring.load() is keyring.load()
    assert asked == [1]


def test_a_file_that_others_may_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keyring"
    path.write_text(entry(1, OLD))
    for mode, told in ((0o600, 0), (0o400, 0), (0o640, 1), (0o644, 2)):
        path.chmod(mode)
        with caplog.at_level(logging.WARNING):
            Keyring.from_file(path).load()
        assert len(caplog.records) == told
    assert str(path) in caplog.text
    assert "canary" not in caplog.text


def fail() -> str:
    raise RuntimeError(f"the service said no to {OLD!r}")


@pytest.mark.parametrize(
    ("keyring", "message"),
    [
        (lambda: Keyring(fail), "a callable: RuntimeError"),
        (lambda: Keyring(lambda: entry(1, OLD[:31])), "a callable: key 1 must have 32 to 256"),
        (lambda: Keyring(lambda: 5), "TypeError"),  # type: ignore[arg-type,return-value]
        (lambda: Keyring(lambda: "", source="the vault"), "the vault: it holds no key"),
        (lambda: Keyring.from_file("/nowhere/keyring"), "/nowhere/keyring: No such file"),
    ],
)
def test_keys_that_cannot_be_had_are_told_without_them(
    keyring: Callable[[], Keyring], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        keyring().load()
    assert "canary" not in whole_traceback(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{entry(1, OLD)},canary-of-the-new", "entry 2 is not ID:KEY"),
        (f"new:{entry(1, OLD)}", "entry 1 is not ID:KEY"),
        (f"{entry(1, OLD)},2:canary-of-the-new", "the key of entry 2 is no base64"),
        (entry(1, b"canary"), "key 1 must have 32 to 256 bytes"),
        (f"{entry(7, OLD)},{entry(7, NEW)}", "key 7 is there twice"),
        (entry(3, b"C" * 32), "key 3 is one byte over and over"),
        (entry(0, OLD), "more than 0"),
        (entry(1 << 32, OLD), "0 to 4294967295"),
        (",".join(entry(n, OLD) for n in range(1, 18)), "at most 16 keys"),
    ],
)
def test_a_wrong_keyring_is_refused_naming_the_entry_and_showing_none(
    text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Config.from_env({"WEBHOOKSUB_KEYRING": text})
    for shown in ("canary", base64.b64encode(OLD).decode(), base64.b64encode(NEW).decode()):
        assert shown not in str(caught.value)


def test_both_settings_at_once_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="one of them, not both"):
        Config.of(keyring=BOTH, keyring_file="keyring")
    with pytest.raises(ConfigurationError, match="one of them, not both"):
        Config.of(keyring=BOTH).replace(keyring_file="keyring")


def test_a_keyring_shows_the_ids_alone_and_cannot_be_pickled() -> None:
    config = Config.of(keyring=BOTH)
    assert "(2, 1)" in repr(config)
    assert "canary" not in repr(config) + repr(config.flat()) + repr(config.store.sealing().load())
    for kept in (config.store.keyring, config.store.sealing().load()):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(kept)


def test_a_sealed_secret_is_what_the_documentation_says() -> None:
    """By another implementation of HKDF and AES-GCM."""
    sealed = Keyring.of({0x01020304: OLD}).load().seal(ID, 5, b"secret")
    head = b"\x01" + b"\x01\x02\x03\x04"
    assert sealed[:5] == head
    info = b"webhooksub integrity key" + head
    key = HKDF(SHA256(), 32, salt=None, info=info).derive(OLD)
    beside = info + ID + (5).to_bytes(4, "big")
    assert AESGCM(key).decrypt(sealed[5:17], sealed[17:], beside) == b"secret"


def test_what_cannot_be_opened_says_why() -> None:
    keyring = Keyring.of({1: OLD}).load()
    sealed = keyring.seal(ID, 1, b"secret")
    for call, message in (
        (lambda: Keyring.of({2: NEW}).load().open(ID, 1, sealed), "key 1, which the keyring lacks"),
        (lambda: NO_KEYRING.load().open(ID, 1, sealed), "key 1, and no keyring was given"),
        (lambda: keyring.open(ID, 2, sealed), "belongs to another row"),
        (lambda: keyring.open(ID, 1, sealed[:-1] + b"\0"), "it was changed"),
        (lambda: keyring.open(ID, 1, b"\x02" + sealed[1:]), "format is unknown"),
        (lambda: keyring.open(ID, 1, b""), "format is unknown, or it is cut"),
    ):
        with pytest.raises(KeyUnreadable, match=message):
            call()


def test_calls_with_what_is_no_row_or_no_secret_are_refused() -> None:
    keyring = _core.Keyring(((1, OLD),))
    with pytest.raises(ValueError, match="16 bytes"):
        keyring.seal(b"short", 1, b"secret")
    with pytest.raises(ValueError, match="n must be"):
        keyring.seal(ID, -1, b"secret")
    with pytest.raises(ValueError, match="integrityKey"):
        keyring.seal(ID, 1, b"")
    with pytest.raises(TypeError, match="must be bytes"):
        keyring.open(ID, 1, "sealed")  # type: ignore[arg-type]
    for keys in (((1,),), ((1, "text"),), (1,)):
        with pytest.raises(TypeError):
            _core.Keyring(keys)  # type: ignore[arg-type]


def whole_traceback(error: BaseException) -> str:
    """With the locals of every frame of ours."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    package = str(Path(webhooksub.__file__).parent)
    frames = [f for f in told.stack if f.filename.startswith(package)]
    assert frames
    return "".join(told.format_exception_only()) + repr([f.locals for f in frames])
