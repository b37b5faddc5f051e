"""The proof of a backfill: an export a day, one call on all of them that is cut again and again, and the verdict.

Days overlap as real exports do: each file has rows of the day before once more, and rows of it that came late. What must arrive,
and in which order, is worked out here from the rows: each key's events day by day, within a day by their time.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from benchmarks.crashing.calls import Call, unbalanced
from benchmarks.crashing.kept import Event, Kept
from benchmarks.crashing.kills import accepted_so_far
from benchmarks.crashing.oracle import Turn, explain, read_record
from benchmarks.crashing.setup import Scene, Setup
from benchmarks.crashing.shop import START, Expected, Row, expect, make_rows, write_csv
from etl.sandbox.process import start_child

How = Literal["kill", "term", "term in a pause", "closed window", "closing window"]
_LONGEST = 3600.0
_AGAIN = 75
_LOOK = 0.005
_PAUSE = 20.0  # seconds: longer than a call takes to notice that it has begun
_LEAVING = 3.0  # seconds for all but the wait for answers
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Cut:
    """One interruption: how, at which share of all events, and how many seconds after that."""

    how: How
    share: float
    delay: float


@dataclass(frozen=True, slots=True)
class Done:
    """One interruption that took place: the day that the call was at, what the server had then, events in flight."""

    how: How
    day: str | None
    accepted: int
    in_flight: int


@dataclass(slots=True)
class Backfill:
    """What came of it; `problems` is empty when every promise was kept."""

    days: int = 0
    rows: int = 0
    events: int = 0
    arrived: int = 0
    lost: int = 0
    doubles: int = 0
    listed: int = 0  # events that were in flight at a cut: those that may be there twice
    cuts: list[Done] = field(default_factory=list)
    calls: int = 0
    exit: int = -1
    again_seconds: float = 0.0  # what a call on the finished days takes
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def blame(self, where: str, wrongs: list[str]) -> None:
        """Note what is wrong: the first few, and how many more."""
        self.problems += [f"{where}: {wrong}" for wrong in wrongs[:_SHOWN]]
        if len(wrongs) > _SHOWN:
            self.problems.append(f"{where}: and {len(wrongs) - _SHOWN} more")


@dataclass(frozen=True, slots=True)
class Day:
    """One file: its date, how many rows it repeats of the day before, and what must come of the others."""

    date: date
    rows: int
    repeated: int
    expected: Expected


def prove_backfill(
    setup: Setup, scene: Scene, days: int, *, closing: bool = False, say: Callable[[str], None] = lambda _: None
) -> Backfill:
    """Write `days` exports of `setup.rows` rows, send them in calls that are cut `setup.kills` times at random, and judge.

    Once more they are cut by SIGTERM in the middle of a bulk pause, and once by the window: by one that is closed or, where
    `closing`, by one that closes while events go out.
    """
    proof, started = Backfill(days=days), time.monotonic()
    files = list(_write_days(setup, scene, days))
    proof.rows, proof.events = sum(day.rows for day in files), sum(day.expected.events for day in files)
    say(f"{days} days, {proof.rows:,} rows, {proof.events:,} events expected")
    with start_child(scene.record, setup.server()) as child:
        scene.write_job(setup, child.url)
        text = scene.job.read_text("utf-8").replace(scene.export.name, "'rows-{{ date | %Y%m%d }}.csv'")
        scene.job.write_text(text, "utf-8")
        asked = ("--from", str(files[0].date), "--to", str(files[-1].date))
        doubtful = Counter[str]()
        for cut in draw_cuts(setup.kills, setup.seed, closing=closing):
            if not _cut_short(cut, setup, scene, asked, proof, doubtful, say):
                proof.problems.append(f"the backfill had ended before it could be cut ({cut.how})")
        last = _to_the_end(scene, asked, proof)
        before = accepted_so_far(scene.record)
        since = time.monotonic()
        again = _to_the_end(scene, asked, proof)
        proof.again_seconds = round(time.monotonic() - since, 2)
        if accepted_so_far(scene.record) != before or again["delivered"] != last["delivered"]:
            proof.problems.append("a call after the end has sent something, or says other things")
    _judge(scene, files, last, proof, doubtful)
    proof.seconds = round(time.monotonic() - started, 1)
    return proof


def draw_cuts(count: int, seed: int, *, closing: bool) -> list[Cut]:
    """Return the interruptions in their order: `count` at random, kills and SIGTERM in turn, and the two that must be."""
    rng = random.Random(f"cuts {seed}")
    kinds: list[How] = [("kill", "kill", "term")[number % 3] for number in range(count)]  # type: ignore[misc]
    kinds += ["term in a pause", "closing window" if closing else "closed window"]
    rng.shuffle(kinds)
    shares = sorted(rng.uniform(0.02, 0.9) for _ in kinds)
    # A short while after, a call may be at the plan of the next day.
    return [Cut(how, share, rng.uniform(0, 0.4)) for how, share in zip(kinds, shares, strict=True)]


def _write_days(setup: Setup, scene: Scene, days: int) -> Iterator[Day]:
    """Write the files; each has late rows of the day before, and other rows of it once more."""
    rng = random.Random(f"days {setup.seed}")
    late: list[Row] = []
    before: list[Row] = []
    for number in range(days):
        shift = timedelta(days=number)
        made = [replace(row, time=row.time + shift) for row in make_rows(setup.rows, setup.seed * 1000 + number)]
        single = [row for row in made if not row.bad and row.event in ("page", "category", "wish")]
        distinct = {tuple(row.written()): row for row in single}
        held = set(rng.sample(sorted(distinct), len(distinct) // 20)) if number < days - 1 else set()
        own = [row for row in made if tuple(row.written()) not in held or row.bad]
        overlap = rng.sample(before, len(before) // 10)
        day = (START + shift).date()
        write_csv(scene.folder / f"rows-{day:%Y%m%d}.csv", [*overlap, *late, *own])
        yield Day(day, len(own) + len(late) + len(overlap), len(overlap), expect([*late, *own]))
        late = [distinct[key] for key in sorted(held)]
        before = [distinct[key] for key in sorted(distinct) if key not in held]


def _cut_short(
    cut: Cut,
    setup: Setup,
    scene: Scene,
    asked: tuple[str, ...],
    proof: Backfill,
    doubtful: Counter[str],
    say: Callable[[str], None],
) -> bool:
    """Call, cut the call, and note what was in flight; False where it came to its end before."""
    more: tuple[str, ...] = ()
    if cut.how == "term in a pause":
        more = ("--set", f"delivery.bulk={{size: 25, pause: {_PAUSE:g}s}}")
    elif cut.how != "kill" and cut.how != "term":
        if cut.how == "closing window" and _to_next_minute() < 20:  # let there be time to get under way
            time.sleep(_to_next_minute() + 0.1)
        more = ("--set", f"delivery.window={_window(closing=cut.how == 'closing window')}")
    accepted = accepted_so_far(scene.record)
    if cut.how == "closing window":  # slow enough for something to be left when it closes, in 80 seconds at the latest
        more += ("--set", f"delivery.rate={max(1, min(setup.rate, (proof.events - accepted) // 120))}/s")
    with Call(scene, "run", *asked, *more) as call:
        proof.calls += 1
        moment = _moments(cut, scene, accepted, proof.events)
        while cut.how in ("kill", "term", "term in a pause") and not moment():
            if not call.running():
                return False
            time.sleep(_LOOK)
        signalled = time.monotonic()
        if cut.how == "kill":
            call.kill()
        else:
            if cut.how.startswith("term"):
                call.terminate()
            code = call.wait(_LONGEST)
            _judge_drain(cut, setup, call, code, time.monotonic() - signalled, accepted, scene, proof)
    in_flight = Kept(scene.state).bodies_in_flight()
    doubtful.update(in_flight)
    day = Kept(scene.state).day_at_work()
    proof.cuts.append(Done(cut.how, day, accepted_so_far(scene.record), len(in_flight)))
    if len(in_flight) > setup.in_flight:
        proof.problems.append(f"{len(in_flight)} in flight at a cut, at most {setup.in_flight}")
    say(f"{cut.how}: at {day}, {proof.cuts[-1].accepted:,} events accepted, {len(in_flight)} in flight")
    return True


def _moments(cut: Cut, scene: Scene, accepted: int, events: int) -> Callable[[], bool]:
    """Return what tells that it is time."""
    begun = [0.0, 0.0]  # when the share was reached, and the count there

    def at_share() -> bool:
        if not begun[0] and accepted_so_far(scene.record) > max(accepted, cut.share * events):
            begun[0] = time.monotonic()
        return bool(begun[0]) and time.monotonic() >= begun[0] + cut.delay

    def in_a_pause() -> bool:
        now = accepted_so_far(scene.record)
        if now != begun[1]:
            begun[:] = [time.monotonic(), now]
        # No other silence of a call under way is that long.
        return now > accepted and time.monotonic() >= begun[0] + 3

    return in_a_pause if cut.how == "term in a pause" else at_share


def _judge_drain(
    cut: Cut, setup: Setup, call: Call, code: int, seconds: float, accepted: int, scene: Scene, proof: Backfill
) -> None:
    """A call that was asked to end, or whose window is closed, ends by itself, in order and with its books."""
    answer = call.json
    if code != _AGAIN or answer is None:
        proof.problems.append(f"{cut.how}: ended with {code}: {call.said[-500:]}")
        return
    proof.blame(cut.how, _unbalanced(answer))
    if cut.how.startswith("term") and seconds > setup.timeout + _LEAVING:
        proof.problems.append(f"{cut.how}: {seconds:.1f} s to end")
    if cut.how.endswith("window") and not (answer["stopped"] or {}).get("resume_at"):
        proof.problems.append(f"{cut.how}: it does not say when to come back")
    now = accepted_so_far(scene.record)
    if cut.how == "closed window" and now != accepted:
        proof.problems.append(f"{cut.how}: {now - accepted} events went out")
    if cut.how == "closing window" and now == accepted:
        proof.problems.append(f"{cut.how}: nothing went out while it was open")
    if not answer["not_reached"]:
        proof.problems.append(f"{cut.how}: it says that it came to every day")


def _to_next_minute() -> float:
    now = datetime.now(UTC)
    return 60 - now.second - now.microsecond / 1e6


def _window(*, closing: bool) -> str:
    """Return hours that close with this minute, or that open in two hours."""
    now = datetime.now(UTC)
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    start, end = (now - hour, now + minute) if closing else (now + 2 * hour, now + 3 * hour)
    return f"{start:%H:%M}-{end:%H:%M}"


def _to_the_end(scene: Scene, asked: tuple[str, ...], proof: Backfill) -> dict[str, Any]:
    with Call(scene, "run", *asked) as call:
        proof.calls += 1
        proof.exit = call.wait(_LONGEST)
        answer = call.json
    if answer is None:
        raise RuntimeError(f"the last call ended with {proof.exit} and no JSON: {call.said}")
    proof.blame("last call", _unbalanced(answer))
    return answer


def _unbalanced(answer: dict[str, Any]) -> list[str]:
    return [wrong for one in (answer, *answer["runs"]) for wrong in unbalanced(one)]


def _judge(scene: Scene, files: list[Day], last: dict[str, Any], proof: Backfill, doubtful: Counter[str]) -> None:
    kept, arrived = Kept(scene.state), read_record(scene.record)
    events = kept.events()
    wanted: dict[str, list[str]] = {}
    for day in files:
        for key, bodies in day.expected.by_key.items():
            wanted.setdefault(key, []).extend(bodies)
    expected = Counter(body for bodies in wanted.values() for body in bodies)
    doubles = arrived.bodies - expected
    proof.arrived, proof.doubles, proof.listed = arrived.bodies.total(), doubles.total(), doubtful.total()
    proof.lost = (expected - arrived.bodies).total()
    if proof.lost:
        proof.problems.append(f"{proof.lost} bodies never arrived")
    if unlisted := (doubles - doubtful).total():
        proof.problems.append(f"{unlisted} doubles are not among the unknowns that were listed")
    proof.blame("outboxes", _other_sequences(events, wanted))
    turns: dict[str, list[Turn]] = {}
    for event in events:
        turns.setdefault(event.key, []).append(Turn(event.body, not event.delivered, event.resent))
    told = ((key, explain(turns.get(key, ()), arrived.by_key.get(key, ()))) for key in turns | arrived.by_key)
    proof.blame("order", [f"key {key}: {wrong}" for key, wrong in told if wrong])
    proof.blame("books", list(_other_books(files, last)))
    if proof.exit or last["not_reached"] or last["unknown"] or last["pending"]:
        proof.problems.append(f"the end: exit {proof.exit}, {last['unknown']} unknown, {last['pending']} pending")
    if {state for _, state in kept.runs()} != {"finished"} or len(kept.runs()) != len(files):
        proof.problems.append(f"{len(kept.runs())} runs in the end, one a day expected, all of them finished")
    if left := kept.leftovers():
        proof.problems.append(f"left lying about: {', '.join(left)}")


def _other_sequences(events: list[Event], wanted: dict[str, list[str]]) -> list[str]:
    planned: dict[str, list[str]] = {}
    for event in events:
        planned.setdefault(event.key, []).append(event.body)
    return [f"key {key} differs" for key in planned | wanted if planned.get(key) != wanted.get(key)]


def _other_books(files: list[Day], last: dict[str, Any]) -> Iterator[str]:
    for day, run in zip(files, last["runs"], strict=True):
        found = (run["date"], run["rows"], run["events"], run["duplicate"].get("exact", 0))
        expected = (str(day.date), day.rows, day.expected.events, day.expected.duplicate["exact"])
        if found != expected:
            yield f"date, rows, events, exact are {found}, expected {expected}"
        if run["duplicate"].get("sent_before", 0) != day.repeated:
            yield f"{day.date}: {run['duplicate']} with {day.repeated} rows of the day before"
