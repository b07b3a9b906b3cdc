"""A local receiver that nobody closed ends before the interpreter does.

A thread that starts while Python 3.11 or 3.12 finalizes crashes it, and the receiver starts
one for each connection.
"""

import subprocess
import sys
import textwrap


def run(script: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_starts_no_thread_once_the_interpreter_ends() -> None:
    out = run(
        """
        import atexit, socket
        from webhooksub.testing import Receiver

        @atexit.register
        def afterwards():  # registered first, called last
            try:
                socket.create_connection(("127.0.0.1", receiver.port), 5).close()
            except ConnectionRefusedError:
                print("refused")

        receiver = Receiver()
        """
    )
    assert out == "refused\n"


def test_a_forked_child_leaves_it_to_its_parent() -> None:
    out = run(
        """
        import os, socket, sys
        from webhooksub.testing import Receiver

        receiver = Receiver()
        child = os.fork()
        if child == 0:
            receiver.close()
            sys.exit(0)
        print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        with socket.create_connection(("127.0.0.1", receiver.port), 5):
            print("parent listens")
        """
    )
    assert out == "child 0\nparent listens\n"
