"""How the method `event` wraps and reads."""

from __future__ import annotations

import json

import pytest

from etl.delivery.answers import Answer
from etl.delivery.checkpoint import State
from etl.delivery.methods import EventMethod, iso, method_of
from etl.delivery.outbox import OutboxEvent
from etl.delivery.settings import Settings
from etl.errors import JobError

BODY = '{"eventTypeKey":"couponSeen","keyValue":"ключ","params":[{"name":"a","value":"[]}"}]}'.encode()
INSTANT = 1_795_305_600_250_000


def test_a_body_goes_as_it_was_planned_byte_for_byte() -> None:
    assert EventMethod().wrap([OutboxEvent(0, BODY, INSTANT)]) is BODY


def test_the_time_is_one_more_parameter_where_the_job_wants_it() -> None:
    whole = json.loads(EventMethod("eventTime").wrap([OutboxEvent(0, BODY, INSTANT)]))
    assert whole["params"] == [
        {"name": "a", "value": "[]}"},
        {"name": "eventTime", "value": "2026-11-22T00:00:00.250000Z"},
    ]
    assert whole["keyValue"] == "ключ"


def test_the_time_may_be_the_only_parameter() -> None:
    empty = b'{"eventTypeKey":"x","keyValue":"k","params":[]}'
    whole = json.loads(EventMethod("at").wrap([OutboxEvent(0, empty, 0)]))
    assert whole["params"] == [{"name": "at", "value": "1970-01-01T00:00:00Z"}]


def test_an_event_without_a_time_has_no_such_parameter() -> None:
    assert EventMethod("at").wrap([OutboxEvent(0, BODY, None)]) == BODY


def test_times_before_1970_are_right_too() -> None:
    assert iso(-1) == "1969-12-31T23:59:59.999999Z"


def test_the_answer_is_the_verdict_of_its_one_event() -> None:
    (found,) = EventMethod().read(Answer(400, b"no"), [False])
    assert (found.state, found.status, found.detail) == (State.REJECTED, 400, "no")


def test_past_events_is_refused_with_words_until_it_is_there() -> None:
    with pytest.raises(JobError, match="past_events is not there yet"):
        method_of(Settings("http://x", "k", method="past_events"))
