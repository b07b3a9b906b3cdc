"""In one process with others that bring an OpenSSL or a libcurl of their own.

Each case runs in a fresh interpreter, because what was loaded first matters. Where a package is
not there its cases are skipped.
"""

import importlib.util
import itertools
import json
import subprocess
import sys

import pytest

# Each makes its library work with TLS or HTTP for real; all but "ours" may have another OpenSSL.
USES = {
    "ssl": """
def use():
    import ssl, urllib.request
    context = ssl.create_default_context(cadata=receiver.ca_pem.decode())
    request = urllib.request.Request(receiver.url("/ssl"), data=b"{}", method="POST")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(request, timeout=20) as answer:
        assert answer.status == 200
    return ssl.OPENSSL_VERSION
""",
    "cryptography": """
def use():
    import os
    from cryptography import x509
    from cryptography.hazmat.backends.openssl import backend
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    key, nonce = AESGCM.generate_key(256), os.urandom(12)
    assert AESGCM(key).decrypt(nonce, AESGCM(key).encrypt(nonce, b"x", None), None) == b"x"
    x509.load_pem_x509_certificate(receiver.ca_pem).public_key()
    return backend.openssl_version_text()
""",
    "psycopg": """
def use():
    import psycopg
    # To a port that speaks TLS and not PostgreSQL: its libpq gets as far as an answer.
    try:
        psycopg.connect(
            f"host=localhost port={receiver.port} sslmode=require user=u dbname=d "
            "connect_timeout=5"
        )
    except psycopg.OperationalError:
        pass
    else:
        raise AssertionError("there is no PostgreSQL")
    return str(psycopg.pq.version())
""",
    "pycurl": """
def use():
    import pycurl, tempfile
    with tempfile.NamedTemporaryFile() as authorities:
        authorities.write(receiver.ca_pem)
        authorities.flush()
        easy = pycurl.Curl()
        easy.setopt(pycurl.URL, receiver.url("/pycurl"))
        easy.setopt(pycurl.PROXY, "")
        easy.setopt(pycurl.CAINFO, authorities.name)
        easy.setopt(pycurl.POSTFIELDS, "{}")
        easy.setopt(pycurl.WRITEFUNCTION, lambda body: None)
        easy.perform()
        assert easy.getinfo(pycurl.RESPONSE_CODE) == 200
        easy.close()
    return pycurl.version
""",
    "confluent_kafka": """
def use():
    import confluent_kafka, time
    told = []
    producer = confluent_kafka.Producer({
        "bootstrap.servers": f"localhost:{receiver.port}", "security.protocol": "ssl",
        "ssl.ca.pem": receiver.ca_pem.decode(), "error_cb": told.append,
        "socket.timeout.ms": 2000, "log_level": 0, "allow.auto.create.topics": False,
    })
    until = time.monotonic() + 15
    while not told and time.monotonic() < until:
        producer.poll(0.1)
    # It is no broker that answers, but TLS was begun.
    assert told
    return str(confluent_kafka.libversion())
""",
}
OURS = """
def ours(n):
    event = hooks.publish(f"tenant/acme/sidedrawer/s1/record/r{n}", "update", {"n": n})
    result = hooks.flush(timeout=30)
    assert result.complete, result
    [delivery] = hooks.deliveries(event=event.id)
    assert delivery.http_status == 200, delivery
    verifier.verify(receiver.requests[-1].body, receiver.requests[-1].headers)
"""
BEFORE = """
import json
from datetime import timedelta
{first}
import webhooksub
from webhooksub import Dispatcher, Verifier, allow_all
from webhooksub.testing import Receiver
{after}
key = "k" * 32
before = webhooksub.build_info()
verifier = Verifier(key)
with Receiver() as receiver, Dispatcher.in_memory(authorizer=allow_all, dev=True) as hooks:
    hooks.subscribe("tenant/acme/sidedrawer/s1/record", "any", receiver.url("/hook"),
                    expires=timedelta(days=1), integrity_key=key)
    for n in range(3):
        ours(n)
        theirs = use()
assert webhooksub.build_info() == before
print(json.dumps([before["openssl"], before["curl"], theirs]))
"""


@pytest.mark.parametrize(("package", "first"), list(itertools.product(USES, [True, False])))
def test_each_keeps_its_own_libraries(package: str, first: bool) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}")
    loading = f"import {package}"
    script = BEFORE.format(first=loading if first else "", after="" if first else loading)
    program = script.replace("key = ", USES[package] + OURS + "key = ", 1)
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    ours, curl, _ = json.loads(done.stdout.splitlines()[-1])
    # The OpenSSL that answers is still the one that libcurl was linked with.
    assert f"OpenSSL/{ours.split()[1]}" in curl


def test_all_of_them_work_at_once() -> None:
    there = [package for package in USES if importlib.util.find_spec(package)]
    loading = "\n".join(f"import {package}" for package in there)
    script = BEFORE.format(first=loading, after="")
    uses = "".join(USES[package].replace("def use()", f"def use_{package}()") for package in there)
    calls = ", ".join(f"use_{package}" for package in there)
    together = f"""
def use():
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(one) for one in ({calls},) * 3]
        return [future.result() for future in futures]
"""
    program = script.replace("key = ", uses + together + OURS + "key = ", 1)
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
