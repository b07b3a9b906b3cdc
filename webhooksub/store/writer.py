"""The thread through which one process writes.

It takes every job that waits into one transaction, commits, and only then wakes those who
wait: **group commit**. An idle writer begins at once, with whatever is there; while it
commits, the next group gathers. A job that fails fails alone: its neighbours run again,
each in a transaction of its own.

A job whose caller was interrupted before it was begun is dropped.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from ..errors import Closed, WebhooksubError
from ..logs import about
from .database import Database
from .failures import failures, unavailable
from .transaction import Transaction
from .uses import keep_for_ever

log = logging.getLogger("webhooksub")

# Rows in one transaction, so that a large job delays its neighbours by one commit only.
_GROUP_ROWS = 20_000
# Two transactions that wait for each other: one of them is begun anew so often.
_TRIES = 4


class Role(Protocol):
    """What the writer must know about this process."""

    @property
    def dispatcher(self) -> int | None: ...
    @property
    def checkpoints(self) -> bool: ...


class Job:
    """Something to write. `run` may be called again, after a rollback.

    An error of :mod:`webhooksub.errors` that `run` raises is its answer; with `guarded`
    what it wrote before is taken back, without it must not have written anything.
    """

    __slots__ = ("_error", "_ready", "_result", "cancelled", "guarded", "rows", "run")

    def __init__(
        self, run: Callable[[Transaction], Any], *, rows: int = 1, guarded: bool = True
    ) -> None:
        self.run, self.rows, self.guarded = run, rows, guarded
        self.cancelled = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._ready = threading.Lock()
        self._ready.acquire()

    def wait(self) -> Any:
        """The result of `run`, after its commit; raises what it raised. Ctrl-C ends it."""
        try:
            self._ready.acquire()
        except BaseException:
            self.cancelled = True
            raise
        if self._error is not None:
            raise self._error
        return self._result

    def finish(self, result: Any) -> None:
        self._result = result
        self._ready.release()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._ready.release()


class Writer:
    """One thread and one connection. :meth:`close` ends both."""

    def __init__(
        self, database: Database, role: Role, committed: Callable[[Transaction], None]
    ) -> None:
        """`committed` is called on the thread after each commit, before anybody wakes."""
        self._database, self._role, self._committed = database, role, committed
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="webhooksub-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Any:
        """Runs the job and answers its result. Also on the writer's own thread."""
        if threading.get_ident() == self._thread.ident:
            self._perform([job])
        else:
            with self._gate:
                if self._closed:
                    raise Closed("the store is closed")
                self._queue.put(job)
        return job.wait()

    def post(self, job: Job) -> None:
        """Runs the job some time soon; nobody waits for it. Dropped when the writer ends."""
        with self._gate:
            if not self._closed:
                self._queue.put(job)

    def call(self, run: Callable[[Transaction], Any], *, rows: int = 1) -> Any:
        """Runs a function in a transaction, guarded."""
        return self.submit(Job(run, rows=rows))

    def between(self, act: Callable[[Connection], Any]) -> Any:
        """Runs a function on the writer's connection, outside of any transaction."""

        def run(transaction: Transaction) -> None:
            transaction.after.append(lambda: act(transaction.connection))

        return self.call(run)

    def close(self, timeout: float) -> bool:
        """Writes what was submitted, then ends. False: not within `timeout` seconds."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if threading.get_ident() != self._thread.ident:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def forget(self, *, quiet: bool) -> None:
        """In a forked child, which has no such thread: is rid of its connection."""
        if quiet:
            self._disconnect()
        else:
            keep_for_ever(self._connection)

    # --- on its own thread -----------------------------------------------------------

    def _run(self) -> None:
        try:
            while jobs := self._gather():
                with self._database.uses:
                    self._perform(jobs)
        finally:
            with self._database.uses:
                self._disconnect()

    def _gather(self) -> list[Job]:
        """Everything that waits, at least one job; none at the end."""
        job = self._queue.get()
        jobs: list[Job] = []
        rows = 0
        while job is not None:
            jobs.append(job)
            rows += job.rows
            if rows >= _GROUP_ROWS:
                return jobs
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs
        if jobs:
            self._queue.put(None)
        return jobs

    def _perform(self, jobs: list[Job], tries: int = _TRIES) -> None:
        jobs = [job for job in jobs if not job.cancelled]
        if not jobs:
            return
        try:
            self._commit_group(jobs)
        except _NotBegun as error:
            _fail(jobs, error.reason)
        except Exception as error:
            if self._database.lost(error):
                _fail(jobs, error)
            elif tries > 1 and self._database.runs_again(error):
                self._perform(jobs, tries - 1)
            elif len(jobs) == 1:
                _fail(jobs, error)
            else:
                for job in jobs:
                    self._perform([job])

    def _commit_group(self, jobs: list[Job]) -> None:
        transaction = self._begin()
        try:
            results = [_run_job(job, transaction) for job in jobs]
            self._database.commit(transaction)
        except BaseException:
            self._disconnect()
            raise
        self._after(transaction)
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, WebhooksubError):
                job.fail(result)
            else:
                job.finish(result)

    def _begin(self) -> Transaction:
        try:
            if self._connection is None:
                self._connection = self._database.connect_writer(checkpoints=self._role.checkpoints)
            return self._database.begin(self._connection, self._role.dispatcher)
        except Exception as error:
            self._disconnect()
            raise _NotBegun(error) from error

    def _disconnect(self) -> None:
        """After any error the connection is done with: the next group has a fresh one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._database.disconnect_writer(connection)

    def _after(self, transaction: Transaction) -> None:
        """What follows a commit cannot undo it: errors are logged."""
        transaction.after.append(partial(self._committed, transaction))
        for act in transaction.after:
            try:
                act()
            except Exception:
                log.exception("after a commit", extra=about("after_commit_failed"))


class _NotBegun(Exception):
    """No transaction could be begun; the jobs did not run."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _run_job(job: Job, transaction: Transaction) -> Any:
    if not job.guarded:
        try:
            return job.run(transaction)
        except WebhooksubError as error:
            return error
    cursor, before = transaction.cursor, transaction.mark()
    cursor.execute("SAVEPOINT job")
    try:
        result = job.run(transaction)
    except WebhooksubError as error:
        cursor.execute("ROLLBACK TO job")
        transaction.back_to(before)
        result = error
    cursor.execute("RELEASE job")
    return result


def _fail(jobs: Iterable[Job], error: Exception) -> None:
    for job in jobs:
        job.fail(_told(error))


def _told(error: Exception) -> BaseException:
    return unavailable(error) if isinstance(error, failures()) else error
