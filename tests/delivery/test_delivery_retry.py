"""What an outcome means: RULES §6, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from etl.delivery.answers import Answer, Cause, Failure, retry_after
from etl.delivery.body import contacts_in
from etl.delivery.checkpoint import State, Tries
from etl.delivery.retry import Verdict, ended, fatal, is_spent, judge, verdict, without_answer
from etl.masking import snippet

URL = "https://api.example/v2/event"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, State.DELIVERED),
        (202, State.DELIVERED),
        (204, State.DELIVERED),
        (400, State.REJECTED),
        (405, State.REJECTED),
        (408, State.RETRY),
        (409, State.REJECTED),
        (413, State.REJECTED),
        (415, State.REJECTED),
        (422, State.REJECTED),
        (429, State.RETRY),
        (500, State.UNKNOWN),
        (502, State.UNKNOWN),
        (503, State.RETRY),
        (504, State.UNKNOWN),
    ],
)
def test_a_status_is_a_verdict(status: int, state: State) -> None:
    assert judge(status, doubted=False) is state


def test_a_conflict_means_delivered_when_an_earlier_try_may_have_arrived() -> None:
    assert judge(409, doubted=True) is State.DELIVERED


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        (Cause.NOT_SENT, State.RETRY),
        (Cause.UNKNOWN_HOST, State.RETRY),
        (Cause.NO_ANSWER, State.UNKNOWN),
    ],
)
def test_without_an_answer_all_depends_on_whether_it_left(cause: Cause, state: State) -> None:
    assert without_answer(Failure(cause, "x")).state is state


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403])
def test_fatal_statuses(status: int) -> None:
    assert fatal(Answer(status), URL, ever_through=True) is not None


@pytest.mark.parametrize("status", [404, 405, 406, 407, 410, 411, 415])
def test_what_speaks_of_the_address_is_fatal_until_something_got_through(status: int) -> None:
    assert fatal(Answer(status), URL, ever_through=False) is not None
    assert fatal(Answer(status), URL, ever_through=True) is None
    assert judge(status, doubted=False) is State.REJECTED or status == 404


def test_a_page_of_403_is_a_firewalls_and_no_word_of_the_keys_right() -> None:
    page = Answer(403, b"<!DOCTYPE html><title>Just a moment...</title>", "text/html")
    first = fatal(page, URL, ever_through=False)
    assert first is not None
    assert "firewall" in first.reason
    assert "right" not in first.reason + first.hint
    assert fatal(page, URL, ever_through=True) is None


@pytest.mark.parametrize("answer", [Answer(404, b"default backend"), Answer(403, b"<html>", "text/html")])
def test_a_404_or_a_page_of_403_after_something_got_through_is_refused_for_now(answer: Answer) -> None:
    assert verdict(answer, doubted=False).state is State.RETRY


DAY = 86400.0


@pytest.mark.parametrize(
    ("tries", "state", "after", "spent"),
    [
        (Tries(strikes=19), State.RETRY, 9 * DAY, False),
        (Tries(strikes=20), State.RETRY, 1, True),
        (Tries(calls=20), State.RETRY, DAY - 1, False),
        (Tries(calls=20), State.RETRY, DAY, True),
        (Tries(strikes=4, calls=16), State.RETRY, DAY, True),
        (Tries(strikes=4, calls=15), State.RETRY, 9 * DAY, False),
        (Tries(doubts=5, strikes=5), State.UNKNOWN, 1, True),
        (Tries(doubts=40, strikes=1), State.UNKNOWN, 1, False),  # an outage
        (Tries(doubts=40, strikes=1, calls=4), State.UNKNOWN, DAY, True),
        (Tries(doubts=1, strikes=19), State.RETRY, 9 * DAY, False),
        (Tries(doubts=5, strikes=5), State.RETRY, 1, False),
    ],
)
def test_an_event_ends_after_twenty_refusals_or_five_unknown_outcomes_that_no_outage_explains(
    tries: Tries, state: State, after: float, spent: bool
) -> None:
    assert is_spent(replace(tries, since=1000.0), state, 1000.0 + after) is spent


def test_an_event_that_may_have_arrived_ends_as_unknown_whatever_was_said_last() -> None:
    for state in (State.RETRY, State.REJECTED, State.UNKNOWN):
        assert ended(Verdict(state, 400), Tries(doubts=1)).state is State.UNKNOWN
    assert ended(Verdict(State.REJECTED, 400), Tries()).state is State.REJECTED
    assert ended(Verdict(State.RETRY, 503, "busy"), Tries(strikes=20)) == Verdict(
        State.REJECTED, 503, "refused for now 20 times: busy"
    )


@pytest.mark.parametrize("status", [200, 204, 400, 408, 409, 413, 429, 500, 503])
def test_other_statuses_are_not_fatal(status: int) -> None:
    assert fatal(Answer(status, b"<html>error page</html>" if status >= 400 else b""), URL, ever_through=False) is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"hello", "text/html; charset=utf-8"),
        Answer(200, b"\n<!DOCTYPE html><p>", ""),
        Answer(203, b"<HTML lang=uk>", "text/plain"),
        Answer(200, b"<html><body>", "application/json"),
        Answer(200, b"\xef\xbb\xbf <html><body>", "application/json"),
        Answer(200, b"<!-- portal --><html>", ""),
        Answer(200, b"", "text/html", unreadable="packed"),
    ],
)
def test_a_web_page_is_not_the_api(answer: Answer) -> None:
    assert fatal(answer, URL, ever_through=True) is not None


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_nothing_is_no_web_page_whatever_its_type(body: bytes) -> None:
    assert fatal(Answer(200, body, "text/html"), URL, ever_through=False) is None


def test_a_2xx_that_cannot_be_read_is_unknown_and_any_other_status_speaks_for_itself() -> None:
    why = "the answer is packed (br)"
    assert verdict(Answer(200, unreadable=why), doubted=False) == Verdict(State.UNKNOWN, 200, why)
    assert verdict(Answer(400, unreadable=why), doubted=False) == Verdict(State.REJECTED, 400, why)


def test_a_wrong_certificate_is_fatal_always_an_unknown_host_only_before_anything_got_through() -> None:
    certificate, host = Failure(Cause.CERTIFICATE, "expired"), Failure(Cause.UNKNOWN_HOST, "unknown host x")
    assert fatal(certificate, URL, ever_through=True)
    assert fatal(host, URL, ever_through=False)
    assert fatal(host, URL, ever_through=True) is None


def test_a_redirect_is_named_by_its_host_only() -> None:
    found = fatal(Answer(302, location="https://u:pw@login.example/in?token=1"), URL, ever_through=False)
    assert found is not None
    assert "redirects to login.example (302)" in found.reason
    assert "pw" not in found.reason + found.hint


def test_a_rejection_keeps_what_the_api_said_without_contact_data() -> None:
    found = verdict(
        Answer(400, b'{"error":\n "bad value olena.k+1@shop.example.ua, +380 50 123 45 67"}'), doubted=False
    )
    assert found.detail == '{"error": "bad value o***@shop.example.ua, ***67"}'


def test_an_answer_that_repeats_what_was_sent_is_kept_without_it() -> None:
    known = contacts_in(
        b'{"eventTypeKey":"t","keyValue":"cust-0042","params":[{"name":"externalCustomerId","value":"cust-0042"},'
        b'{"name":"phone","value":"48501112233"},{"name":"colour","value":"red-green"}]}'
    )
    answer = Answer(400, b'{"error": "CUST-0042 with 48501112233 and red-green, item 4820000000017"}')
    found = verdict(answer, doubted=False, known=known)
    assert found.detail == '{"error": "***42 with ***33 and red-green, item 4820000000017"}'


def test_a_long_answer_is_cut_and_an_empty_one_says_nothing() -> None:
    assert len(snippet(b"x" * 5000) or "") == 300
    assert snippet(b" \r\n ") is None
    assert snippet(b"\xff\xfe") is not None


def test_retry_after_in_seconds_and_as_a_date() -> None:
    now = datetime.now(UTC)
    server = now + timedelta(hours=3)  # its clock is wrong, and it does not matter
    later = format_datetime(server + timedelta(seconds=90), usegmt=True)
    assert retry_after("7", None) == 7
    assert retry_after(" 0.5 ", None) == 0.5
    assert retry_after(later, format_datetime(server, usegmt=True)) == 90
    assert retry_after(format_datetime(now + timedelta(seconds=60), usegmt=True), None) == pytest.approx(60, abs=3)
    assert retry_after(None, None) is None


@pytest.mark.parametrize(
    "header",
    [
        "0",
        "0.0",
        "-5",
        "soon",
        "",
        "nan",
        "inf",
        "1e300",
        "99999999999",
        "9" * 400,
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -1200",
        "Sat, 01 Jan 0001 00:00:00 +1400",
    ],
)
def test_a_retry_after_of_no_time_in_the_past_or_beyond_all_measure_asks_for_nothing(header: str) -> None:
    assert retry_after(header, None) is None
