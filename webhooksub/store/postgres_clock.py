"""The server's clock, as a process far from it knows it."""

from collections.abc import Callable


class ServerClock:
    """A process' own clock, put right by how far the server's is from this machine's.

    What is measured lies between the moments before and after a question: where the server's
    answer lies between them too, nothing is known to be wrong, and nothing is put right. Any
    thread.
    """

    def __init__(self, given: Callable[[], int]) -> None:
        self._given = given
        self.ahead_ms = 0  # the server is ahead of this machine

    def __call__(self) -> int:
        return self._given() + self.ahead_ms

    def measure(self, before: float, server: float, after: float) -> None:
        """All UTC milliseconds: this machine's, the server's, this machine's."""
        if server < before:
            self.ahead_ms = round(server - before)
        elif server > after:
            self.ahead_ms = round(server - after)
        else:
            self.ahead_ms = 0
