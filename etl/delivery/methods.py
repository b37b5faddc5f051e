"""The methods that a job may name, and what the API allows each."""

from __future__ import annotations

from etl.delivery.event_method import EventMethod
from etl.delivery.method import Method
from etl.delivery.past_events_method import PastEventsMethod
from etl.delivery.settings import Settings

#: Requests a second that the API takes (api-facts §1, limits a second).
API_LIMITS = {"event": 350, "past_events": 100}


def method_of(settings: Settings) -> Method:
    """Return the method that the job names."""
    if settings.method == "event":
        return EventMethod(settings.time_param)
    return PastEventsMethod(settings.occurred_zone, settings.batch, settings.batch_bytes, settings.time_param)


def over_the_limit(method: str, rate: float) -> str | None:
    """Return a warning where a rate is higher than the API takes, or None."""
    limit = API_LIMITS[method]
    if rate <= limit:
        return None
    return f"delivery.rate is {rate:g} requests a second; the API takes {limit} of {method} and answers 429 above"
