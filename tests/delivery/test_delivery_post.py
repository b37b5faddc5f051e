"""An outbox posted to a real server: who gets what, in which order, and what is said of it.

One contract for both methods: each test runs with `event`, and with `past_events` of one event a request. What batches
add stands in test_delivery_batches.py.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from outboxes import SECRET, Bench, bench, keys, settings
from servers import OK, Got, Reply, Server, free_port, serving

from etl.delivery.checkpoint import Counts
from etl.delivery.post import Bulk, Patience, Progress, Result, StopFlag, deliver
from etl.errors import Exit, StateError

MODE: dict[str, Any] = {}


@pytest.fixture(
    autouse=True, params=[{"method": "event"}, {"method": "past_events", "batch": 1}], ids=["event", "past"]
)
def mode(request: pytest.FixtureRequest) -> None:
    """How all calls of a test post."""
    MODE.clear()
    MODE.update(request.param)


def run(made: Bench, server: Server | str, *, stop: StopFlag | None = None, limit: int | None = None, **more) -> Result:
    """One call: sweep, then deliver."""
    url = server if isinstance(server, str) else server.url
    with made.open() as checkpoint:
        checkpoint.sweep()
        return deliver(made.outbox, checkpoint, made.run, settings(url, **MODE | more), stop=stop, limit=limit)


def counts(made: Bench) -> Counts:
    with made.open() as checkpoint:
        return checkpoint.counts(made.run)


def row(made: Bench):
    with made.open() as checkpoint:
        return checkpoint.run(made.run)


def number(got: Got) -> int:
    (only,) = got.numbers
    return only


def once(*bad: Reply, of: Callable[[int], bool] = lambda n: True) -> Callable[[Got], Reply]:
    """Answer each event that `of` picks with the bad replies first, one after the other, then well."""
    tries: Counter[int] = Counter()

    def script(got: Got) -> Reply:
        tries[number(got)] += 1
        nth = tries[number(got)]
        return bad[nth - 1] if of(number(got)) and nth <= len(bad) else OK

    return script


def assert_in_order(server: Server, names: list[str]) -> None:
    """Within a key nothing overtakes: a repeat may follow itself at once, and nothing else."""
    for name in set(names):
        sequence = server.sequence(name)
        assert sequence == sorted(sequence), name


# What is sent


def test_each_event_arrives_once_in_the_order_of_its_key(tmp_path: Path) -> None:
    names = keys(1013, of=37)
    made = bench(tmp_path, names)
    with serving() as server:
        result = run(made, server)
    assert result.stopped is None
    assert server.bodies == made.bodies
    assert_in_order(server, names)
    assert counts(made) == Counts(delivered=1013)
    assert (result.requests, result.resent, row(made).requests, row(made).resent) == (1013, 0, 1013, 0)
    assert row(made).seconds == pytest.approx(result.seconds, rel=0.2)


def test_different_keys_go_side_by_side_and_those_of_one_key_one_by_one(tmp_path: Path) -> None:
    slow = Reply(delay=0.02)
    with serving(lambda _: slow) as server:
        run(bench(tmp_path, keys(60)), server, concurrency=6)
    assert server.most_at_work == 6
    (tmp_path / "one").mkdir()
    with serving(lambda _: slow) as server:
        run(bench(tmp_path / "one", keys(20, of=1)), server, concurrency=6)
    assert server.most_at_work == 1


def test_the_first_request_goes_alone(tmp_path: Path) -> None:
    with serving(lambda got: Reply(delay=0.3 if got.number == 0 else 0.0)) as server:
        run(bench(tmp_path, keys(50)), server)
    assert server.got[1].at - server.got[0].at >= 0.3


def test_an_outbox_without_events_needs_no_server(tmp_path: Path) -> None:
    assert run(bench(tmp_path, []), "http://127.0.0.1:9/api").stopped is None


def test_the_exact_time_goes_along_where_the_job_wants_it(tmp_path: Path) -> None:
    with serving() as server:
        run(bench(tmp_path, keys(3)), server, time_param="eventTime")
    params = {event["n"]: event["params"][-1] for event in server.events}
    assert params[2] == {"name": "eventTime", "value": "2026-11-20T00:00:02Z"}


def test_a_finished_run_sends_nothing_more(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(30))
    with serving() as server:
        run(made, server)
        assert run(made, server).requests == 0
    assert len(server.got) == 30


def test_withdrawn_events_stay_at_home(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(300, of=5))
    gone = list(range(90, 205))
    with made.open() as checkpoint:
        checkpoint.withdraw(made.run, gone, "stale")
    with serving() as server:
        assert run(made, server).stopped is None
    assert sorted(map(number, server.taken)) == sorted(set(range(300)) - set(gone))


# RULES §6, row by row


@pytest.mark.parametrize(
    "bad",
    [Reply(408), Reply(429), Reply(503), Reply(429, headers=(("Retry-After", "0"),))],
    ids=["408", "429", "503", "429 with Retry-After"],
)
def test_what_is_refused_for_now_goes_again_and_is_no_repeat(tmp_path: Path, bad: Reply) -> None:
    names = keys(90, of=7)
    made = bench(tmp_path, names)
    with serving(once(bad, bad, of=lambda n: n % 11 == 3)) as server:
        result = run(made, server)
    assert result.stopped is None
    assert server.bodies == made.bodies
    assert_in_order(server, names)
    assert counts(made) == Counts(delivered=90)
    assert result.resent == 0
    assert result.requests == len(server.got)


@pytest.mark.parametrize(
    "bad",
    [
        Reply(500, accepts=True),
        Reply(502, accepts=False),
        Reply(504, accepts=True),
        Reply(reset=True, accepts=True),
        Reply(close=True, accepts=False),
        Reply(half=30, accepts=True),
        Reply(hang=True, accepts=True),
        Reply(drip=0.05, accepts=True),
    ],
    ids=["500", "502", "504", "reset", "close", "half an answer", "hang", "drips"],
)
def test_an_unknown_outcome_is_resent_and_counted(tmp_path: Path, bad: Reply) -> None:
    names = keys(90, of=7)
    made = bench(tmp_path, names)
    with serving(once(bad, of=lambda n: n % 30 == 4)) as server:
        result = run(made, server, timeout=0.4)
    assert result.stopped is None
    assert counts(made) == Counts(delivered=90)
    assert (result.resent, row(made).resent) == (3, 3)
    assert not made.bodies - server.bodies
    assert (server.bodies - made.bodies).total() == (3 if bad.taken else 0)
    assert_in_order(server, names)


def test_an_unknown_outcome_is_held_where_the_job_says_so_and_its_key_goes_on(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(40, of=4))
    with serving(lambda got: Reply(500) if number(got) in (4, 9) else OK) as server:
        assert run(made, server, on_unknown="hold").stopped is None
        assert counts(made) == Counts(delivered=38, unknown=2)
        assert run(made, server, on_unknown="hold").requests == 0
        assert len(server.got) == 40
        with made.open() as checkpoint:
            assert [event.seq for event in checkpoint.unknowns(made.run)] == [4, 9]


def test_an_event_whose_outcome_is_unknown_five_times_while_others_get_through_stays_unknown(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(300, of=150))
    with serving(lambda got: Reply(500) if number(got) == 6 else Reply(delay=0.005)) as server:
        result = run(made, server, rate=150.0)
        assert result.stopped is None
        assert run(made, server).requests == 0
    assert counts(made) == Counts(delivered=299, unknown=1)
    assert sum(number(got) == 6 for got in server.got) == 5
    assert result.resent == 4


@pytest.mark.parametrize("last", [400, 503])
def test_an_event_that_was_unknown_once_and_is_refused_then_stays_unknown(tmp_path: Path, last: int) -> None:
    made = bench(tmp_path, keys(600, of=300))
    tries: Counter[int] = Counter()

    def script(got: Got) -> Reply:
        tries[number(got)] += 1
        if number(got) != 7:
            return Reply(delay=0.005)
        return Reply(500) if tries[7] == 1 else Reply(last)

    with serving(script) as server:
        result = run(made, server, rate=300.0)
        assert result.stopped is None
        assert run(made, server).requests == 0
    assert counts(made) == Counts(delivered=599, unknown=1)
    assert result.resent == 0


@pytest.mark.parametrize("status", [502, 504])
def test_an_outage_of_a_gateway_uses_up_nobodys_tries(tmp_path: Path, status: int) -> None:
    made = bench(tmp_path, keys(40, of=15))
    with serving(lambda got: Reply(status, b"<html>", accepts=False) if 10 <= got.number < 60 else OK) as server:
        assert run(made, server, patience=Patience(0.01, 0.02)).stopped is None
    assert counts(made) == Counts(delivered=40)
    assert server.bodies == made.bodies
    assert max(Counter(map(number, server.got)).values()) <= 6


def test_an_outage_that_outlasts_the_tries_of_few_keys_ends_the_call_and_no_event(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(40, of=3))
    with serving(lambda got: Reply(502, accepts=False) if 10 <= got.number < 30 else OK) as server:
        stopped = run(made, server, patience=Patience(0.001, 0.002)).stopped
        assert stopped is not None
        assert (stopped.exit, len(server.got)) == (Exit.AGAIN, 10 + 3 * 5)
        for _ in range(2):
            run(made, server, patience=Patience(0.001, 0.002))
    assert counts(made) == Counts(delivered=40)
    assert server.bodies == made.bodies


def test_while_nothing_gets_through_other_events_are_tried_before_the_same_ones_again(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(40, of=30))
    with serving(lambda got: Reply(502, accepts=False) if got.number < 30 else OK) as server:
        assert run(made, server, patience=Patience(0.002, 0.004)).stopped is None
    assert counts(made) == Counts(delivered=40)
    assert Counter(number(got) for got in server.got[:30]) == Counter(range(30))
    assert_in_order(server, keys(40, of=30))


def test_an_event_alone_without_a_verdict_is_sent_five_times_in_a_call_then_once_a_call_and_ends_as_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, wall = bench(tmp_path, keys(1)), time.time()
    with serving(lambda _: Reply(500, accepts=True)) as server:
        for call, sent in enumerate([5, 6, 7, 8]):
            monkeypatch.setattr(time, "time", lambda call=call: wall + call * 23_000)
            result = run(made, server, patience=Patience(0.001, 0.002))
            assert result.stopped is not None
            assert (result.stopped.exit, len(server.got)) == (Exit.AGAIN, sent)
            assert "nothing got through" in result.stopped.reason
            assert "may make a copy" in result.stopped.hint
        monkeypatch.setattr(time, "time", lambda: wall + 87_000)
        assert run(made, server, patience=Patience(0.001, 0.002)).stopped is None
        assert run(made, server).requests == 0
    assert counts(made) == Counts(unknown=1)
    assert len(server.got) == 9
    assert row(made).resent == 8


def test_the_last_event_without_a_verdict_does_not_go_on_when_all_others_are_delivered(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(30))
    with serving(lambda got: Reply(500) if number(got) == 29 else OK) as server:
        result = run(made, server, patience=Patience(0.001, 0.002))
    assert result.stopped is not None
    assert result.stopped.exit is Exit.AGAIN
    assert sum(number(got) == 29 for got in server.got) == 5
    assert counts(made) == Counts(delivered=29, unknown=1)


def test_events_that_rest_go_on_in_the_same_call_once_something_gets_through(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(9, of=3))
    with serving(lambda got: Reply(500, accepts=False) if got.number < 14 else OK) as server:
        assert run(made, server, patience=Patience(0.001, 0.002)).stopped is None
    assert counts(made) == Counts(delivered=9)
    assert max(Counter(map(number, server.got)).values()) == 6
    assert_in_order(server, keys(9, of=3))


def test_the_last_event_is_a_dead_letter_after_twenty_calls_and_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, wall = bench(tmp_path, keys(1)), time.time()
    with serving(lambda _: Reply(503)) as server:
        for call in range(20):
            assert counts(made).rejected == 0
            monkeypatch.setattr(time, "time", lambda call=call: wall + call * 4600)
            result = run(made, server, give_up=0.03, patience=Patience(0.01, 0.02))
    assert result.stopped is None
    assert counts(made) == Counts(rejected=1)


@pytest.mark.parametrize(
    "bad", [Reply(404, b"default backend"), Reply(403, b"<html>wait a moment")], ids=["404", "403"]
)
def test_what_is_not_the_apis_after_something_got_through_is_tried_again(tmp_path: Path, bad: Reply) -> None:
    made = bench(tmp_path, keys(90, of=30))
    with serving(lambda got: bad if 50 <= got.number < 80 else OK) as server:
        result = run(made, server)
    assert result.stopped is None
    assert counts(made) == Counts(delivered=90)
    assert server.bodies == made.bodies


@pytest.mark.parametrize("status", [400, 405, 409, 413, 415, 422])
def test_a_definite_refusal_is_a_dead_letter_and_does_not_block_its_key(tmp_path: Path, status: int) -> None:
    made = bench(tmp_path, keys(40, of=2))
    with serving(lambda got: Reply(status, b"keyValue olena@shop.ua is wrong") if number(got) == 3 else OK) as server:
        assert run(made, server).stopped is None
    assert counts(made) == Counts(delivered=39, rejected=1)
    with made.open() as checkpoint:
        (letter,) = checkpoint.dead_letters(made.run)
    assert (letter.seq, letter.status, letter.detail) == (3, status, "keyValue o***@shop.ua is wrong")


def test_a_conflict_after_an_unknown_outcome_means_that_it_was_delivered(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(20))
    with serving(once(Reply(reset=True, accepts=True), Reply(409), of=lambda n: n == 5)) as server:
        run(made, server)
    assert counts(made) == Counts(delivered=20)
    assert server.bodies == made.bodies


def test_refused_for_now_after_an_unknown_outcome_leaves_it_unknown(tmp_path: Path) -> None:
    """The first try may have arrived: only a verdict can end that doubt."""
    made = bench(tmp_path, keys(20))
    stop = StopFlag()
    tries: Counter[int] = Counter()

    def script(got: Got) -> Reply:
        tries[number(got)] += 1
        if number(got) != 5:
            return OK
        if tries[5] == 2:
            stop.request()
        return Reply(500) if tries[5] == 1 else Reply(429)

    with serving(script) as server:
        result = run(made, server, stop=stop)
    assert result.stopped is not None
    assert counts(made).unknown == 1
    assert counts(made).retry == 0


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (Reply(401), "refused the key"),
        (Reply(403), "no right"),
        (Reply(302, headers=(("Location", "https://elsewhere.example/login"),)), "elsewhere.example"),
    ],
    ids=["401", "403", "redirect"],
)
@pytest.mark.parametrize("at", [0, 25])
def test_what_is_fatal_stops_the_run_and_rejects_nothing(tmp_path: Path, bad: Reply, word: str, at: int) -> None:
    made = bench(tmp_path, keys(60))
    with serving(lambda got: bad if got.number >= at else OK) as server:
        result = run(made, server)
        sent = len(server.got)
    assert result.stopped is not None
    assert result.stopped.exit is Exit.REFUSED
    assert word in result.stopped.reason
    assert SECRET not in repr(result)
    found = counts(made)
    assert (found.rejected, found.unknown, found.sent, found.delivered) == (0, 0, 0, at)
    assert sent - at <= (1 if at == 0 else 8)
    with serving() as mended:
        assert run(made, mended).stopped is None
    assert server.bodies + mended.bodies == made.bodies


@pytest.mark.parametrize("at", [0, 25])
def test_a_web_page_with_a_2xx_stops_the_run_and_its_events_are_unknown(tmp_path: Path, at: int) -> None:
    """Whoever stands between may have shown the page after it let the request pass."""
    made = bench(tmp_path, keys(60))
    page = Reply(200, b"<!doctype html><title>Log in</title>", accepts=False)
    with serving(lambda got: page if got.number >= at else OK) as server:
        result = run(made, server)
        sent = len(server.got)
    assert result.stopped is not None
    assert (result.stopped.exit, "web page" in result.stopped.reason) == (Exit.REFUSED, True)
    found = counts(made)
    assert (found.delivered, found.unknown, found.rejected, found.retry) == (at, sent - at, 0, 0)
    with serving() as mended:
        assert run(made, mended).resent == sent - at
    assert server.bodies + mended.bodies == made.bodies


@pytest.mark.parametrize("kind", ["text/html; charset=UTF-8", "application/json", ""])
def test_a_2xx_without_a_body_is_delivered_whatever_its_type(tmp_path: Path, kind: str) -> None:
    if MODE["method"] == "past_events":
        pytest.skip("its answer has a body, which speaks of each event")
    made = bench(tmp_path, keys(20))
    with serving(lambda _: Reply(200, headers=(("Content-Type", kind),) if kind else ())) as server:
        assert run(made, server).stopped is None
    assert counts(made).delivered == 20
    assert server.bodies == made.bodies


def test_answers_that_cannot_be_read_leave_their_events_unknown_and_stop_the_run(tmp_path: Path) -> None:
    """What each of them says, nobody knows: sending all again five times would help no one."""
    made = bench(tmp_path, keys(60))
    packed = Reply(200, b"as brotli packs it", (("Content-Encoding", "br"),))
    with serving(lambda _: packed) as server:
        result = run(made, server)
    assert result.stopped is not None
    assert (result.stopped.exit, result.stopped.guard) == (Exit.GUARD, "answers")
    assert "packed ('br')" in result.stopped.reason
    found = counts(made)
    assert (found.delivered, found.rejected) == (0, 0)
    assert found.unknown == len({number(got) for got in server.got})


def test_an_unknown_host_is_fatal_before_anything_got_through(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(5))
    result = run(made, "http://no-such-host.invalid/api")
    assert result.stopped is not None
    assert result.stopped.exit is Exit.REFUSED
    assert "no-such-host.invalid" in result.stopped.reason
    assert counts(made).retry == 1
    assert (row(made).requests, row(made).resent) == (0, 0)


def test_no_connection_is_tried_again_until_there_is_one(tmp_path: Path) -> None:
    """And what never left is neither a request nor a repeat."""
    made = bench(tmp_path, keys(40, of=3))
    with made.open() as checkpoint:
        checkpoint.record(made.run, intents=[0], requests=1)  # an earlier call was killed
    port = free_port()
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(run(made, f"http://127.0.0.1:{port}/api")))
    thread.start()
    time.sleep(0.6)
    with serving(port=port) as server:
        thread.join(20)
    assert results[0].stopped is None
    assert server.bodies == made.bodies
    assert results[0].requests == 40
    assert (row(made).requests, row(made).resent) == (41, 1)


# Stops


def test_when_nothing_gets_through_it_gives_up_for_now(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(500))
    with serving(lambda _: Reply(500)) as server:
        result = run(made, server, give_up=0.7)
    assert result.stopped is not None
    assert result.stopped.exit is Exit.AGAIN
    assert "nothing got through" in result.stopped.reason
    assert "the API answers 500" in result.stopped.reason
    assert 0.6 < result.seconds < 3
    assert len(server.got) < 30, "an outage must not use up the attempts of all events"


def test_it_does_not_wait_for_a_server_that_asks_for_more_patience_than_there_is(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(50))
    with serving(lambda _: Reply(503, headers=(("Retry-After", "7200"),))) as server:
        result = run(made, server, give_up=60)
    assert result.stopped is not None
    assert result.stopped.exit is Exit.AGAIN
    assert result.stopped.resume_at is not None
    assert result.seconds < 2


def test_too_many_rejections_stop_the_run_from_a_hundred_verdicts_on_and_the_next_call_again(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(400))
    with serving(lambda got: Reply(400) if number(got) % 20 == 0 else OK) as server:
        result = run(made, server, max_rejected=0.02)
        assert result.stopped is not None
        assert (result.stopped.guard, result.stopped.exit) == ("max_rejected", Exit.GUARD)
        assert 100 <= len(server.got) <= 100 + 8
        sent = len(server.got)
        again = run(made, server, max_rejected=0.02)
        assert again.stopped is not None
        assert (again.stopped.guard, len(server.got)) == ("max_rejected", sent)
        assert run(made, server, max_rejected=0.2).stopped is None
    assert counts(made) == Counts(delivered=380, rejected=20)


def test_a_limit_sends_so_many_more_events_and_their_retries(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(100, of=9))
    with serving(once(Reply(429), of=lambda n: n % 5 == 0)) as server:
        result = run(made, server, limit=33)
        assert result.stopped is not None
        assert (result.stopped.reason, result.stopped.exit) == ("limit", Exit.AGAIN)
        assert counts(made) == Counts(delivered=33)
        assert run(made, server, limit=67).stopped is None
    assert server.bodies == made.bodies


def test_a_drain_ends_what_is_in_flight_and_the_next_call_sends_the_rest(tmp_path: Path) -> None:
    names = keys(300, of=50)
    made, stop = bench(tmp_path, names), StopFlag()

    def script(got: Got) -> Reply:
        if got.number == 40:
            stop.request()
        return Reply(delay=0.05)

    with serving(script) as server:
        result = run(made, server, stop=stop)
        assert result.stopped is not None
        assert (result.stopped.reason, result.stopped.exit) == ("interrupted", Exit.AGAIN)
        assert counts(made) == Counts(delivered=len(server.got))
        assert len(server.got) <= 41 + 8
        assert run(made, server).resent == 0
    assert server.bodies == made.bodies
    assert_in_order(server, names)


def test_a_drain_ends_at_the_timeout_at_the_latest(tmp_path: Path) -> None:
    made, stop = bench(tmp_path, keys(300)), StopFlag()

    def script(got: Got) -> Reply:
        if got.number == 20:
            stop.request()
        return Reply(hang=True) if got.number >= 15 else OK

    with serving(script) as server:
        result = run(made, server, stop=stop, timeout=0.8)
    assert result.stopped is not None
    assert result.seconds < 2.5
    found = counts(made)
    assert found.sent == 0
    assert found.delivered == 15
    assert found.unknown == len(server.got) - 15


def test_a_second_request_to_stop_ends_it_at_once(tmp_path: Path) -> None:
    made, stop = bench(tmp_path, keys(300)), StopFlag()

    def script(got: Got) -> Reply:
        if got.number == 20:
            stop.request()
            threading.Timer(0.2, stop.request).start()
        return Reply(hang=True) if got.number >= 15 else OK

    with serving(script) as server:
        before = time.monotonic()
        result = run(made, server, stop=stop, timeout=60)
        assert time.monotonic() - before < 3
        assert result.stopped is not None
        assert (result.stopped.reason, result.stopped.exit) == ("interrupted", Exit.AGAIN)
        assert counts(made) == Counts(delivered=15, unknown=len(server.got) - 15)


def test_a_stop_that_was_asked_for_before_sends_nothing(tmp_path: Path) -> None:
    stop = StopFlag()
    stop.request()
    with serving() as server:
        assert run(bench(tmp_path, keys(9)), server, stop=stop).stopped is not None
    assert server.got == []


# Pace


def test_the_rate_holds_on_the_server_side_and_retries_draw_from_it(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(260))
    with serving(once(Reply(408), of=lambda n: n % 4 == 0)) as server:
        run(made, server, rate=100.0)
    times = [got.at for got in server.got]
    assert len(times) == 325
    assert 3.1 < times[-1] - times[0] < 4.5
    assert most_within(times, 1.0) <= 100 + 3  # one, and what the way to the server may add on a busy machine


def most_within(times: list[float], span: float) -> int:
    return max(sum(start <= at < start + span for at in times) for start in times)


def test_a_bulk_is_followed_by_its_pause(tmp_path: Path) -> None:
    with serving() as server:
        run(bench(tmp_path, keys(25)), server, bulk=Bulk(10, 0.4))
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(server.got)]
    assert [i for i, gap in enumerate(gaps, 1) if gap > 0.3] == [10, 20]


def delayed(header: str) -> Reply:
    """A 429 that asks for a second's pause, in seconds or as a date."""
    if header == "1":
        return Reply(429, headers=(("Retry-After", "1"),))
    now = time.time()
    dates = (("Date", formatdate(now, usegmt=True)), ("Retry-After", formatdate(now + 1, usegmt=True)))
    return Reply(429, headers=dates)


@pytest.mark.parametrize("header", ["1", "date"])
def test_a_retry_after_of_many_pauses_all_requests(tmp_path: Path, header: str) -> None:
    made = bench(tmp_path, keys(120))
    with serving(lambda got: delayed(header) if 30 <= got.number < 42 else Reply(delay=0.01)) as server:
        result = run(made, server, rate=100.0, concurrency=4)
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(server.got)]
    assert any(gap > 0.8 for gap in gaps)
    assert server.bodies == made.bodies
    assert result.resent == 0


@pytest.mark.parametrize("header", ["1", "date"])
def test_a_retry_after_of_one_holds_its_key_and_nothing_else(tmp_path: Path, header: str) -> None:
    made = bench(tmp_path, keys(150, of=50))
    with serving(lambda got: delayed(header) if got.number == 30 else Reply(delay=0.02)) as server:
        result = run(made, server, rate=50.0)
    held = [got for got in server.got if number(got) == number(server.got[30])]
    key = number(server.got[30]) % 50
    assert held[1].at - held[0].at >= 0.9
    assert all(got.at >= held[1].at for got in server.got if number(got) % 50 == key and number(got) > key)
    assert max(later.at - earlier.at for earlier, later in itertools.pairwise(server.got)) < 0.8
    assert server.bodies == made.bodies
    assert result.resent == 0


def test_a_key_that_is_held_for_longer_than_the_patience_ends_the_call_when_all_else_is_done(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(200))

    def script(got: Got) -> Reply:
        return Reply(429, headers=(("Retry-After", "86400"),)) if number(got) == 20 else Reply(delay=0.002)

    with serving(script) as server:
        result = run(made, server, give_up=40.0)
    assert counts(made) == Counts(delivered=199, retry=1)
    assert result.stopped is not None
    assert (result.stopped.exit, result.seconds < 20) == (Exit.AGAIN, True)
    assert "asks for a pause of 24.0 h" in result.stopped.reason
    assert result.stopped.resume_at is not None


def test_an_event_that_is_refused_for_now_again_and_again_while_others_get_through_is_a_dead_letter(
    tmp_path: Path,
) -> None:
    made = bench(tmp_path, keys(600, of=300))
    with serving(lambda got: Reply(408, b"not this one") if number(got) == 7 else Reply(delay=0.005)) as server:
        result = run(made, server, rate=300.0)
    assert result.stopped is None
    assert counts(made) == Counts(delivered=599, rejected=1)
    with made.open() as checkpoint:
        (letter,) = checkpoint.dead_letters(made.run)
    assert (letter.seq, letter.detail) == (7, "refused for now 20 times: not this one")


def test_an_outage_uses_up_nobodys_tries(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(40))
    with serving(lambda got: Reply(503) if 10 <= got.number < 60 else OK) as server:
        assert run(made, server, patience=Patience(0.01, 0.02)).stopped is None
    assert counts(made) == Counts(delivered=40)


def test_a_repeat_that_is_refused_for_now_is_no_second_copy(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(10))
    with serving(once(Reply(500, accepts=True), Reply(503), Reply(503), of=lambda n: n == 4)) as server:
        result = run(made, server)
    assert (counts(made), result.resent, row(made).resent) == (Counts(delivered=10), 1, 1)
    assert (server.bodies - made.bodies).total() == 1


def test_when_the_last_verdicts_are_rejections_there_is_nothing_left_to_stop(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(120))
    with serving(lambda _: Reply(400)) as server:
        assert run(made, server, max_rejected=1.0).stopped is None
    assert counts(made) == Counts(rejected=120)


# Keep-alive, memory, files


def test_a_server_that_closes_idle_connections_costs_nothing(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(12))
    with serving(lambda _: Reply(last=0.01)) as server:
        result = run(made, server, rate=8.0, concurrency=3)
    assert result.resent == 0
    assert server.bodies == made.bodies


def test_an_event_that_waits_long_behind_its_key_still_goes_as_it_was_planned(tmp_path: Path) -> None:
    """Its row group has left memory by then."""
    names = [f"v{n % 50}@x.ua" if n % 7 else "hot@x.ua" for n in range(1000)]
    made = bench(tmp_path, names, group=13)
    with serving(lambda got: Reply(delay=0.003 if b"hot@" in got.body else 0.0)) as server:
        run(made, server)
    assert server.bodies == made.bodies
    assert_in_order(server, names)


def test_progress_is_told_and_ends_with_the_truth(tmp_path: Path) -> None:
    made, told = bench(tmp_path, keys(120)), list[Progress]()
    with (
        serving(lambda got: Reply(400) if number(got) == 7 else Reply(delay=0.05)) as server,
        made.open() as checkpoint,
    ):
        deliver(made.outbox, checkpoint, made.run, settings(server.url, **MODE), progress=told.append)
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert len(told) >= 3
    last = told[-1]
    assert (last.done, last.total, last.delivered, last.rejected, last.unknown) == (120, 120, 119, 1, 0)
    assert any(p.rate > 10 for p in told)


def test_it_says_when_the_rate_needs_more_requests_in_flight(tmp_path: Path) -> None:
    with serving(lambda _: Reply(delay=0.1)) as server:
        result = run(bench(tmp_path, keys(30)), server, rate=100.0, concurrency=2)
    assert result.warning is not None
    assert result.warning.startswith("100 requests a second at 1")
    assert result.warning.endswith("delivery.concurrency is 2")


def test_an_outbox_that_is_not_one_is_said_in_words(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(3))
    made.outbox.write_bytes(b"PAR1 no")
    with pytest.raises(StateError, match="cannot be read"):
        run(made, "http://127.0.0.1:9/api")


def test_a_checkpoint_that_fails_midway_stops_all_and_loses_no_intent(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(900))
    with serving() as server:
        with made.open() as checkpoint:
            (pages,) = checkpoint._database.execute("PRAGMA page_count").fetchone()
            checkpoint._database.execute(f"PRAGMA max_page_count = {pages + 2}")
            with pytest.raises(StateError, match="no space left"):
                deliver(made.outbox, checkpoint, made.run, settings(server.url, **MODE))
        time.sleep(0.1)
        assert 100 < len(server.got) < 900
        assert run(made, server).stopped is None
    assert not made.bodies - server.bodies
    assert (server.bodies - made.bodies).total() <= row(made).resent <= 8


# Everything at once


@pytest.mark.parametrize("seed", range(4))
def test_under_any_mixture_of_faults_nothing_is_lost_and_each_extra_is_counted(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"visitor{chance.randrange(40)}@x.ua" for _ in range(501)]
    made = bench(tmp_path, names)
    faults = [
        Reply(429),
        Reply(503, headers=(("Retry-After", "0.05"),)),
        Reply(500, accepts=True),
        Reply(500, accepts=False),
        Reply(reset=True, accepts=True),
        Reply(reset=True, accepts=False),
        Reply(close=True, accepts=True),
        Reply(half=25, accepts=True),
        Reply(hang=True, accepts=chance.random() < 0.5),
        Reply(400),
    ]

    def script(got: Got) -> Reply:
        return chance.choice(faults) if chance.random() < 0.12 else Reply(delay=chance.random() / 500)

    with serving(script) as server:
        result = run(made, server, timeout=0.3, concurrency=11, patience=Patience(0.01, 0.05))
        final = row(made)
        found = counts(made)
        with made.open() as checkpoint:
            open_ends = {e.seq for e in itertools.chain(checkpoint.dead_letters(1), checkpoint.unknowns(1))}
            resent = {e.seq: e.resent for e in touched(checkpoint)}
    assert result.stopped is None
    assert found.delivered + found.rejected + found.unknown == 501
    taken = Counter(map(number, server.taken))
    assert set(range(501)) - set(taken) <= open_ends
    assert all(count - 1 <= resent[n] for n, count in taken.items())
    assert final.resent == sum(resent.values()) == result.resent
    assert final.requests == len(server.got)
    assert_in_order(server, names)


def touched(checkpoint) -> Iterator:
    for state in (2, 3, 4):
        yield from checkpoint._touched(1, state)
