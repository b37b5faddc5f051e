"""Which event may go next."""

from __future__ import annotations

import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from etl.delivery import lanes as module
from etl.delivery.checkpoint import Tries
from etl.delivery.lanes import Lanes, Place

Keys = st.lists(st.integers(0, 6), max_size=80)


def lanes_of(keys: list[int]) -> Lanes:
    return Lanes(iter(enumerate(keys)))


def seqs(places: list[Place]) -> list[int]:
    return [place.seq for place in places]


@settings(deadline=None)
@given(keys=Keys, batch=st.integers(1, 7), slots=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_each_event_goes_in_the_order_of_its_lane_and_never_two_requests_of_a_lane_at_once(
    keys: list[int], batch: int, slots: int, seed: int
) -> None:
    """Whatever ends when, whatever is tried again, and however many events a request carries."""
    chance, lanes, now = random.Random(seed), lanes_of(keys), 0.0
    flying: list[list[Place]] = []
    first_try: dict[int, list[int]] = defaultdict(list)
    ended: set[int] = set()
    while not lanes.empty:
        while len(flying) < slots and (taken := lanes.take(now, batch)):
            assert len(taken) <= batch
            under_way = {place.lane for request in flying for place in request}
            assert under_way.isdisjoint(place.lane for place in taken)
            own = seqs(taken)
            for place in taken:
                if place.tries == 1:
                    earlier = [seq for seq in range(place.seq) if keys[seq] == place.lane]
                    assert all(seq in ended or seq in own[: own.index(place.seq)] for seq in earlier)
                    first_try[place.lane].append(place.seq)
            flying.append(taken)
        if flying:
            for place in flying.pop(chance.randrange(len(flying))):
                if place.tries < 4 and chance.random() < 0.4:
                    lanes.again(place, now + chance.random())
                else:
                    ended.add(place.seq)
                    lanes.done(place)
        now += 0.3
    assert ended == set(range(len(keys)))
    assert all(order == sorted(order) for order in first_try.values())


def test_a_stuck_event_holds_back_its_own_lane_only() -> None:
    lanes = lanes_of([1, 1, 2, 3, 1])
    (stuck,) = lanes.take(0)
    lanes.again(stuck, 100.0)
    assert seqs(lanes.take(0)) == [2]
    assert seqs(lanes.take(0)) == [3]
    assert lanes.take(0) == []
    assert not lanes.may_have_more
    assert lanes.next_retry == 100.0
    assert lanes.take(100.0) == [stuck]
    lanes.done(stuck)
    assert seqs(lanes.take(100.0)) == [1]


def test_a_request_may_carry_several_events_of_a_lane_in_their_order() -> None:
    lanes = lanes_of([1, 1, 2, 1, 2])
    assert seqs(lanes.take(0, 4)) == [0, 1, 2, 3]
    assert lanes.take(0, 4) == []


def test_the_number_of_events_not_tried_before_can_be_limited_and_retries_go_on() -> None:
    lanes = lanes_of([1, 2, 3])
    (first,) = lanes.take(0, 1, fresh=1)
    lanes.again(first, 0.0)
    assert lanes.take(0, 3, fresh=0) == [first]


def test_an_event_knows_how_often_its_outcome_was_unknown() -> None:
    lanes = Lanes(iter(enumerate([1, 2])), {1: Tries(doubts=3)})
    assert [place.doubts for place in lanes.take(0, 2)] == [0, 3]


def test_a_look_passes_over_a_bounded_number_of_waiting_events_and_goes_on_later() -> None:
    count = 2 * module._LOOK + 7
    lanes = lanes_of([1] * (count - 1) + [2])
    (first,) = lanes.take(0)
    assert first.seq == 0
    assert lanes.take(0) == []
    assert lanes.take(0) == []
    assert seqs(lanes.take(0)) == [count - 1]
    for expected in range(1, 5):
        lanes.done(first)
        (first,) = lanes.take(0)
        assert first.seq == expected


def test_nothing_in_nothing_out() -> None:
    assert lanes_of([]).empty
