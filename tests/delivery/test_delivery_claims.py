"""Power loss: what the machine forgets of the checkpoint stands in the claim that was on the disk before it was sent.

The disk is what the last fsync has left: a copy of the checkpoint's files at that moment is put back after a kill, and
the machine's start is another one. Real requests, a real server that knows what really arrived.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from outboxes import Bench, bench, keys, plan, settings
from servers import OK, Got, Reply, serving

from etl.delivery import checkpoint as module
from etl.delivery.checkpoint import Checkpoint, Counts, Ruling, State
from etl.delivery.claims import Claims
from etl.delivery.lanes import Lanes
from etl.delivery.post import StopFlag, deliver

METHODS = pytest.mark.parametrize(
    "method", [{"method": "event"}, {"method": "past_events", "batch": 7}], ids=["event", "past"]
)


@pytest.fixture
def another_start(monkeypatch: pytest.MonkeyPatch):
    """Call it, and the machine has been started again."""
    starts = iter(range(100))

    def start() -> None:
        name = f"start {next(starts)}"
        monkeypatch.setattr(module, "boot_id", lambda: name)

    start()
    return start


@contextmanager
def disk(made: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the checkpoint's files as the last wait for the disk has left them."""
    kept = made.folder / "disk"
    real = Checkpoint._transaction

    @contextmanager
    def transaction(self: Checkpoint, *, durable: bool = False) -> Iterator[None]:
        with real(self, durable=durable):
            yield
        if durable:
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir()
            for file in made.folder.glob("checkpoint.sqlite*"):
                if not file.name.endswith("-shm"):
                    shutil.copy(file, kept)

    monkeypatch.setattr(Checkpoint, "_transaction", transaction)
    yield kept


def power_cut(made: Bench, kept: Path) -> None:
    """The files are what the disk holds."""
    for file in made.folder.glob("checkpoint.sqlite*"):
        file.unlink()
    for file in kept.iterdir():
        shutil.copy(file, made.folder)


class PowerCut(BaseException):
    """The machine stops in the middle of a step."""


@METHODS
@pytest.mark.parametrize("seed", range(3))
def test_after_a_power_cut_nothing_is_sent_twice_unawares_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another_start, seed: int, method: dict
) -> None:
    chance = random.Random(seed)
    names = [f"visitor{chance.randrange(90)}@x.ua" if chance.random() < 0.8 else "hot@x.ua" for _ in range(2003)]
    made = bench(tmp_path, names)
    cuts = sorted(chance.sample(range(5, 250 if "batch" in method else 1800), 4))

    def script(got: Got) -> Reply:
        if chance.random() < 0.03:
            return chance.choice([Reply(429), Reply(500, accepts=True), Reply(reset=True, accepts=False)])
        return OK

    with serving(script) as server, disk(made, monkeypatch) as kept:
        for cut in cuts:
            record = Checkpoint.record

            def until_the_cut(self: Checkpoint, *args, cut: int = cut, record=record, **more) -> None:
                if len(server.got) >= cut:
                    raise PowerCut
                record(self, *args, **more)

            monkeypatch.setattr(Checkpoint, "record", until_the_cut)
            with made.open() as checkpoint:
                checkpoint.sweep()
                with pytest.raises(PowerCut):
                    deliver(made.outbox, checkpoint, made.run, settings(server.url, timeout=0.5, **method))
            monkeypatch.setattr(Checkpoint, "record", record)
            power_cut(made, kept)
            another_start()
        with made.open() as checkpoint:
            checkpoint.sweep()
            result = deliver(made.outbox, checkpoint, made.run, settings(server.url, timeout=0.5, **method))
            found = checkpoint.counts(made.run)
            resent = {e.seq: e.resent for state in (2, 3, 4) for e in checkpoint._touched(made.run, state)}
            unknown = {e.seq for e in checkpoint.unknowns(made.run)}
            assert checkpoint.run(made.run).resent == sum(resent.values())
    assert result.stopped is None
    assert found.delivered + found.unknown == 2003
    taken = Counter(event["n"] for event in server.events)
    assert set(range(2003)) - set(taken) <= unknown
    assert all(count - 1 <= resent[n] for n, count in taken.items())


def test_after_a_kill_a_claim_says_nothing_the_intents_do(tmp_path: Path, another_start) -> None:
    with Checkpoint.open(tmp_path / "c.sqlite", "job", "x") as checkpoint:
        run = plan(checkpoint, 100)
        checkpoint.claim(run, 10, 50, {3})
        checkpoint.record(run, intents=[10, 11], requests=2)
        assert checkpoint.sweep() == {run: 2}
        assert checkpoint.counts(run) == Counts(unknown=2)


def test_after_another_start_of_the_machine_what_was_claimed_and_has_no_verdict_is_unknown(
    tmp_path: Path, another_start
) -> None:
    with Checkpoint.open(tmp_path / "c.sqlite", "job", "x") as checkpoint:
        run = plan(checkpoint, 14)
        checkpoint.record(run, intents=[3, 4, 10, 11, 12], requests=5)
        checkpoint.record(
            run,
            rulings=[
                Ruling([10], State.DELIVERED, 200),
                Ruling([4], State.RETRY, 429),
                Ruling([3], State.UNKNOWN, doubt=True),
                Ruling([12], State.REJECTED, 400),
            ],
        )
        checkpoint.claim(run, 10, 50, {3, 4, 5})
        another_start()
        assert checkpoint.sweep() == {run: 1}
        assert checkpoint.counts(run) == Counts(delivered=1, rejected=1, unknown=5)
        assert {e.seq: (e.doubts, e.resent) for e in checkpoint.unknowns(run)} == {
            3: (2, 1),  # may have been sent once more: a repeat that nobody remembers counts as one
            4: (1, 0),
            5: (1, 0),
            11: (1, 0),
            13: (1, 0),
        }
        assert checkpoint.sweep() == {}
        assert len(checkpoint.doubts(run)) == 5


def test_a_machine_that_does_not_tell_its_starts_is_taken_for_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "boot_id", lambda: None)
    with Checkpoint.open(tmp_path / "c.sqlite", "job", "x") as checkpoint:
        run = plan(checkpoint, 9)
        checkpoint.claim(run, 0, 4)
        checkpoint.sweep()
        assert checkpoint.counts(run) == Counts(unknown=4)


@METHODS
def test_a_call_that_ends_leaves_no_claim(tmp_path: Path, method: dict) -> None:
    made, stop = bench(tmp_path, keys(600)), StopFlag()
    with serving(lambda got: (stop.request() if got.number == 20 else None) or OK) as server, made.open() as checkpoint:
        assert deliver(made.outbox, checkpoint, made.run, settings(server.url, **method), stop=stop).stopped
        assert checkpoint._database.execute("SELECT count(*) FROM claims").fetchone() == (0,)
        deliver(made.outbox, checkpoint, made.run, settings(server.url, **method))
        assert checkpoint._database.execute("SELECT count(*) FROM claims").fetchone() == (0,)


def test_what_is_sent_was_claimed_before(tmp_path: Path) -> None:
    """Seen from outside: each time that the server gets an event, the checkpoint on the disk names it."""
    names = ["hot@x.ua" if n % 3 else f"v{n}@x.ua" for n in range(900)]
    made, missing = bench(tmp_path, names), []

    def script(got: Got) -> Reply:
        with sqlite3.connect(made.folder / "checkpoint.sqlite") as looker:
            (first, upto, others) = looker.execute("SELECT first, upto, others FROM claims").fetchone()
            known = {seq for (seq,) in looker.execute("SELECT seq FROM events")}
        looker.close()
        missing.extend(n for n in got.numbers if not (first <= n < upto or str(n) in others or n in known))
        return OK

    with serving(script) as server, made.open() as checkpoint:
        deliver(made.outbox, checkpoint, made.run, settings(server.url, rate=2000.0))
    assert len(server.got) == 900
    assert missing == []


def claims_of(tmp_path: Path, rate: float, batch: int = 1) -> tuple[Claims, Lanes]:
    checkpoint = Checkpoint.open(tmp_path / "c.sqlite", "job", "x")
    run, lanes = plan(checkpoint, 10**6), Lanes(iter((n, n) for n in range(10**6)))
    return Claims(checkpoint, run, lanes, 10**6, batch, rate, 0.0), lanes


def claimed(claims: Claims, lanes: Lanes) -> int:
    first = lanes.next_seq or 0
    return next(n for n in range(10**6) if not claims.covers(first + n))


def test_a_claim_is_for_two_seconds_at_the_asked_rate_and_no_more_however_often_it_is_renewed(tmp_path: Path) -> None:
    claims, lanes = claims_of(tmp_path, 50.0)
    for now in (0.0, 0.01, 0.02, 0.05, 0.1):  # an event in doubt ends a claim early
        claims.renew(now)
        assert claimed(claims, lanes) == 100
    lanes.take(0.0, 90)
    claims.renew(1.9)
    assert 90 <= claimed(claims, lanes) <= 100


def test_without_a_rate_a_claim_grows_with_what_really_went_and_shrinks_again(tmp_path: Path) -> None:
    claims, lanes = claims_of(tmp_path, float("inf"))
    sizes, now = [], 0.0
    for _ in range(8):  # 10,000 a second
        claims.renew(now)
        sizes.append(claimed(claims, lanes))
        lanes.take(0.0, sizes[-1])
        now += sizes[-1] / 10_000
    assert sizes[0] == 1000
    assert 19_000 <= sizes[-1] <= 21_000
    for _ in range(12):  # 50 a second
        claims.renew(now)
        lanes.take(0.0, 50)
        now += 1.0
    assert claimed(claims, lanes) <= 200


def test_what_is_in_flight_when_a_claim_is_made_may_be_tried_again_under_it(tmp_path: Path) -> None:
    claims, lanes = claims_of(tmp_path, 50.0)
    claims.renew(0.0)
    places = lanes.take(0.0, 5)
    claims.renew(1.0, [place.seq for place in places])
    assert all(claims.covers(place.seq) for place in places)
    claims.doubt(places[0].seq)
    assert not claims.covers(places[0].seq)


@METHODS
def test_a_power_cut_amid_errors_makes_two_seconds_of_events_unknown_and_not_the_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another_start, method: dict
) -> None:
    chance = random.Random(1)
    made = bench(tmp_path, keys(20_000))

    def script(got: Got) -> Reply:
        if got.number == 150:
            stop.request()
            stop.request()
        return Reply(500) if chance.random() < 0.1 else OK

    stop = StopFlag()
    with serving(script) as server, disk(made, monkeypatch) as kept, made.open() as checkpoint:
        deliver(made.outbox, checkpoint, made.run, settings(server.url, rate=100.0, **method), stop=stop)
        claim = sorted(kept.iterdir())
    assert claim
    power_cut(made, kept)
    another_start()
    with made.open() as checkpoint:
        checkpoint.sweep()
        found, run = checkpoint.counts(made.run), checkpoint.run(made.run)
        resent = checkpoint._database.execute("SELECT sum(resent) FROM events").fetchone()[0]
    assert found.unknown <= 100 * 2 * method.get("batch", 1) + 200
    assert run.resent == resent
