"""The judge of the crash proof sees what it is there to see."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.crashing.oracle import Turn, explain

TURNS = st.lists(st.builds(Turn, st.sampled_from("abc"), st.booleans(), st.integers(0, 2)), min_size=1, max_size=8)


@st.composite
def lawful(draw: st.DrawFn) -> tuple[list[Turn], list[str]]:
    """Turns, and arrivals that keep to them."""
    turns = draw(TURNS)
    arrived = []
    for turn in turns:
        arrived += [turn.body] * draw(st.integers(0 if turn.may_miss else 1, 1 + turn.repeats))
    return turns, arrived


@given(lawful())
def test_arrivals_in_turn_with_repeats_that_were_owned_up_to_are_explained(case: tuple[list[Turn], list[str]]) -> None:
    assert explain(*case) is None


@given(TURNS, st.data())
def test_an_event_that_never_arrived_is_seen(turns: list[Turn], data: st.DataObject) -> None:
    must = [Turn(turn.body) for turn in turns]
    gone = data.draw(st.integers(0, len(must) - 1))
    assert explain(must, [turn.body for at, turn in enumerate(must) if at != gone]) is not None


@given(TURNS, st.data())
def test_a_repeat_that_nobody_owned_up_to_is_seen(turns: list[Turn], data: st.DataObject) -> None:
    must = [Turn(turn.body) for turn in turns]
    twice = data.draw(st.integers(0, len(must) - 1))
    arrived = [turn.body for at, turn in enumerate(must) for _ in range(1 + (at == twice))]
    assert explain(must, arrived) is not None


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=8), st.data())
def test_events_that_overtook_each_other_are_seen(bodies: list[str], data: st.DataObject) -> None:
    arrived = data.draw(st.permutations(bodies))
    assume(arrived != bodies)
    assert explain([Turn(body) for body in bodies], arrived) is not None


def test_a_repeat_behind_a_later_event_of_its_key_is_out_of_turn() -> None:
    turns = [Turn("a", repeats=1), Turn("b")]
    assert explain(turns, ["a", "a", "b"]) is None
    assert explain(turns, ["a", "b", "a"]) is not None
