"""Taking turns at a destination: a call that waits gets its turn between two days of a range.

The lock of the destination keeps two calls apart. A call that waits for it holds the file `turn` meanwhile; a range looks after each day
whether that is held, gives the lock away and takes it back when the other call is done. Both are locks of the operating system, so one
whose process has died holds up nobody.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import IO

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.post import StopFlag
from etl.errors import AgainError
from etl.flow.opened import opened
from etl.flow.state import Place

_LOOK = 0.1  # seconds


@contextmanager
def opened_in_turn(place: Place, wait: timedelta, stop: StopFlag) -> Iterator[Checkpoint]:
    """Open a destination; where another call is at work, wait for its end, or for the end of its day. Raises AgainError after `wait`."""
    place.create()
    with (place.folder / "turn").open("a") as turn, ExitStack() as held:
        until = time.monotonic() + wait.total_seconds()
        waits = False
        while True:
            try:
                checkpoint = held.enter_context(opened(place))
            except AgainError:
                waits = waits or _takes(turn)  # one waits for its turn at a time
                if not waits or time.monotonic() >= until or stop.requested:
                    raise
                time.sleep(_LOOK)
            else:
                break
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield checkpoint


@contextmanager
def opened_again(place: Place, stop: StopFlag) -> Iterator[Checkpoint]:
    """Open a destination that was given away, when the call that waited is done. Raises AgainError when asked to stop."""
    while is_awaited(place) and not stop.requested:
        time.sleep(_LOOK)
    with ExitStack() as held:
        while True:
            try:
                checkpoint = held.enter_context(opened(place))
            except AgainError:
                if stop.requested:
                    raise
                time.sleep(_LOOK)
            else:
                break
        yield checkpoint


def is_awaited(place: Place) -> bool:
    """Say whether another call waits for its turn."""
    if not (place.folder / "turn").exists():
        return False
    with (place.folder / "turn").open("a") as turn:
        if not _holds(turn):
            return True
        fcntl.flock(turn, fcntl.LOCK_UN)
        return False


def _takes(turn: IO[str]) -> bool:
    """Take the turn; a range that looks holds it for a moment, so one refusal says nothing yet."""
    for _ in range(5):
        if _holds(turn):
            return True
        time.sleep(_LOOK / 5)
    return False


def _holds(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
