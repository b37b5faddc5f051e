"""Which event may go next: in order of the outbox, and strictly in order within a lane (RULES §7)."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

# How many events of busy lanes one look may pass over: the coordinator has answers to attend to meanwhile.
_LOOK = 20_000


@dataclass(slots=True)
class Place:
    """An event on its way: where it stands, how often this call has tried it, how often its outcome was unknown."""

    seq: int
    lane: int
    tries: int = 0
    doubts: int = 0


class _Line:
    """Places that wait behind the events of their lane, 8 bytes each: one lane may hold most of an outbox."""

    __slots__ = ("_head", "_seqs")

    def __init__(self) -> None:
        self._seqs = array("q")
        self._head = 0

    def push(self, seq: int) -> None:
        self._seqs.append(seq)

    def pop(self) -> int | None:
        if self._head == len(self._seqs):
            return None
        seq = self._seqs[self._head]
        self._head += 1
        if self._head > 1024 and self._head * 2 > len(self._seqs):
            del self._seqs[: self._head]
            self._head = 0
        return seq


@dataclass(slots=True)
class _Lane:
    """A lane with events under way: how many, and who waits behind them."""

    out: int
    waiting: _Line | None = None


class Lanes:
    """The events of an outbox by their turn.

    `take` gives what may go in one request; each of its places then ends by `done` (its turn is over, whatever came of
    it) or `again` (it will be tried once more, and its lane waits for it). Times are the caller's, in seconds.
    """

    def __init__(self, places: Iterator[tuple[int, int]], doubts: dict[int, int] | None = None) -> None:
        self._places = places
        self._doubts = doubts or {}
        self._busy: dict[int, _Lane] = {}
        self._ready: list[tuple[int, int]] = []  # seq, lane: first of its lane, which is kept busy for it
        self._again: list[tuple[float, int, Place]] = []
        self._next = next(places, None)

    @property
    def empty(self) -> bool:
        """True when every event has ended its turn."""
        return self._next is None and not self._busy

    @property
    def may_have_more(self) -> bool:
        """True when `take` may find an event that this call has not tried, without any other ending first."""
        return self._next is not None or bool(self._ready)

    @property
    def next_retry(self) -> float | None:
        """When the next event may be tried again."""
        return self._again[0][0] if self._again else None

    def take(self, now: float, most: int = 1, fresh: int | None = None) -> list[Place]:
        """Return up to `most` events that may go in one request now, at most `fresh` of them never tried in this call.

        Events due for another try come first. Of one lane a request may carry several, in their order.
        """
        taken: list[Place] = []
        while self._again and self._again[0][0] <= now and len(taken) < most:
            taken.append(heapq.heappop(self._again)[2])
        room = most - len(taken) if fresh is None else min(most - len(taken), fresh)
        if room > 0:
            self._take_fresh(taken, room)
        for place in taken:
            place.tries += 1
        return taken

    def done(self, place: Place) -> None:
        """End an event's turn: the next of its lane may go once no other of the lane is under way."""
        lane = self._busy[place.lane]
        lane.out -= 1
        if lane.out:
            return
        seq = lane.waiting.pop() if lane.waiting is not None else None
        if seq is None:
            del self._busy[place.lane]
        else:
            lane.out = 1
            heapq.heappush(self._ready, (seq, place.lane))

    def again(self, place: Place, at: float) -> None:
        """Try an event again at `at`; its lane waits."""
        heapq.heappush(self._again, (at, place.seq, place))

    def _take_fresh(self, taken: list[Place], room: int) -> None:
        own: set[int] = set()
        while room and self._ready:
            seq, lane = heapq.heappop(self._ready)
            taken.append(Place(seq, lane, doubts=self._doubts.pop(seq, 0)))
            own.add(lane)
            room -= 1
            room -= self._take_followers(taken, lane, room)
        looked = 0
        while room and self._next is not None and looked < _LOOK:
            seq, key = self._next
            self._next = next(self._places, None)
            busy = self._busy.get(key)
            if busy is None:
                self._busy[key] = _Lane(1)
                own.add(key)
            elif key in own and busy.waiting is None:
                busy.out += 1  # the one before it goes in this same request
            else:
                busy.waiting = busy.waiting or _Line()
                busy.waiting.push(seq)
                looked += 1
                continue
            taken.append(Place(seq, key, doubts=self._doubts.pop(seq, 0)))
            room -= 1

    def _take_followers(self, taken: list[Place], key: int, room: int) -> int:
        """Let those who wait behind an event go in the same request; return how many."""
        lane, count = self._busy[key], 0
        while count < room and lane.waiting is not None and (seq := lane.waiting.pop()) is not None:
            taken.append(Place(seq, key, doubts=self._doubts.pop(seq, 0)))
            lane.out += 1
            count += 1
        return count
