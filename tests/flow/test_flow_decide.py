"""Which run goes on, is posted, planned, left or refused: the table of cases."""

from dataclasses import replace

import pytest

from etl.delivery.checkpoint import RunRow
from etl.flow.decide import Call, Then, decide, finished_before, leaves, present

CALL = Call(kind="main", date="2026-11-22", method="event", mapping="m")


def run(number: int, date: str = "22", state: str = "open", **changes: object) -> RunRow:
    row = RunRow(
        run=number, name=f"{number:06d}-ab12cd", kind="main", date=f"2026-11-{date}" if date else "", state=state, mapping="m",
        fingerprint="f", method="event", organisation=None, events=9, books="{}", requests=0, resent=0, seconds=0.0, created=0.0,
        ended=None, exit=None, merged=0, of=None,
    )  # fmt: skip
    return replace(row, **changes)  # type: ignore[arg-type]


CUT, OLDER, OLDEST = run(3), run(2, "20"), run(5, "18")
LATER = run(4, "25")
HISTORY = run(6, "19", method="past_events")
TRIAL = run(7, kind="trial", fingerprint="f-t1")
REPLAY = run(8, kind="replay", fingerprint="f-r1", of=1)
MENDED = {"mapping": "other"}
ALL = [OLDER, CUT, LATER, OLDEST, HISTORY, TRIAL, REPLAY]

CASES = {
    "nothing is unfinished: it plans": (CALL, [run(1, state="finished")], [], None, None, True),
    "its own run goes on, then it plans": (CALL, [CUT], [3], None, None, True),
    "earlier dates first, the oldest date before all": (CALL, ALL, [5, 2, 3], None, None, True),
    "a preview, a finished and an abandoned run are not unfinished": (
        CALL, [run(1, "20", "planned"), run(2, "20", "finished"), run(3, "20", "abandoned")], [], None, None, True),
    "--only-date leaves earlier dates": (replace(CALL, takes_earlier=False), ALL, [3], None, None, True),
    "dates with a turn of their own wait for it": (
        replace(CALL, covers=frozenset({"2026-11-20", CALL.date})), ALL, [5, 3], None, None, True),
    "a trial goes on with itself alone": (replace(CALL, kind="trial", trial="t1"), ALL, [7], None, None, True),
    "another trial leaves all": (replace(CALL, kind="trial", trial="t2"), ALL, [], None, None, True),
    "a replay goes on with itself alone": (replace(CALL, kind="replay", trial="r1"), ALL, [8], None, None, True),
    "a call by the other method goes on with its own kind only": (replace(CALL, method="past_events"), ALL, [6], None, None, True),
    "an earlier run whose mapping changed stops the call": (CALL, [replace(OLDER, **MENDED), CUT], [], None, 2, False),
    "what is older than the one that is held goes on": (CALL, [OLDEST, replace(OLDER, **MENDED), CUT], [5], None, 2, False),
    "its own run whose mapping changed stops the call": (CALL, [OLDER, replace(CUT, **MENDED)], [2], None, 3, False),
    "--finish posts them as they were planned": (
        replace(CALL, finish=True), [replace(OLDER, **MENDED), replace(CUT, **MENDED)], [2, 3], None, None, True),
    "--abandon closes its own run and plans anew": (replace(CALL, abandon=True), [OLDER, CUT], [2], 3, None, True),
    "--abandon leaves an earlier run that is held": (replace(CALL, abandon=True), [replace(OLDER, **MENDED), CUT], [], 3, 2, False),
    "a job without dates goes on with its run": (replace(CALL, date=""), [run(1, "")], [1], None, None, True),
    "a run from before the job had dates comes first": (CALL, [run(1, "")], [1], None, None, True),
    "--plan goes on with exactly that run": (replace(CALL, plan="2", date="2026-11-20"), ALL, [2], None, None, False),
    "--plan of a run whose mapping changed is held": (
        replace(CALL, plan="2", date="2026-11-20"), [replace(OLDER, **MENDED)], [], None, 2, False),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_call_does_with_the_runs_that_are_there(case: str) -> None:
    call, runs, go_on, abandoned, held, plans = CASES[case]
    found = decide(call, runs, tried=lambda _: True, overtaken=lambda _: False)
    assert found.refused is None
    assert [one.run for one in found.go_on] == go_on
    assert (found.abandon and found.abandon.run, found.held and found.held.run, found.plans) == (abandoned, held, plans)


def test_a_run_of_which_nothing_has_left_is_planned_anew_when_the_mapping_changes() -> None:
    found = decide(CALL, [replace(CUT, mapping="other")], tried=lambda _: False, overtaken=lambda _: False)
    assert (found.abandon and found.abandon.run, found.held, found.plans) == (3, None, True)


PLAN = run(9, state="planned")
REFUSED = {
    "no plan 7": (replace(CALL, plan="7"), [PLAN]),
    "is finished": (replace(CALL, plan="9"), [replace(PLAN, state="finished")]),
    "is of 2026-11-22": (replace(CALL, plan="9", date="2026-11-20"), [PLAN]),
    "was made for method past_events": (replace(CALL, plan="9"), [replace(PLAN, method="past_events")]),
    "of the same date is unfinished": (replace(CALL, plan="9"), [CUT, PLAN]),
    "--abandon: no run of 2026-11-22": (replace(CALL, abandon=True), [OLDER]),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_a_call_refuses(words: str) -> None:
    call, runs = REFUSED[words]
    found = decide(call, runs, tried=lambda _: True, overtaken=lambda _: False)
    assert found.refused is not None
    assert words in found.refused.message


def test_a_plan_that_was_overtaken_is_refused_and_another_one_is_posted() -> None:
    call = replace(CALL, plan="9")
    found = decide(call, [PLAN], tried=lambda _: True, overtaken=lambda _: True)
    assert found.refused is not None
    assert "another run has sent" in found.refused.message
    assert decide(call, [PLAN], tried=lambda _: True, overtaken=lambda _: False).post == PLAN


def test_every_unfinished_run_that_is_left_is_named_with_the_reason() -> None:
    why = {left.run.run: left.why for left in leaves(CALL, [*ALL, run(1, state="finished")], told={2, 3, 5})}
    assert set(why) == {4, 6, 7, 8}
    assert "later date" in why[4]
    assert "it sends by past_events" in why[6]
    assert "trial" in why[7]
    assert "replay" in why[8]
    left = {one.run.run: one.why for one in leaves(replace(CALL, takes_earlier=False), ALL, told={3})}
    assert "--only-date" in left[2]
    assert leaves(CALL, [CUT, OLDER], told={2})[0].run == CUT


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([], (Then.PLAN, None)),
        ([PLAN], (Then.POST, 9)),
        ([replace(PLAN, state="finished")], (Then.DONE, 9)),
        ([replace(PLAN, state="abandoned")], (Then.PLAN, None)),
        ([replace(PLAN, fingerprint="g")], (Then.PLAN, None)),
        ([replace(PLAN, kind="trial")], (Then.PLAN, None)),
        ([replace(PLAN, state="finished"), replace(PLAN, run=10)], (Then.POST, 10)),
    ],
)
def test_what_becomes_of_the_present_inputs(runs: list[RunRow], says: tuple[Then, int | None]) -> None:
    then, found = present(
        CALL, "f", runs, overtaken=lambda _: False, postable=lambda _: True, had_future=lambda _: False
    )
    assert (then, found and found.run) == says


@pytest.mark.parametrize("facts", [{"overtaken": True}, {"postable": False}])
def test_a_plan_that_is_no_good_any_more_is_made_anew(facts: dict[str, bool]) -> None:
    asks = {"overtaken": False, "postable": True, "had_future": False} | facts
    given = {name: (lambda _, says=says: says) for name, says in asks.items()}
    assert present(CALL, "f", [PLAN], **given) == (Then.PLAN, None)  # type: ignore[arg-type]


def test_a_date_was_finished_before_when_a_run_of_it_has_finished() -> None:
    done = run(1, "20", "finished")
    assert finished_before("main", "2026-11-20", [done, OLDER]) == done
    assert finished_before("main", "2026-11-22", [done, OLDER]) is None
    assert finished_before("main", "", [run(1, "", "finished")]) is None
