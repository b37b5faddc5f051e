"""Which event may go next: in order of the outbox, and strictly in order within a lane (RULES §7)."""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from etl.delivery.checkpoint import Tries

# How many events of busy lanes one look may pass over: the coordinator has answers to attend to meanwhile.
_LOOK = 20_000

#: Takes the event of a seq into the request that is being filled; False where it has no room for it.
Load = Callable[[int], bool]


@dataclass(slots=True, eq=False)
class Place:
    """An event on its way: where it stands, how often this call has tried it, how often it was in vain in all (`Tries`).

    `company` is how many events the request that carries it next may have in all, None for any number: it falls by half
    each time that the API refuses a request as a whole.
    """

    seq: int
    lane: int
    tries: int = 0
    doubts: int = 0
    strikes: int = 0
    calls: int = 0
    since: float | None = None
    company: int | None = None
    counted: bool = False  # in this call, while nothing got through
    seen: int = 0  # how many requests had got through when it was last in vain


class _Line:
    """Places that wait behind the events of their lane, 8 bytes each: one lane may hold most of an outbox."""

    __slots__ = ("_head", "_seqs")

    def __init__(self) -> None:
        self._seqs = array("q")
        self._head = 0

    def push(self, seq: int) -> None:
        self._seqs.append(seq)

    def first(self, count: int) -> array[int]:
        return self._seqs[self._head : self._head + count]

    def pop(self) -> int:
        """Take the first; IndexError when nobody waits."""
        seq = self._seqs[self._head]
        self._head += 1
        if self._head > 1024 and self._head * 2 > len(self._seqs):
            del self._seqs[: self._head]
            self._head = 0
        return seq

    def __len__(self) -> int:
        return len(self._seqs) - self._head


class Lanes:
    """The events of an outbox by their turn.

    `take` gives what may go in one request; each of its places then ends by `done` (its turn is over, whatever came of
    it), `again` (it will be tried once more, and its lane waits for it) or `rest` (the same, not before `wake`). Times
    are the caller's, in seconds.
    """

    def __init__(self, places: Iterator[tuple[int, int]], tries: Mapping[int, Tries] | None = None) -> None:
        self._places = places
        self._tries = tries or {}
        # A lane is busy while it is in here: how many of its events are in a request now; 0 while one of them is ready
        # to go or is to be tried again.
        self._under_way: dict[int, int] = {}
        self._again: dict[int, list[tuple[float, Place]]] = {}
        self._waiting: dict[int, _Line] = {}
        self._ready: list[tuple[int, int]] = []  # seq, lane: the first of its lane
        self._due: list[tuple[float, int]] = []  # when, lane: what is to be tried again
        self._resting = False
        self._next = next(places, None)

    @property
    def empty(self) -> bool:
        """True when every event has ended its turn."""
        return self._next is None and not self._under_way

    @property
    def may_have_more(self) -> bool:
        """True when `take` may find an event that this call has not tried, without any other ending first."""
        return self._next is not None or bool(self._ready)

    @property
    def next_retry(self) -> float | None:
        """When the next event may be tried again; None where no event waits, or all that do rest."""
        return self._due[0][0] if self._due and self._due[0][0] < math.inf else None

    @property
    def only_rest(self) -> bool:
        """True when there are events to be tried again, and all of them rest."""
        return bool(self._due) and self._due[0][0] == math.inf

    @property
    def next_seq(self) -> int | None:
        """The first event of the outbox that nobody has looked at yet."""
        return self._next[0] if self._next is not None else None

    def soon(self, count: int) -> set[int]:
        """Return the events that have been looked at and may go before long: about `count` of those that wait in line.

        All that are to be tried again are among them, and the first of each line.
        """
        found = {seq for seq, _ in self._ready}
        found.update(place.seq for places in self._again.values() for _, place in places)
        each = max(2, count // max(1, len(self._waiting)))
        for line in self._waiting.values():
            found.update(line.first(each))
        return found

    def take(
        self,
        now: float,
        most: int = 1,
        fresh: int | None = None,
        load: Load = lambda _: True,
        *,
        others_first: bool = False,
    ) -> list[Place]:
        """Return up to `most` events that may go in one request now, at most `fresh` of them never tried in this call.

        Events due for another try come first, or last with `others_first`. Of one lane a request may carry several, in
        their order. `load` is asked of each before it is taken, and ends the request where it says no.
        """
        taken: list[Place] = []
        room = most
        if others_first:
            self._take_fresh(taken, most if fresh is None else min(most, fresh), load)
            room -= len(taken)
        while self._due and self._due[0][0] <= now and len(taken) < room:
            room = self._take_due(taken, heapq.heappop(self._due)[1], room, load)
        if room == most and not others_first:
            left = most - len(taken) if fresh is None else min(most - len(taken), fresh)
            self._take_fresh(taken, left, load)
        for place in taken:
            place.tries += 1
        return taken

    def done(self, place: Place) -> None:
        """End an event's turn: the next of its lane may go once no other of the lane is under way."""
        self._landed(place.lane)

    def again(self, place: Place, at: float) -> None:
        """Try an event again at `at`; its lane waits."""
        self._resting = self._resting or at == math.inf
        self._again.setdefault(place.lane, []).append((at, place))
        self._landed(place.lane)

    def rest(self, place: Place) -> None:
        """Try an event again after `wake`, if that comes; its lane waits."""
        self.again(place, math.inf)

    def wake(self, at: float) -> None:
        """Let all events that rest be tried again at `at`."""
        if not self._resting:
            return
        self._resting = False
        for key, places in self._again.items():
            self._again[key] = [(min(when, at) if when == math.inf else when, place) for when, place in places]
        self._due = [(self._when(key), key) for _, key in self._due]
        heapq.heapify(self._due)

    def _when(self, key: int) -> float:
        """Return when a lane may try again: not while its first event rests."""
        places = self._again[key]
        first, _ = min(places, key=lambda each: each[1].seq)
        return first if first == math.inf else min(at for at, _ in places)

    def _landed(self, key: int) -> None:
        left = self._under_way[key] - 1
        if left:
            self._under_way[key] = left
        elif key in self._again:
            self._under_way[key] = 0
            heapq.heappush(self._due, (self._when(key), key))
        elif key in self._waiting:
            self._under_way[key] = 0
            heapq.heappush(self._ready, (self._pop_waiting(key), key))
        else:
            del self._under_way[key]

    def _pop_waiting(self, key: int) -> int:
        line = self._waiting[key]
        seq = line.pop()
        if not line:
            del self._waiting[key]
        return seq

    def _take_due(self, taken: list[Place], key: int, room: int, load: Load) -> int:
        """Take what a lane has to try again, in its order; return how many events the request may have in all now."""
        places = sorted(self._again.pop(key), key=lambda each: each[1].seq)
        count = 0
        for at, place in places:
            most = room if place.company is None else min(room, place.company)
            if len(taken) >= most or at == math.inf or not load(place.seq):
                room = len(taken)
                break
            room = most
            taken.append(place)
            count += 1
        if rest := places[count:]:
            self._again[key] = rest
        self._under_way[key] = count
        if not count:
            heapq.heappush(self._due, (self._when(key), key))
        return room

    def _take_fresh(self, taken: list[Place], room: int, load: Load) -> None:
        """Take events that this call has not tried: those whose turn has come, then the next of the outbox."""
        own: set[int] = set()
        while room > 0 and self._ready:
            seq, key = self._ready[0]
            if not load(seq):
                return
            heapq.heappop(self._ready)
            own.add(key)
            taken.append(self._place(seq, key))
            self._under_way[key] = 1
            room -= 1
            while room > 0 and key in self._waiting:
                (seq,) = self._waiting[key].first(1)
                if not load(seq):
                    return
                taken.append(self._place(self._pop_waiting(key), key))
                self._under_way[key] += 1
                room -= 1
        under_way, waiting, looked = self._under_way, self._waiting, 0
        while room > 0 and self._next is not None and looked < _LOOK:
            seq, key = self._next
            busy = under_way.get(key)
            if busy is None or (key in own and key not in waiting):
                if not load(seq):
                    return
                # With one of its lane before it in this same request it is still in its turn.
                under_way[key] = 1 if busy is None else busy + 1
                own.add(key)
                taken.append(self._place(seq, key))
                room -= 1
            else:
                if key not in waiting:
                    waiting[key] = _Line()
                waiting[key].push(seq)
                looked += 1
            self._next = next(self._places, None)

    def _place(self, seq: int, key: int) -> Place:
        past = self._tries.get(seq)
        return (
            Place(seq, key) if past is None else Place(seq, key, 0, past.doubts, past.strikes, past.calls, past.since)
        )
