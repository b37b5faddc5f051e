"""How the two methods wrap events and read answers."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from servers import results

from etl.delivery.answers import Answer
from etl.delivery.body import iso
from etl.delivery.checkpoint import State
from etl.delivery.event_method import EventMethod
from etl.delivery.methods import method_of, over_the_limit
from etl.delivery.past_events_method import PastEventsMethod
from etl.delivery.settings import Settings
from etl.errors import JobError

BODY = '{"eventTypeKey":"couponSeen","keyValue":"ключ","params":[{"name":"a","value":"[]}"}]}'.encode()
INSTANT = 1_795_305_600_250_000


def test_the_job_names_the_method() -> None:
    assert method_of(Settings("http://x", "k")).path == "/v2/event"
    past = method_of(Settings("http://x", "k", method="past_events", batch=7, batch_bytes=99))
    assert (past.path, past.max_events, past.max_bytes) == ("/v2/past_events", 7, 99)


@pytest.mark.parametrize(
    ("method", "rate", "warns"), [("event", 350, False), ("event", 351, True), ("past_events", 101, True)]
)
def test_a_rate_above_the_apis_limit_is_a_warning(method: str, rate: float, warns: bool) -> None:
    assert (over_the_limit(method, rate) is not None) is warns


# event


def test_a_body_goes_as_it_was_planned_byte_for_byte() -> None:
    method = EventMethod()
    assert method.wrap([method.piece((BODY, INSTANT))]) is BODY


def test_the_time_is_one_more_parameter_where_the_job_wants_it() -> None:
    whole = json.loads(EventMethod("eventTime").piece((BODY, INSTANT)))
    assert whole["params"] == [
        {"name": "a", "value": "[]}"},
        {"name": "eventTime", "value": "2026-11-22T00:00:00.250000Z"},
    ]
    assert whole["keyValue"] == "ключ"


def test_the_time_may_be_the_only_parameter() -> None:
    whole = json.loads(EventMethod("at").piece((b'{"eventTypeKey":"x","keyValue":"k","params":[]}', 0)))
    assert whole["params"] == [{"name": "at", "value": "1970-01-01T00:00:00Z"}]


def test_an_event_without_a_time_has_no_such_parameter() -> None:
    assert EventMethod("at").piece((BODY, None)) == BODY


def test_times_before_1970_are_right_too() -> None:
    assert iso(-1) == "1969-12-31T23:59:59.999999Z"


def test_the_answer_is_the_verdict_of_its_one_event() -> None:
    (found,) = EventMethod().read(Answer(400, b"no"), BODY, [False]).verdicts
    assert (found.state, found.status, found.detail) == (State.REJECTED, 400, "no")


# past_events


def past(zone: str = "UTC", time_param: str | None = None) -> PastEventsMethod:
    return PastEventsMethod(zone, 500, 1_000_000, time_param)


def test_events_go_as_a_list_each_with_the_minute_in_which_it_occurred() -> None:
    method = past("Europe/Kyiv")
    whole = json.loads(method.wrap([method.piece((BODY, INSTANT)), method.piece((BODY, INSTANT - 60_000_000))]))
    assert [event.pop("occurred") for event in whole["events"]] == ["2026-11-22T02:00", "2026-11-22T01:59"]
    assert whole == {"events": [json.loads(BODY)] * 2}


@pytest.mark.parametrize(
    ("zone", "instant", "occurred"),
    [
        ("UTC", "2026-07-01T12:00:59Z", "2026-07-01T12:00"),
        ("Europe/Kyiv", "2026-07-01T12:00:00Z", "2026-07-01T15:00"),
        ("Europe/Kyiv", "2026-10-25T00:30:00Z", "2026-10-25T03:30"),  # the hour that occurs twice
        ("Europe/Kyiv", "2026-10-25T01:30:00Z", "2026-10-25T03:30"),
        ("Asia/Kathmandu", "2026-12-31T18:20:00Z", "2027-01-01T00:05"),
        ("UTC", "1969-12-31T23:59:30Z", "1969-12-31T23:59"),
    ],
)
def test_occurred_is_the_minute_by_the_clocks_of_the_zone(zone: str, instant: str, occurred: str) -> None:
    moment = int(datetime.fromisoformat(instant).timestamp()) * 1_000_000
    for _ in range(2):  # the second time from memory
        assert json.loads(past(zone).piece((BODY, moment)))["occurred"] == occurred


def test_the_exact_time_goes_along_as_a_parameter_where_the_job_wants_it() -> None:
    whole = json.loads(past(time_param="at").piece((BODY, INSTANT)))
    assert whole["params"][-1] == {"name": "at", "value": "2026-11-22T00:00:00.250000Z"}
    assert whole["occurred"] == "2026-11-22T00:00"


def test_an_event_without_a_time_is_refused_with_words() -> None:
    with pytest.raises(JobError, match="has no time"):
        past().piece((BODY, None))


def test_the_answer_is_read_event_by_event() -> None:
    said = results("ACCEPTED", "SERVER_ERROR", "OCCURRED_TIME_TOO_DEPTH", "ACCEPTED", "WHAT_IS_THIS")
    reading = past().read(Answer(200, said), b"", [False] * 5)
    assert [v.state for v in reading.verdicts] == [
        State.DELIVERED,
        State.RETRY,
        State.REJECTED,
        State.DELIVERED,
        State.UNKNOWN,  # a word that the API does not document
    ]
    assert reading.verdicts[2].detail == "OCCURRED_TIME_TOO_DEPTH"
    assert reading.verdicts[4].detail == "a status that the API does not document: WHAT_IS_THIS"
    assert (reading.fatal, reading.mismatch, reading.refused_whole) == (None, False, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"results":null}',
        b'{"results":{"0":{"status":"ACCEPTED"},"1":{"status":"ACCEPTED"}}}',
        b'{"results":[{"status":"ACCEPTED"}]}',
        b'{"results":[{"status":"ACCEPTED"},{"status":"ACCEPTED"},{"status":"ACCEPTED"}]}',
        b'{"results":[{"status":"ACCEPTED"},{}]}',
        b'{"results":[{"status":"ACCEPTED"},{"status":null}]}',
        b'{"results":[{"status":"ACCEPTED"},{"status":["ACCEPTED"]}]}',
        b'{"results":["ACCEPTED","ACCEPTED"]}',
        b'{"results":[{"status":"ACCEPTED"},{"status":"ACCEPTED"}],"successCount":1,"errorCount":1}',
        b'{"results":[{"status":"ACCEPTED"},{"status":"SERVER_ERROR"}],"successCount":2}',
        b'{"results":[{"status":"ACCEPTED"},{"status":"ACCE',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_does_not_match_the_request_is_unknown_and_not_guessed(body: bytes) -> None:
    reading = past().read(Answer(200, body), b"", [False, False])
    assert reading.mismatch
    assert [v.state for v in reading.verdicts] == [State.UNKNOWN] * 2


def test_an_account_that_is_not_ready_is_no_fault_of_the_event() -> None:
    method = past()
    request = method.wrap([method.piece((BODY, INSTANT))] * 2)
    reading = method.read(Answer(200, results("ACCEPTED", "EVENT_SEGMENTATION_DISABLED")), request, [False, False])
    assert [v.state for v in reading.verdicts] == [State.DELIVERED, State.RETRY]
    assert reading.fatal is not None
    assert "couponSeen" in reading.fatal.reason
    assert "segmentation" in reading.fatal.hint


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_refusal_in_company_is_nobodys_and_alone_it_is_the_events(status: int) -> None:
    reading = past().read(Answer(status, b"events[1]: bad"), b"", [False] * 3)
    assert reading.refused_whole
    assert [v.state for v in reading.verdicts] == [State.RETRY] * 3
    alone = past().read(Answer(status, b"bad"), b"", [False])
    assert not alone.refused_whole
    assert [v.state for v in alone.verdicts] == [State.REJECTED]


def test_a_conflict_says_that_all_in_doubt_have_come_before() -> None:
    assert [v.state for v in past().read(Answer(409), b"", [True, True]).verdicts] == [State.DELIVERED] * 2
    assert past().read(Answer(409), b"", [True, False]).refused_whole


@pytest.mark.parametrize(
    ("status", "state"), [(408, State.RETRY), (429, State.RETRY), (503, State.RETRY), (500, State.UNKNOWN)]
)
def test_a_status_that_speaks_of_the_server_is_for_all_events_alike(status: int, state: State) -> None:
    reading = past().read(Answer(status), b"", [False] * 3)
    assert [v.state for v in reading.verdicts] == [state] * 3
    assert not reading.refused_whole
