"""past_events in batches, posted to a real server: what a request carries, and what comes of each of its events."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from outboxes import Bench, bench, keys, settings
from servers import OK, Got, Reply, Server, results, serving

from etl.delivery.checkpoint import Counts
from etl.delivery.post import Bulk, Patience, Result, deliver
from etl.errors import Exit


def run(made: Bench, server: Server, **more) -> Result:
    given = {"method": "past_events", "batch": 7} | more
    with made.open() as checkpoint:
        checkpoint.sweep()
        return deliver(made.outbox, checkpoint, made.run, settings(server.url, **given))


def counts(made: Bench) -> Counts:
    with made.open() as checkpoint:
        return checkpoint.counts(made.run)


def answering(status: Callable[[int], str]) -> Callable[[Got], Reply]:
    """Answer each event by its number; the server keeps those that are ACCEPTED only."""

    def script(got: Got) -> Reply:
        return Reply(body=results(*map(status, got.numbers)))

    return script


def test_events_go_in_batches_each_once_and_in_the_order_of_their_key(tmp_path: Path) -> None:
    names = keys(1013, of=37)
    made = bench(tmp_path, names)
    with serving() as server:
        result = run(made, server)
    assert result.stopped is None
    assert server.bodies == made.bodies
    assert counts(made) == Counts(delivered=1013)
    assert max(len(got.events) for got in server.got) == 7
    assert result.requests == len(server.got)
    for name in set(names):
        assert server.sequence(name) == sorted(server.sequence(name))


def test_batches_of_different_keys_are_full(tmp_path: Path) -> None:
    with serving() as server:
        run(bench(tmp_path, keys(1400)), server)
    assert [len(got.events) for got in server.got] == [7] * 200


def test_one_key_fills_whole_requests_one_after_the_other(tmp_path: Path) -> None:
    with serving(lambda _: Reply(delay=0.005)) as server:
        run(bench(tmp_path, keys(100, of=1)), server)
    assert server.most_at_work == 1
    assert [got.numbers for got in server.got] == [list(range(n, min(n + 7, 100))) for n in range(0, 100, 7)]


def test_a_request_holds_no_more_bytes_than_the_job_says_unless_one_event_alone_has_more(tmp_path: Path) -> None:
    made = bench(tmp_path, [("v" * (n % 90 * 10)) + f"{n}@x.ua" for n in range(300)])
    with serving() as server:
        run(made, server, batch=500, batch_bytes=2_000)
    assert server.bodies == made.bodies
    sizes = [len(got.body) for got in server.got]
    assert max(sizes) < 2_000 + 100  # the list around the events
    assert min(sizes[:-1]) > 500
    with serving() as server:
        other = bench(tmp_path_of(tmp_path), keys(5))
        run(other, server, batch_bytes=10)
    assert [len(got.events) for got in server.got] == [1] * 5


def tmp_path_of(folder: Path) -> Path:
    (folder / "other").mkdir()
    return folder / "other"


def test_a_bulk_counts_events_and_cuts_a_batch(tmp_path: Path) -> None:
    with serving() as server:
        run(bench(tmp_path, keys(25)), server, bulk=Bulk(10, 0.05), concurrency=1)
    assert [len(got.events) for got in server.got] == [7, 3, 7, 3, 5]


def test_each_event_has_the_status_that_the_answer_gives_it(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(70, of=9))
    with serving(answering(lambda n: "OCCURRED_TIME_TOO_DEPTH" if n in (3, 40) else "ACCEPTED")) as server:
        result = run(made, server)
    assert result.stopped is None
    assert counts(made) == Counts(delivered=68, rejected=2)
    with made.open() as checkpoint:
        assert [(e.seq, e.status, e.detail) for e in checkpoint.dead_letters(made.run)] == [
            (3, 200, "OCCURRED_TIME_TOO_DEPTH"),
            (40, 200, "OCCURRED_TIME_TOO_DEPTH"),
        ]


def test_while_nothing_gets_through_a_request_carries_one_event_and_another_each_time(tmp_path: Path) -> None:
    """Each try may make copies of all that it carries."""
    names = keys(70, of=9)
    made = bench(tmp_path, names)
    with serving(lambda got: Reply(502, accepts=False) if got.number < 20 else OK) as server:
        assert run(made, server, patience=Patience(0.002, 0.004)).stopped is None
    assert server.bodies == made.bodies
    tried = [got.numbers for got in server.got[:20]]
    assert [len(numbers) for numbers in tried] == [7] + [1] * 19
    assert max(Counter(n for numbers in tried for n in numbers).values()) <= 3
    assert max(len(got.events) for got in server.got[20:]) == 7


def test_an_event_with_a_server_error_is_tried_again_and_is_no_repeat(tmp_path: Path) -> None:
    tries: Counter[int] = Counter()

    def status(n: int) -> str:
        tries[n] += 1
        return "SERVER_ERROR" if n % 11 == 3 and tries[n] <= 2 else "ACCEPTED"

    made = bench(tmp_path, keys(150, of=13))
    with serving(answering(status)) as server:
        result = run(made, server)
    assert (result.stopped, result.resent, counts(made)) == (None, 0, Counts(delivered=150))
    assert {n: tries[n] for n in range(150)} == {n: 3 if n % 11 == 3 else 1 for n in range(150)}
    assert len(server.got) < 150


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_is_refused_as_a_whole_is_halved_until_the_culprit_is_alone(tmp_path: Path, status: int) -> None:
    names = keys(301, of=41)
    made, culprits = bench(tmp_path, names), {17, 18, 200}

    def script(got: Got) -> Reply:
        return Reply(status, b"one of these is wrong") if culprits & set(got.numbers) else OK

    with serving(script) as server:
        result = run(made, server, batch=64)
    assert (result.stopped, result.resent) == (None, 0)
    assert counts(made) == Counts(delivered=298, rejected=3)
    with made.open() as checkpoint:
        assert {e.seq for e in checkpoint.dead_letters(made.run)} == culprits
    assert Counter(event["n"] for event in server.events) == Counter(set(range(301)) - culprits)
    assert len(server.got) < 5 + 3 * 2 * 7
    for name in set(names):
        assert server.sequence(name) == sorted(server.sequence(name))


def test_a_refused_batch_does_not_count_as_rejections(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(400))
    with serving(lambda got: Reply(400) if 5 in got.numbers else OK) as server:
        result = run(made, server, batch=200, max_rejected=0.01)
    assert result.stopped is None
    assert counts(made) == Counts(delivered=399, rejected=1)


def test_an_answer_that_does_not_match_its_batch_makes_it_unknown_and_it_goes_again(tmp_path: Path) -> None:
    made, bad = bench(tmp_path, keys(70)), [1, 4]

    def script(got: Got) -> Reply:
        return Reply(body=results(*["ACCEPTED"] * (len(got.events) - 1))) if got.number in bad else OK

    with serving(script) as server:
        result = run(made, server, concurrency=1)
    assert (result.stopped, result.resent, counts(made)) == (None, 14, Counts(delivered=70))
    assert (server.bodies - made.bodies).total() == 14


def test_three_answers_in_a_row_that_do_not_match_stop_the_run(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(70))
    with serving(lambda got: Reply(body=b'{"ok":true}') if got.number >= 4 else OK) as server:
        result = run(made, server, concurrency=1)
    assert result.stopped is not None
    assert (result.stopped.guard, result.stopped.exit) == ("answers", Exit.GUARD)
    assert len(server.got) == 7
    found = counts(made)
    assert found.delivered == 28
    assert found.unknown in (7, 14, 21)


def test_an_account_that_is_not_ready_stops_the_run_and_its_events_stay_pending(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(70))
    with serving(answering(lambda n: "EVENT_SEGMENTATION_DISABLED" if n % 7 == 5 else "ACCEPTED")) as server:
        result = run(made, server, concurrency=1)
    assert result.stopped is not None
    assert result.stopped.exit is Exit.REFUSED
    assert "pageViewed" in result.stopped.reason
    assert counts(made) == Counts(delivered=6, retry=1)
    with serving() as mended:
        assert run(made, mended).stopped is None
    assert counts(made) == Counts(delivered=70)
    assert len(server.got) == 1
    assert sorted(event["n"] for event in mended.events) == [5, *range(7, 70)]


@pytest.mark.parametrize("seed", range(4))
def test_under_any_mixture_of_faults_nothing_is_lost_and_each_extra_is_counted(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"visitor{chance.randrange(60)}@x.ua" for _ in range(1501)]
    made = bench(tmp_path, names)
    taken: Counter[int] = Counter()

    def script(got: Got) -> Reply:
        lot = chance.random()
        if lot > 0.3:
            statuses = ["SERVER_ERROR" if chance.random() < 0.03 else "ACCEPTED" for _ in got.numbers]
            taken.update(n for n, status in zip(got.numbers, statuses, strict=True) if status == "ACCEPTED")
            return Reply(body=results(*statuses), delay=chance.random() / 500)
        accepts = chance.random() < 0.5
        faults = [
            Reply(429),
            Reply(503),
            Reply(400),
            Reply(500),
            Reply(reset=True),
            Reply(close=True),
            Reply(hang=True),
        ]
        fault = chance.choice([*faults, Reply(half=40), Reply(body=b'{"results":[]}')])
        if accepts and fault.status not in (400, 429, 503):
            taken.update(got.numbers)
        return fault

    with serving(script) as server:
        result = run(made, server, batch=23, timeout=0.3, concurrency=5, patience=Patience(0.01, 0.05))
        if result.stopped is not None and result.stopped.guard == "answers":  # bad luck is part of the mixture
            result = run(made, server, batch=23, timeout=0.3, concurrency=5, patience=Patience(0.01, 0.05))
    found = counts(made)
    with made.open() as checkpoint:
        open_ends = {e.seq for e in checkpoint.unknowns(1)} | {e.seq for e in checkpoint.dead_letters(1)}
        resent = {e.seq: e.resent for state in (2, 3, 4) for e in checkpoint._touched(1, state)}
        total = checkpoint.run(1).resent
    assert result.stopped is None
    assert found.delivered + found.rejected + found.unknown == 1501
    assert set(range(1501)) - set(taken) <= open_ends
    assert all(count - 1 <= resent[n] for n, count in taken.items())
    assert total == sum(resent.values())


def test_bodies_arrive_as_planned_with_the_minute_in_the_zone_that_the_job_says(tmp_path: Path) -> None:
    made = bench(tmp_path, keys(130))
    with serving() as server:
        run(made, server, occurred_zone="Europe/Kyiv")
    assert {event["n"]: event["occurred"] for event in server.events}[125] == "2026-11-20T02:02"
    assert json.loads(server.got[0].body)["events"][0]["keyValue"] == "visitor0@example.com"
