"""What it costs to send planned events, by each method: requests, and hours at the rate that job and API allow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from etl.delivery.methods import API_LIMITS
from etl.flow.target import window_of
from etl.job.models import Job
from etl.report.books import Books
from etl.report.days import Cost

_WEEK = 7 * 24 * 60


def costs(job: Job, books: Sequence[Books]) -> dict[str, Cost]:
    """Return the cost of these plans by each method, one after the other, each a run of its own.

    Pauses of `delivery.bulk` are counted, the time of answers is not: the rate decides as long as `concurrency` is enough. Events
    that the live method leaves out for their age (`stale`, `superseded`) go as past_events. With `delivery.window` the live
    method has its hours of each day only.
    """
    return {method: _cost(job, method, [_events(job, method, one) for one in books]) for method in API_LIMITS}


def _events(job: Job, method: str, books: Books) -> int:
    left_out = job.delivery.method == "event" and method == "past_events"
    return books.events + (books.filtered["stale"] + books.duplicate["superseded"] if left_out else 0)


def _cost(job: Job, method: str, events: list[int]) -> Cost:
    delivery = job.delivery
    batch = delivery.batch if method == "past_events" else 1
    requests = sum(-(-count // batch) for count in events)
    rate = min(delivery.rate, API_LIMITS[method])
    seconds = requests / rate
    if delivery.bulk is not None:
        pauses = sum(max(0, count - 1) // delivery.bulk.size for count in events)
        seconds += pauses * delivery.bulk.pause.total_seconds()
    share = _open_share(job) if method == "event" else 1.0
    return Cost(sum(events), requests, rate, seconds, seconds / share / 86_400)


def _open_share(job: Job) -> float:
    """Return the share of time in which the window is open, over the week to come."""
    window = window_of(job)
    if window is None:
        return 1.0
    now, opened = datetime.now(UTC), timedelta()
    end, moment = now + timedelta(minutes=_WEEK), now
    while moment < end:
        is_open, until = window.look(moment)
        until = min(until, end)
        opened += (until - moment) if is_open else timedelta()
        moment = until
    return opened / (end - now) or 1.0
