"""The judge: from what was to be sent and what the server has recorded, whether anything is lost, twice or out of turn."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.crashing.bodies import canonical_body

#: Faults after which an event stands in the record and its answer is not seen.
_HIDING = frozenset({"500_after", "reset_after", "hang_after", "half", "wrong_count"})


@dataclass(frozen=True, slots=True)
class Turn:
    """One event of a key, in its turn: whether it may be missing, and how often it may follow itself again.

    `loose`: it went more than once in requests of many events. Those repeat all that they carry, of one key several, and
    an event that is tried again may follow later ones of its request (RULES §7).
    """

    body: str
    may_miss: bool = False
    repeats: int = 0
    loose: bool = False


@dataclass(slots=True)
class Arrived:
    """What the server has taken: bodies of each key in order of arrival, and how often an answer of a body was hidden."""

    by_key: dict[str, list[str]] = field(default_factory=dict)
    bodies: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)
    requests: int = 0


def read_record(path: Path) -> Arrived:
    """Read a record of the sandbox."""
    found = Arrived()
    with closing(sqlite3.connect(path, timeout=30)) as database:
        rows = database.execute(
            "SELECT key, body, fault FROM accepted a JOIN requests r ON a.request = r.n ORDER BY a.n"
        )
        for key, text, fault in rows:
            body = canonical_body(text)
            found.by_key.setdefault(key, []).append(body)
            found.bodies[body] += 1
            found.hidden[body] += fault in _HIDING
        posts = "SELECT count(*) FROM requests WHERE path LIKE '%/v2/event' OR path LIKE '%/v2/past_events'"
        found.requests = int(database.execute(posts).fetchone()[0])
    return found


def explain(turns: Sequence[Turn], arrived: Sequence[str]) -> str | None:
    """Return None when `arrived` is `turns` in their order, each with its repeats right behind it; else what is wrong.

    Bodies may recur, so all ways to read the arrivals are followed at once: a way is the last turn that has come, and
    how often it has been repeated.
    """
    ways = {(-1, 0)}
    for number, body in enumerate(arrived):
        further = set()
        for at, repeated in ways:
            if at >= 0 and turns[at].body == body and repeated < turns[at].repeats:
                further.add((at, repeated + 1))
            if any(turn.loose and turn.body == body for turn in turns[: at + 1]):
                further.add((at, repeated))
            for later in range(at + 1, len(turns)):
                if turns[later].body == body:
                    further.add((later, 0))
                if not (turns[later].may_miss or turns[later].loose):
                    break
        if not further:
            last = max(at for at, _ in ways)
            return (
                f"arrival {number + 1} of {len(arrived)} is out of turn after event {last + 1} of {len(turns)}: {body}"
            )
        ways = further
    if any(all(turn.may_miss or turn.loose for turn in turns[at + 1 :]) for at, _ in ways):
        return None
    last = max(at for at, _ in ways)
    return f"{len(turns)} events, the arrivals end with event {last + 1}; missing: {turns[last + 1].body}"
