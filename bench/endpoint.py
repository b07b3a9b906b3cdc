"""The other side of the bench: nginx, which takes a POST and answers 204.

It must be much faster than what is measured, so it has a core of its own, one worker, and
connections that it never ends. Certificates are made for each run by OpenSSL's command.

    python bench/endpoint.py        # serves until interrupted, prints URL and CA file
"""

import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile 8192;
events {{
    worker_connections 4096;
    multi_accept on;
}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 16m;
    client_body_buffer_size 256k;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    server_tokens off;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{ return 204; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where it listens and what it is trusted by."""

    url: str
    port: int
    ca: Path


@contextmanager
def serve(cpu: int | None = None) -> Iterator[Endpoint]:
    """Runs nginx, pinned to `cpu`, for the length of a with statement."""
    with tempfile.TemporaryDirectory(prefix="webhooksub-bench-") as name:
        folder = Path(name)
        _issue(folder)
        port = _free_port()
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=port))
        pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
        server = subprocess.Popen([*pin, _nginx(), "-p", name, "-c", str(configuration)])
        try:
            ca = folder / "ca.pem"
            _await(server, port, ca)
            yield Endpoint(f"https://127.0.0.1:{port}/", port, ca)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _nginx() -> str:
    for candidate in ("nginx", "/usr/sbin/nginx"):
        found = shutil.which(candidate)
        if found:
            return found
    raise SystemExit("bench: nginx is missing (apt-get install nginx-light)")


def _issue(folder: Path) -> None:
    """An authority and a certificate signed by it, both P-256."""
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca, leaf = folder / "ca", folder / "cert"
    _run([*new, "-x509", "-days", "2", "-subj", "/CN=bench CA"], ca, "ca-key.pem")
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    signed = ["-CA", f"{ca}.pem", "-CAkey", str(folder / "ca-key.pem")]
    _run([*new, "-x509", "-days", "2", *name, *signed], leaf, "key.pem")


def _run(command: list[str], out: Path, key: str) -> None:
    command = [*command, "-out", f"{out}.pem", "-keyout", str(out.parent / key)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"bench: {' '.join(command)}\n{made.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(server: "subprocess.Popen[bytes]", port: int, ca: Path) -> None:
    """Until it answers as it should."""
    context = ssl.create_default_context(cafile=str(ca))
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    for _ in range(100):
        if server.poll() is not None:
            raise SystemExit("bench: nginx did not start")
        try:
            with (
                socket.create_connection(("127.0.0.1", port), 5) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as connection,
            ):
                connection.sendall(request)
                answer = connection.recv(4096)
                if not answer.startswith(b"HTTP/1.1 204"):
                    raise SystemExit(f"bench: nginx answers {answer[:40]!r}")
                return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("bench: nginx does not listen")


if __name__ == "__main__":
    # As Ctrl-C does: nginx must not stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with serve() as endpoint:
        print(endpoint.url, endpoint.ca, flush=True)
        signal.pause()
