"""When a call dies: by what it is doing, not by the clock, so that kills are spread over all of its work."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.crashing.calls import Call

Phase = Literal["planning", "going on", "posting", "ending"]
_LOOK = 0.002


@dataclass(frozen=True, slots=True)
class Kill:
    """One death. `share` is of the seconds that planning or getting under way takes, or of the events to be posted.

    When that is reached, `delay` seconds more pass.
    """

    phase: Phase
    share: float
    delay: float


def draw_kills(count: int, seed: int) -> list[Kill]:
    """Return the deaths of a proof, in their order: some while it plans, most while it posts, some just after a death."""
    rng = random.Random(f"kills {seed}")
    planning = max(1, count // 5) if count else 0
    going_on, ending = count // 5, int(count >= 4)
    posting = sorted(rng.random() for _ in range(count - planning - going_on - ending))
    kills = [Kill("posting", share, rng.uniform(0, 0.05)) for share in posting]
    for _ in range(going_on):
        kills.insert(rng.randint(min(1, len(kills)), len(kills)), Kill("going on", rng.random(), 0.0))
    kills += [Kill("ending", 1.0, rng.uniform(0, 0.1)) for _ in range(ending)]
    # A call ends with words and an exit after its plan: at nine tenths the plan stands.
    at_plan = sorted(rng.uniform(0, 0.9) for _ in range(planning))
    return [Kill("planning", share, 0.0) for share in at_plan] + kills


class Clock:
    """Waits for the moment of a kill, and learns meanwhile how long a call takes to get under way."""

    def __init__(self, record: Path, events: int, planning: float) -> None:
        self._record, self._events, self._planning = record, events, planning
        self._starting = 1.0

    def await_moment(self, kill: Kill, call: Call) -> bool:
        """Return True when it is time, False when the call has ended before."""
        if kill.phase in ("planning", "going on"):
            seconds = kill.share * (self._planning if kill.phase == "planning" else self._starting)
            return _until(lambda: time.monotonic() >= call.started + seconds, call)
        with closing(sqlite3.connect(self._record, timeout=30)) as database:
            at_first = accepted(database)
            if not _until(lambda: accepted(database) > at_first, call):
                return False
            self._starting = time.monotonic() - call.started
            if not _until(lambda: accepted(database) >= kill.share * self._events, call):
                return False
        end = time.monotonic() + kill.delay
        return _until(lambda: time.monotonic() >= end, call)


def accepted(database: sqlite3.Connection) -> int:
    """Return how many events a record holds; as cheap as it can be, since it is asked all the time."""
    return int(database.execute("SELECT coalesce(max(n), 0) FROM accepted").fetchone()[0])


def accepted_so_far(record: Path) -> int:
    """Return the same of the record at a path."""
    with closing(sqlite3.connect(record, timeout=30)) as database:
        return accepted(database)


def _until(reached: Callable[[], bool], call: Call) -> bool:
    while not reached():
        if not call.running():
            return False
        time.sleep(_LOOK)
    return True
