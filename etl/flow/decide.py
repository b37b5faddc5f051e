"""What a call does with the runs that are there: which it abandons, goes on with, posts, plans, leaves or refuses.

Pure functions of the runs' records: nothing is read or written here, so a table of cases is the whole test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from etl.delivery.checkpoint import RunRow

Asks = Callable[[RunRow], bool]


@dataclass(frozen=True, slots=True)
class Call:
    """What one call is for. `trial` tells trials, and replays of other runs, apart; `takes_earlier`: it takes up earlier dates too.

    `covers` are the dates that have a turn of their own in this call.
    """

    kind: str
    date: str
    method: str
    mapping: str
    trial: str = ""
    plan: str | None = None
    finish: bool = False
    abandon: bool = False
    takes_earlier: bool = True
    covers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call does nothing at all, and what to say instead."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a call does, in this order: abandon a run, go on with unfinished ones, stop at one that is held, post a plan, plan."""

    abandon: RunRow | None = None
    go_on: tuple[RunRow, ...] = ()
    held: RunRow | None = None  # unfinished, and the mapping has changed since
    post: RunRow | None = None  # the plan that was named
    plans: bool = True
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """An unfinished run that a call leaves, and why."""

    run: RunRow
    why: str


def decide(call: Call, runs: Sequence[RunRow], *, tried: Asks, overtaken: Asks, where: str = "") -> Decision:
    """Return what a call does with `runs`.

    `tried` says whether anything of a run has left, `overtaken` whether another run has sent events since a plan was made; `where` is the
    destination in words.
    """
    if call.plan is not None:
        return _named(call, call.plan, runs, overtaken, where)
    own = _own(call, runs)
    if call.abandon:
        if own is None:
            return Decision(refused=_nothing_to_abandon(call, runs))
        return _in_order(call, _earlier(call, runs), abandon=own)
    if own is None or own.method != call.method:
        return _in_order(call, _earlier(call, runs))
    if own.mapping != call.mapping and not call.finish and not tried(own):
        return _in_order(call, _earlier(call, runs), abandon=own)  # nothing of it has left: planned anew, all goes out
    return _in_order(call, [*_earlier(call, runs), own])


def leaves(call: Call, runs: Sequence[RunRow], told: Collection[int]) -> list[Left]:
    """Return the unfinished runs that a call leaves; `told` are the numbers of those whose books it shows."""
    own = {run.run for run in runs if _is_own(call, run)}
    return [
        Left(run, _why(call, run, own=run.run in own))
        for run in runs
        if run.state == "open" and run.run not in told and not (run.kind == "main" and run.date in call.covers - {call.date})
    ]  # fmt: skip


class Then(Enum):
    """What becomes of the present inputs."""

    PLAN = "plan"
    POST = "post"
    DONE = "done"


def present(
    call: Call, mark: str, runs: Sequence[RunRow], *, overtaken: Asks, postable: Asks, had_future: Asks
) -> tuple[Then, RunRow | None]:
    """Return whether the plan of fingerprint `mark` is to be made, posted, or is done, and its run.

    `postable`: its outbox is there; `had_future`: it left out events whose time had not come.
    """
    same = [
        r for r in runs if r.fingerprint == mark and r.kind == call.kind and r.state in ("planned", "open", "finished")
    ]
    same = [r for r in same if r.state != "open" or r.method == call.method]
    newest = same[-1] if same else None
    if newest is None or (newest.state == "planned" and (overtaken(newest) or newest.method != call.method)):
        return Then.PLAN, None
    if newest.state == "finished":
        return (Then.PLAN, None) if had_future(newest) else (Then.DONE, newest)
    return (Then.POST, newest) if newest.state == "open" or postable(newest) else (Then.PLAN, None)


def finished_before(kind: str, date: str, runs: Sequence[RunRow]) -> RunRow | None:
    """Return the newest finished run of a date; None where there is none, and for a call without a date."""
    found = [r for r in runs if (r.kind, r.date, r.state) == (kind, date, "finished")]
    return found[-1] if date and found else None


def _in_order(call: Call, unfinished: Sequence[RunRow], *, abandon: RunRow | None = None) -> Decision:
    """Go on with each, up to the first that a changed mapping holds."""
    for number, run in enumerate(unfinished):
        if run.mapping != call.mapping and not call.finish:
            return Decision(abandon, tuple(unfinished[:number]), held=run, plans=False)
    return Decision(abandon, tuple(unfinished))


def _is_own(call: Call, run: RunRow) -> bool:
    same = run.state == "open" and run.kind == call.kind and run.date == call.date
    return same and (call.kind == "main" or run.fingerprint.partition("-")[2] == call.trial)


def _own(call: Call, runs: Sequence[RunRow]) -> RunRow | None:
    """The unfinished run of this call's own date; of two methods the one of the call's."""
    own = [run for run in runs if _is_own(call, run)]
    return max(own, key=lambda run: (run.method == call.method, run.run), default=None)


def _earlier(call: Call, runs: Sequence[RunRow]) -> list[RunRow]:
    """The unfinished main runs of earlier dates, oldest first."""
    if call.kind != "main" or not call.takes_earlier:
        return []
    found = [r for r in runs if _takes_up(call, r) and r.date < call.date and r.date not in call.covers]
    return sorted(found, key=lambda run: (run.date, run.run))


def _takes_up(call: Call, run: RunRow) -> bool:
    return run.state == "open" and run.kind == "main" and run.method == call.method


def _named(call: Call, name: str, runs: Sequence[RunRow], overtaken: Asks, where: str) -> Decision:
    found = [r for r in runs if name in (r.name, str(r.run))]
    if not found:
        known = ", ".join(r.name for r in runs if r.state == "planned") or "none"
        return Decision(refused=Refusal(f"no plan {name} for {where}", f"plans that can be posted: {known}"))
    plan = found[0]
    if refused := _unfit(call, name, plan, runs, overtaken):
        return Decision(refused=refused)
    if plan.state == "planned":
        return Decision(post=plan, plans=False)
    if call.abandon:
        return Decision(abandon=plan)
    return Decision(held=plan, plans=False) if _is_held(call, plan) else Decision(go_on=(plan,), plans=False)


def _is_held(call: Call, run: RunRow) -> bool:
    return run.mapping != call.mapping and not call.finish


def _unfit(call: Call, name: str, plan: RunRow, runs: Sequence[RunRow], overtaken: Asks) -> Refusal | None:
    """Why a plan that was named cannot be posted."""
    if plan.state in ("finished", "abandoned"):
        return Refusal(f"plan {name} is {plan.state}", "run without --plan to post what is new")
    if plan.date != call.date:
        hint = f"say --date {plan.date}" if plan.date else "leave --date out"
        return Refusal(f"plan {name} is of {plan.date or 'no date'}, this call of {call.date or 'none'}", hint)
    if plan.method != call.method and not call.abandon:
        hint = f"say --set delivery.method={plan.method}, or plan again"
        return Refusal(f"plan {name} was made for method {plan.method}, this call sends by {call.method}", hint)
    if plan.state != "planned":
        return None
    same = [r for r in runs if (r.state, r.kind, r.date, r.method) == ("open", plan.kind, plan.date, plan.method)]
    if same and plan.kind == "main":
        return Refusal(f"run {same[-1].name} of the same date is unfinished", "run without --plan goes on with it")
    if overtaken(plan):
        return Refusal(
            f"since plan {name} was made, another run has sent events",
            "plan again: what was sent may change the plan",
        )
    return None


def _nothing_to_abandon(call: Call, runs: Sequence[RunRow]) -> Refusal:
    others = [r for r in runs if r.state == "open" and r.kind == "main"]
    named = ", ".join(f"{r.name}{f' (--date {r.date})' if r.date else ''}" for r in others[:5])
    hint = f"unfinished runs: {named}" if named else "see `clickreplay status`"
    of = f"of {call.date}" if call.date else "of this job"
    return Refusal(f"--abandon: no run {of} is unfinished", hint)


def _why(call: Call, run: RunRow, *, own: bool) -> str:
    if run.kind == "trial" and not own:
        return "it is a trial; a call with the same --only or --sample goes on with it"
    if run.kind == "replay" and not own:
        return f"it is a replay; `clickreplay run --plan {run.run}` goes on with it"
    if call.plan is not None:
        return "this call is for one plan (--plan)"
    if call.kind != "main" and not own:
        return f"this call is a {call.kind}"
    if run.method != call.method:
        return f"it sends by {run.method}, this call by {call.method}"
    if own:
        return "it is not done yet"
    if run.date > call.date:
        return "it is of a later date"
    return "an earlier run comes first" if call.takes_earlier else "this call leaves earlier dates (--only-date)"
