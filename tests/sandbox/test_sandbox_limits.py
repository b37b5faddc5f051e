"""Limits in fixed windows of a second, and the memory of repeats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl.sandbox.limits import Repeats, Window


@given(st.lists(st.floats(0, 5), min_size=1), st.integers(1, 7))
def test_no_second_admits_more_than_the_limit_and_none_less_than_it_could(times: list[float], limit: int) -> None:
    window = Window(limit)
    admitted: dict[int, list[bool]] = {}
    for at in sorted(times):
        admitted.setdefault(int(at), []).append(window.admits(at))
    for second in admitted.values():
        assert second == [index < limit for index in range(len(second))]


def test_without_a_limit_all_come_in() -> None:
    window = Window(None)
    assert all(window.admits(1.0) for _ in range(1000))


def test_the_same_body_is_a_repeat_until_its_time_is_over() -> None:
    repeats = Repeats(60)
    repeats.remember(b"a", 100)
    assert repeats.seen(b"a", 159.9)
    assert not repeats.seen(b"b", 101)
    assert not repeats.seen(b"a", 160)


def test_a_body_remembered_again_counts_from_then_and_old_ones_are_forgotten() -> None:
    repeats = Repeats(10)
    repeats.remember(b"a", 0)
    repeats.remember(b"b", 1)
    repeats.remember(b"a", 9)
    repeats.remember(b"c", 12)
    assert repeats.seen(b"a", 18)
    assert len(repeats._seen) == 2, "b is older than ten seconds"


def test_repeats_are_nothing_when_switched_off() -> None:
    repeats = Repeats(None)
    repeats.remember(b"a", 0)
    assert not repeats.seen(b"a", 0)
