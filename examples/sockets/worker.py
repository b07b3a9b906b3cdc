"""The process that delivers. It serves nobody: Redis carries what it sends to the web processes.

python worker.py
"""

import signal
import threading

from service import make_hooks

ended = threading.Event()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: ended.set())

hooks, _ = make_hooks()
with hooks:
    print("delivering", flush=True)
    ended.wait()
