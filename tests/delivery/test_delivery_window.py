"""The hours in which live events may go."""

from __future__ import annotations

import time as clock
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outboxes import bench, keys, settings
from servers import serving

from etl.delivery.checkpoint import Counts
from etl.delivery.post import deliver
from etl.delivery.window import Window
from etl.errors import Exit

KYIV = "Europe/Kyiv"
DAY = Window(time(9), time(20), KYIV)
NIGHT = Window(time(22), time(6), KYIV)
WHOLE = Window(time(0), None, KYIV)
EVENING = Window(time(18), None, KYIV)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("window", "now", "is_open", "until"),
    [
        (DAY, "2026-11-22T10:00+02:00", True, "2026-11-22T20:00+02:00"),
        (DAY, "2026-11-22T09:00+02:00", True, "2026-11-22T20:00+02:00"),
        (DAY, "2026-11-22T20:00+02:00", False, "2026-11-23T09:00+02:00"),
        (DAY, "2026-11-22T08:59:59+02:00", False, "2026-11-22T09:00+02:00"),
        (DAY, "2026-11-22T23:30+00:00", False, "2026-11-23T09:00+02:00"),
        (NIGHT, "2026-11-22T23:00+02:00", True, "2026-11-23T06:00+02:00"),
        (NIGHT, "2026-11-23T05:59+02:00", True, "2026-11-23T06:00+02:00"),
        (NIGHT, "2026-11-23T06:00+02:00", False, "2026-11-23T22:00+02:00"),
        (EVENING, "2026-11-22T23:59+02:00", True, "2026-11-23T00:00+02:00"),
        (EVENING, "2026-11-23T00:00+02:00", False, "2026-11-23T18:00+02:00"),
        # Summer time ends: the night has an hour more. It begins: an hour less.
        (NIGHT, "2026-10-24T22:00+03:00", True, "2026-10-25T06:00+02:00"),
        (NIGHT, "2026-03-28T22:00+02:00", True, "2026-03-29T06:00+03:00"),
        (DAY, "2026-03-28T21:00+02:00", False, "2026-03-29T09:00+03:00"),
        # 03:30 occurs twice that night: the earlier one. 03:30 does not occur in spring: 04:30.
        # 03:30 to 04:00 has no time at all that spring night.
        (Window(time(3, 30), time(4), KYIV), "2026-03-29T02:00+02:00", False, "2026-03-30T03:30+03:00"),
        (Window(time(3, 30), time(5), KYIV), "2026-10-25T03:29+03:00", False, "2026-10-25T03:30+03:00"),
        (Window(time(3, 30), time(5), KYIV), "2026-03-29T02:00+02:00", False, "2026-03-29T04:30+03:00"),
    ],
)
def test_it_opens_and_closes_by_the_clocks_of_its_zone(window: Window, now: str, is_open: bool, until: str) -> None:
    assert window.look(at(now)) == (is_open, at(until))


@given(
    st.times(), st.one_of(st.none(), st.times()), st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),
    st.sampled_from([KYIV, "America/New_York", "Australia/Lord_Howe", "UTC"]),
)  # fmt: skip
def test_what_it_says_holds_until_then_and_changes_there(
    start: time, end: time | None, naive: datetime, zone: str
) -> None:
    window, now = Window(start, end, zone), naive.replace(tzinfo=UTC)
    is_open, until = window.look(now)
    assert now < until <= now + timedelta(hours=49)
    assert window.look(until - timedelta(microseconds=1)) == (is_open, until)
    if not is_open:
        assert window.look(until)[0]


def around(start: timedelta, end: timedelta) -> Window:
    """A window between two moments from now."""
    now = datetime.now(UTC)
    return Window((now + start).time(), (now + end).time(), "UTC")


def test_outside_it_nothing_goes_and_a_long_wait_ends_the_call_with_the_time_to_come_back(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(9))
    window = around(timedelta(hours=2), timedelta(hours=3))
    with serving() as server, made.open() as checkpoint:
        result = deliver(made.outbox, checkpoint, made.run, settings(server.url, window=window))
        assert checkpoint.counts(made.run) == Counts()
    assert server.got == []
    assert result.stopped is not None
    assert (result.stopped.exit, result.stopped.guard) == (Exit.AGAIN, None)
    assert "delivery.window" in result.stopped.reason
    assert result.stopped.resume_at is not None
    away = at(result.stopped.resume_at) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < away <= timedelta(hours=2)


def test_a_short_wait_is_waited(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(9))
    window = around(timedelta(seconds=1.2), timedelta(hours=1))
    with serving() as server, made.open() as checkpoint:
        result = deliver(made.outbox, checkpoint, made.run, settings(server.url, window=window))
    assert result.stopped is None
    assert len(server.got) == 9
    assert 1.0 < result.seconds < 3


def test_what_is_in_flight_when_it_closes_gets_its_verdict_and_the_rest_stays_pending(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(500))
    window = around(timedelta(hours=-1), timedelta(seconds=1))
    with serving() as server, made.open() as checkpoint:
        result = deliver(made.outbox, checkpoint, made.run, settings(server.url, window=window, rate=100.0))
        found = checkpoint.counts(made.run)
    assert result.stopped is not None
    assert result.stopped.resume_at is not None
    assert found == Counts(delivered=len(server.got))
    assert 60 <= len(server.got) <= 110


def test_a_clock_that_is_set_into_the_window_opens_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, real, started = bench(tmp_path, keys(9)), clock.time, clock.monotonic()
    window = around(timedelta(minutes=10), timedelta(hours=1))
    monkeypatch.setattr(clock, "time", lambda: real() + (900 if clock.monotonic() - started > 1 else 0))
    with serving() as server, made.open() as checkpoint:
        result = deliver(made.outbox, checkpoint, made.run, settings(server.url, window=window))
    assert result.stopped is None
    assert len(server.got) == 9
    assert 0.3 < result.seconds < 60


def test_a_clock_that_is_set_back_out_of_the_window_closes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, real, started = bench(tmp_path, keys(500)), clock.time, clock.monotonic()
    window = around(timedelta(minutes=-10), timedelta(hours=1))
    monkeypatch.setattr(clock, "time", lambda: real() - (7200 if clock.monotonic() - started > 1 else 0))
    with serving() as server, made.open() as checkpoint:
        result = deliver(made.outbox, checkpoint, made.run, settings(server.url, window=window, rate=50.0))
    assert result.stopped is not None
    assert "delivery.window" in result.stopped.reason
    assert len(server.got) < 300
