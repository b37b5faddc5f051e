"""One proof: an export, a plan, a run that is killed and called again until it ends, and the verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.crashing.calls import Call, unbalanced
from benchmarks.crashing.kept import Event, Kept
from benchmarks.crashing.kills import Clock, Kill, accepted_so_far, draw_kills
from benchmarks.crashing.oracle import Arrived, Turn, explain, read_record
from benchmarks.crashing.setup import Scene, Setup
from benchmarks.crashing.shop import Expected, expect, make_rows, write_csv
from etl.sandbox.process import start_child

_LONGEST = 3600.0
_AGAIN, _GUARD = 75, 5
_SHOWN = 5
_OF_ONE_CALL = frozenset({"earlier", "seconds", "finished_before", "notes"})  # what two calls rightly say differently


@dataclass(frozen=True, slots=True)
class Death:
    """One kill: what the call was at, after how many seconds, how many events the server had, which were in flight."""

    phase: str
    seconds: float
    accepted: int
    in_flight: frozenset[int]


@dataclass(slots=True)
class Proof:
    """What came of it. `problems` is empty when every promise was kept.

    `extras` are arrivals over the expected ones, `resent` the repeats that the tool owns up to, `lost` expected bodies
    that did not arrive although the tool does not call them unknown or rejected; `missed` kills came too late.
    """

    rows: int = 0
    events: int = 0
    deaths: list[Death] = field(default_factory=list)
    missed: int = 0
    calls: int = 0
    arrived: int = 0
    lost: int = 0
    extras: int = 0
    resent: int = 0
    delivered: int = 0
    unknown: int = 0
    hidden: int = 0
    requests: int = 0
    exit: int = -1
    plan_seconds: float = 0.0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        deaths = [
            {"phase": d.phase, "seconds": round(d.seconds, 2), "accepted": d.accepted, "in_flight": len(d.in_flight)}
            for d in self.deaths
        ]
        return asdict(self) | {"deaths": deaths, "seconds": round(self.seconds, 1)}

    def blame(self, where: str, wrongs: list[str]) -> None:
        """Note what is wrong: the first few, and how many more."""
        self.problems += [f"{where}: {wrong}" for wrong in wrongs[:_SHOWN]]
        if len(wrongs) > _SHOWN:
            self.problems.append(f"{where}: and {len(wrongs) - _SHOWN} more")


def prove(setup: Setup, scene: Scene, say: Callable[[str], None] = lambda _: None) -> Proof:
    """Make the input, plan, run and kill, and judge. Everything stays in the scene's folder, which must be empty."""
    proof, started = Proof(), time.monotonic()
    expected = write_export(setup, scene)
    proof.rows, proof.events = expected.rows, expected.events
    with start_child(scene.record, setup.server()) as child:
        scene.write_job(setup, child.url)
        say(f"{proof.rows:,} rows, {proof.events:,} events expected")
        _plan_aside(scene, expected, proof)
        say(f"planned in {proof.plan_seconds:.1f} s")
        last = _run_to_the_end(setup, scene, proof, say)
        before = read_record(scene.record)
        _run_once_more(scene, last, proof)
    arrived = read_record(scene.record)
    if arrived.bodies != before.bodies:
        proof.problems.append("a call after the end has sent something")
    judge(setup, scene, expected, arrived, last, proof)
    proof.seconds = time.monotonic() - started
    return proof


def write_export(setup: Setup, scene: Scene) -> Expected:
    """Write the input and return what must come of it."""
    rows = make_rows(setup.rows, setup.seed)
    write_csv(scene.export, rows)
    return expect(rows)


def _plan_aside(scene: Scene, expected: Expected, proof: Proof) -> None:
    """Plan in a state of its own: how long it takes, and whether it is what is expected."""
    with Call(scene, "plan", state=scene.folder / "aside") as call:
        code = call.wait(_LONGEST)
        proof.plan_seconds = round(time.monotonic() - call.started, 2)
        answer = call.json
        if code or answer is None:
            raise RuntimeError(f"the plan ended with {code}: {call.said}")
    proof.blame("plan", unbalanced(answer) + _other_books(answer, expected))
    proof.blame("outbox", other_sequences(Kept(scene.folder / "aside").events(), expected))


def _run_to_the_end(setup: Setup, scene: Scene, proof: Proof, say: Callable[[str], None]) -> dict[str, Any]:
    """Call, kill and call again; return the JSON of the call that came to an end."""
    clock = Clock(scene.record, proof.events, proof.plan_seconds)
    kept, left = Kept(scene.state), draw_kills(setup.kills, setup.seed)
    while True:
        kill = left.pop(0) if left else None
        with Call(scene, "run") as call:
            proof.calls += 1
            if kill is not None and clock.await_moment(kill, call):
                call.kill()
                _note_death(kill, time.monotonic() - call.started, scene, kept, setup, proof)
                say(f"killed: {proof.deaths[-1].phase}, {proof.deaths[-1].accepted:,} events accepted")
                continue
            code = call.wait(_LONGEST)
            answer, said = call.json, call.said
        if answer is None:
            raise RuntimeError(f"call {proof.calls} ended with {code} and no JSON: {said}")
        proof.blame(f"call {proof.calls}", unbalanced(answer))
        if code != answer["exit"]:
            proof.problems.append(f"call {proof.calls} ended with {code}, its JSON says {answer['exit']}")
        if code == _GUARD and answer["guard"] == "answers":  # bad luck is among the faults
            continue
        if code != _AGAIN or not kill:
            proof.missed = len(left) + (kill is not None)
            proof.exit = code
            return answer


def _note_death(kill: Kill, seconds: float, scene: Scene, kept: Kept, setup: Setup, proof: Proof) -> None:
    # A call may have been quicker than the plan aside: what counts is how far it was.
    phase = "planning" if not kept.runs() else "posting" if kill.phase == "planning" else kill.phase
    death = Death(phase, seconds, accepted_so_far(scene.record), kept.in_flight())
    proof.deaths.append(death)
    if len(death.in_flight) > setup.in_flight:
        proof.problems.append(f"kill {len(proof.deaths)}: {len(death.in_flight)} in flight, at most {setup.in_flight}")


def _run_once_more(scene: Scene, last: dict[str, Any], proof: Proof) -> None:
    """A finished run has nothing new: the same books, the same code."""
    with Call(scene, "run") as call:
        code = call.wait(_LONGEST)
        answer = call.json
    if code != proof.exit or answer is None:
        proof.problems.append(f"the call after the end ended with {code}, the run with {proof.exit}: {call.said}")
    elif changed := [name for name in last if name not in _OF_ONE_CALL and last[name] != answer[name]]:
        proof.problems.append(f"the call after the end says other things of {', '.join(changed)}")


def judge(
    setup: Setup,
    scene: Scene,
    expected: Expected,
    arrived: Arrived,
    last: dict[str, Any],
    proof: Proof,
    *,
    cut: int = 0,
) -> None:
    """Compare what arrived with what had to, and note what is wrong in `proof`; `last` is the JSON of the last call.

    `cut` is how many answers at most were lost in ways that the record cannot know: with the server, say.
    """
    kept = Kept(scene.state)
    events = kept.events()
    proof.arrived, proof.hidden = arrived.bodies.total(), arrived.hidden.total()
    for name in ("resent", "unknown", "delivered", "requests"):
        setattr(proof, name, last[name])
    proof.blame("last call", _other_books(last, expected))
    proof.blame("frozen outbox", other_sequences(events, expected))
    proof.blame("order", _out_of_turn(events, arrived, batches=setup.batches))
    _judge_counts(events, expected, arrived, last, proof)
    _judge_extras(setup, events, expected, arrived, proof, cut)
    if [state for _, state in kept.runs()] != ["finished"]:
        proof.problems.append(f"runs in the end: {kept.runs()}")
    if proof.exit != (3 if last["rejected"] or last["unknown"] else 0):
        proof.problems.append(f"exit {proof.exit} with {last['rejected']} rejected, {last['unknown']} unknown")
    if left := kept.leftovers():
        proof.problems.append(f"left lying about: {', '.join(left)}")


def _judge_counts(
    events: list[Event], expected: Expected, arrived: Arrived, last: dict[str, Any], proof: Proof
) -> None:
    wanted = Counter(body for bodies in expected.by_key.values() for body in bodies)
    excused = Counter(event.body for event in events if not event.delivered)
    proof.lost = (wanted - arrived.bodies - excused).total()
    if proof.lost:
        proof.problems.append(f"{proof.lost} bodies never arrived, and nothing says so")
    if strange := arrived.bodies.keys() - wanted.keys():
        proof.problems.append(f"{len(strange)} bodies arrived that nobody expected, such as {min(strange)}")
    if last["pending"] or last["rejected"]:
        proof.problems.append(f"{last['pending']} pending, {last['rejected']} rejected in the end")
    for name, ours in (("delivered", sum(e.delivered for e in events)), ("resent", sum(e.resent for e in events))):
        if last[name] != ours:
            proof.problems.append(f"the JSON has {last[name]} {name}, its events {ours}")
    if last["requests"] < arrived.requests:
        proof.problems.append(f"the JSON has {last['requests']} requests, the server saw {arrived.requests}")


def _judge_extras(
    setup: Setup, events: list[Event], expected: Expected, arrived: Arrived, proof: Proof, cut: int
) -> None:
    """Every repeat must be owned up to by the tool, and have a cause that we know of without it: a kill or a fault."""
    wanted = Counter(body for bodies in expected.by_key.values() for body in bodies)
    extra = arrived.bodies - wanted
    proof.extras = extra.total()
    owned, caused = Counter[str](), arrived.hidden.copy()
    for event in events:
        owned[event.body] += event.resent
    for death in proof.deaths:
        caused.update(events[seq].body for seq in death.in_flight)
    if hushed := (extra - owned).total():
        proof.problems.append(f"{hushed} repeats are not counted in `resent`")
    if (baseless := (extra - caused).total()) > cut:
        proof.problems.append(f"{baseless} repeats had no cause, at most {cut} may")
    if proof.extras > (most := setup.in_flight * len(proof.deaths) + proof.hidden + cut):
        proof.problems.append(f"{proof.extras} repeats, at most {most}")


def _out_of_turn(events: list[Event], arrived: Arrived, *, batches: bool) -> list[str]:
    turns: dict[str, list[Turn]] = {}
    for event in events:
        loose = batches and event.sends > 1
        turns.setdefault(event.key, []).append(Turn(event.body, not event.delivered, event.resent, loose))
    explained = ((key, explain(turns.get(key, ()), arrived.by_key.get(key, ()))) for key in turns | arrived.by_key)
    return [f"key {key}: {wrong}" for key, wrong in explained if wrong]


def other_sequences(events: list[Event], expected: Expected) -> list[str]:
    """Return the keys whose planned events are not the expected ones in the expected order."""
    planned: dict[str, list[str]] = {}
    for event in events:
        planned.setdefault(event.key, []).append(event.body)
    return [f"key {key} differs" for key in planned | expected.by_key if planned.get(key) != expected.by_key.get(key)]


def _other_books(answer: dict[str, Any], expected: Expected) -> list[str]:
    books = expected.books()
    return [f"{name} is {answer[name]}, expected {books[name]}" for name in books if answer[name] != books[name]]
