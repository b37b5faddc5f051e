"""Which event may go next: in order of the outbox, and strictly in order within a lane (RULES §7)."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

# How many events of busy lanes one look may pass over: the coordinator has answers to attend to meanwhile.
_LOOK = 20_000


@dataclass(slots=True, eq=False)
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
    """A lane with events whose turn is not over: how many are in a request now, who is to be tried again, who waits."""

    flying: int
    again: list[tuple[float, Place]] = field(default_factory=list)
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
        self._ready: list[tuple[int, int]] = []  # seq, lane: the first of its lane, which is kept busy for it
        self._again: list[tuple[float, int]] = []  # when, lane: something of it is to be tried again, nothing is flying
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
            self._take_retries(taken, heapq.heappop(self._again)[1], now, most - len(taken))
        room = most - len(taken) if fresh is None else min(most - len(taken), fresh)
        if room > 0:
            self._take_fresh(taken, room)
        for place in taken:
            place.tries += 1
        return taken

    def done(self, place: Place) -> None:
        """End an event's turn: the next of its lane may go once no other of the lane is under way."""
        self._landed(place.lane)

    def again(self, place: Place, at: float) -> None:
        """Try an event again at `at`; its lane waits."""
        self._busy[place.lane].again.append((at, place))
        self._landed(place.lane)

    def _landed(self, key: int) -> None:
        lane = self._busy[key]
        lane.flying -= 1
        if lane.flying:
            return
        if lane.again:
            heapq.heappush(self._again, (min(at for at, _ in lane.again), key))
            return
        seq = lane.waiting.pop() if lane.waiting is not None else None
        if seq is None:
            del self._busy[key]
        else:
            heapq.heappush(self._ready, (seq, key))

    def _take_retries(self, taken: list[Place], key: int, now: float, room: int) -> None:
        lane = self._busy[key]
        due = sorted((place for at, place in lane.again if at <= now), key=lambda place: place.seq)[:room]
        lane.again = [(at, place) for at, place in lane.again if place not in due]
        lane.flying = len(due)
        taken += due

    def _take_fresh(self, taken: list[Place], room: int) -> None:
        own: set[int] = set()
        while room and self._ready:
            seq, key = heapq.heappop(self._ready)
            own.add(key)
            room -= self._take_waiting(taken, key, seq, room)
        looked = 0
        while room and self._next is not None and looked < _LOOK:
            seq, key = self._next
            self._next = next(self._places, None)
            busy = self._busy.get(key)
            if busy is None:
                self._busy[key] = _Lane(1)
                own.add(key)
            elif key in own and busy.waiting is None:
                busy.flying += 1  # the one before it goes in this same request
            else:
                busy.waiting = busy.waiting or _Line()
                busy.waiting.push(seq)
                looked += 1
                continue
            taken.append(self._place(seq, key))
            room -= 1

    def _take_waiting(self, taken: list[Place], key: int, first: int, room: int) -> int:
        """Take the first of a lane, and those who wait behind it as far as the request has room; return how many."""
        lane, seq = self._busy[key], first
        while True:
            taken.append(self._place(seq, key))
            lane.flying += 1
            following = lane.waiting.pop() if lane.flying < room and lane.waiting is not None else None
            if following is None:
                return lane.flying
            seq = following

    def _place(self, seq: int, key: int) -> Place:
        return Place(seq, key, doubts=self._doubts.pop(seq, 0))
