"""Who is inside SQLite right now, so that a fork can wait until nobody is.

SQLite keeps a table of the locks that its process holds. A forked child inherits the table
and not the locks: with connections of the parent left in it, the child would count on locks
that it does not have, and what it commits could go to a file that others have deleted. So the
child must close what it inherited before it opens anything; and a connection can be closed
there only if no thread of the parent was inside SQLite, or between BEGIN and COMMIT, when the
child was made.
"""

import ctypes
import threading
from types import TracebackType

# What a thread that wants to begin a use waits for forks that still wait for others: longer,
# and a thread waited for by one that is waited for would stop all of them.
_POLITE_SECONDS = 1.0
# What a fork waits for uses to end; they wait for other processes' commits themselves.
_PATIENCE_SECONDS = 5.0


class Uses:
    """The uses of one file's connections; ``with uses:`` is one. Any thread, nested too."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._depths: dict[int, int] = {}  # by thread
        self._forks = 0
        self._quiet = 0  # of these forks, those that nobody inside delays any more

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            if self._forks and me not in self._depths:
                self._wait_for_forks()
            self._depths[me] = self._depths.get(me, 0) + 1

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        me = threading.get_ident()
        with self._changed:
            depth = self._depths.pop(me) - 1
            if depth:
                self._depths[me] = depth
            elif self._forks:
                self._changed.notify_all()

    @property
    def were_none(self) -> bool:
        """In a child that was forked without :meth:`begin_fork`: nobody was inside. Without the
        lock, which a thread that is not there may hold."""
        return not self._depths

    def begin_fork(self) -> bool:
        """Waits until nobody is inside, and lets nobody in until :meth:`end_fork`. False: in
        vain."""
        me = threading.get_ident()
        with self._changed:
            self._forks += 1
            # A use of this very thread cannot end before the fork.
            quiet = me not in self._depths and self._changed.wait_for(
                lambda: not self._depths, _PATIENCE_SECONDS
            )
            self._quiet += quiet
            return quiet

    def end_fork(self, quiet: bool) -> None:
        """In the parent, with what :meth:`begin_fork` answered. The child makes a new Uses."""
        with self._changed:
            self._forks -= 1
            self._quiet -= quiet
            self._changed.notify_all()

    def _wait_for_forks(self) -> None:
        if not self._changed.wait_for(lambda: not self._forks, _POLITE_SECONDS):
            self._changed.wait_for(lambda: not self._quiet)


def keep_for_ever(inherited: object) -> None:
    """In a child forked amid a use: lets nothing be closed, not even when the child ends.

    A connection that closes takes back what its transaction wrote: also the parent's.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))
