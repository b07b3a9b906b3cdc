"""A request as a command for a shell."""

import shlex

from ..requesting import DeliveryRequest

# Linux takes arguments to 128 KiB; a longer body comes by standard input.
_ARGUMENT_BYTES_MAX = 100_000


def curl_command(request: DeliveryRequest) -> str:
    """For a POSIX shell; the body's bytes are exactly those that were signed.

    Shells have their own `printf`, whose arguments have no limit.
    """
    words = ["--request POST " + shlex.quote(request.url)]
    words += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in request.headers]
    body = shlex.quote(request.body.decode())
    if len(body.encode()) > _ARGUMENT_BYTES_MAX:
        return f"printf %s {body} | " + _joined([*words, "--data-binary @-"])
    # Raw: data that begins with @ is no file.
    return _joined([*words, f"--data-raw {body}"])


def _joined(words: list[str]) -> str:
    """Without the reader's .curlrc, with what an attempt obeys too: no redirects, a time limit."""
    return " \\\n  ".join(["curl --disable --max-time 15", *words])
