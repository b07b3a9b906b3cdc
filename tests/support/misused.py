"""A program that misuses a dispatcher, in an interpreter of its own."""

import os
import subprocess
import sys

SECONDS = 180

BEGIN = """
import atexit, gc, itertools, os, signal, sys, threading, time
from datetime import UTC, datetime, timedelta
from webhooksub import Closed, Dispatcher, StoreUnavailable, WebhooksubError, allow_all
from webhooksub.testing import Receiver
RECORDS = "tenant/acme/sidedrawer/s1/record"
DAY = timedelta(days=1)

def make(**settings):
    return Dispatcher(f"sqlite:///{sys.argv[1]}/hooks.db", authorizer=allow_all, dev=True,
                      **({"config": {"poll_ms": 30}} | settings))

def subscribe(hooks, url, **fields):
    return hooks.subscribe(RECORDS, "any", url, expires=DAY, **fields)

def publish(hooks, n=0):
    return hooks.publish(f"{RECORDS}/r{n}", "update", {"n": n})

def expect(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")

receiver = Receiver()
"""


def run(
    code: str,
    folder: os.PathLike[str],
    *options: str,
    environ: dict[str, str] | None = None,
    code_ends: int = 0,
    said: str = "done\n",
    seconds: int = SECONDS,
) -> str:
    """Answers what it wrote to stderr. What it names without a folder lies in its own."""
    command = [sys.executable, "-X", "dev", "-W", "error", *options, "-c", BEGIN + code]
    done = subprocess.run(
        [*command, os.path.abspath(folder)],
        cwd=folder,
        env=os.environ | {"PYTHONWARNINGS": ""} | (environ or {}),
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.stdout == said, done.stderr
    assert done.returncode == code_ends, done.stderr
    return done.stderr
