"""Breaks planning off at a signal or for lack of memory: it records nothing until it is done.

A thread watches. At the first signal, or when too much memory is held, it interrupts every statement of DuckDB until the work
ends with the reason. Work that does not end within the patience, or that a second signal asks to end, ends with the process:
a plan that is cut is cleared by the next call.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa

from etl import memory
from etl.delivery.stop import StopFlag
from etl.errors import AgainError, ClickreplayError, InputError
from etl.sql import interrupt_all

_POLL = 0.05  # seconds
_PATIENCE = 1.3  # seconds that work has to end by itself: two seconds after a signal it has ended
_HURRY = 1.25  # times the limit of memory at which there is no time to wait

#: What is done when work has to end with the process: it tells why.
End = Callable[[ClickreplayError], None]


@contextmanager
def breakable(stop: StopFlag, end: End, limit: int | None = None) -> Iterator[None]:
    """Let signals and `limit` (bytes of memory; by default what the machine lets) break off the work within.

    Raises AgainError after a signal, InputError where memory does not do.
    """
    if stop.requested:
        raise interrupted()
    watch = _Watch(stop, end, memory.limit() if limit is None else limit)
    with watch.watching():
        try:
            yield
        except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError, pa.ArrowCapacityError) as error:
            raise watch.why or _too_much("than it may take") from error
        except Exception as error:
            if watch.why is None or isinstance(error, type(watch.why)):
                raise
            raise watch.why from error


def interrupted() -> AgainError:
    """Return what ends planning that was asked to end."""
    return AgainError("interrupted while planning; nothing of this plan was sent", hint="run the same command again")


def _too_much(than: str) -> InputError:
    return InputError(
        f"planning stopped: it needs more memory {than}",
        hint="Does an expression or the transform make long texts or lists (`repeat`, `lpad`, `range`, texts that grow with each `let`), "
        "or does the input hold very long values? Make them shorter, or leave those rows out before they are exported.",
    )


class _Watch:
    def __init__(self, stop: StopFlag, end: End, limit: int) -> None:
        self._stop, self._end, self._limit = stop, end, limit
        self._over = threading.Event()
        self._signals = 0  # that came in while the main thread was at work which runs no handler
        self.why: ClickreplayError | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch from a thread for as long as the work lasts."""
        with _signals_by_socket() as told:
            thread = threading.Thread(target=self._watch, args=(told,), name="watch", daemon=True)
            thread.start()
            try:
                yield
            finally:
                self._over.set()
                thread.join()

    def _watch(self, told: socket.socket | None) -> None:
        until = 0.0
        while not self._over.wait(_POLL):
            self._hear(told)
            held = memory.held()
            if self.why is None:
                self.why = self._reason(held)
                until = time.monotonic() + _PATIENCE
            if self.why is None:
                continue
            interrupt_all()
            hurry = self._asked > 1 or held > self._limit * _HURRY
            if hurry or time.monotonic() > until:
                self._end(self.why)
                until = time.monotonic() + _PATIENCE  # where nobody ends the process, the work still has to end

    @property
    def _asked(self) -> int:
        return max(self._signals, self._stop.asked)

    def _reason(self, held: int) -> ClickreplayError | None:
        if self._asked:
            return interrupted()
        if held > self._limit:
            return _too_much(f"than {self._limit / (1 << 30):.2g} GiB")
        return None

    def _hear(self, told: socket.socket | None) -> None:
        if told is not None:
            with suppress(BlockingIOError):
                self._signals += sum(number in _ENDING for number in told.recv(64))


_ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextmanager
def _signals_by_socket() -> Iterator[socket.socket | None]:
    """Give a socket that gets the number of each signal at once, also while the main thread runs no Python."""
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(before)


def end_process(code: int) -> None:
    """End this process without its stack. What it has told is told: outlets keep no text back."""
    os._exit(code)
