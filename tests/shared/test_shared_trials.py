"""Trials and interruptions on real exports: every way to send a part ends in each event being sent once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from shared_exports import JOBS, export
from shared_replay import balances, clickreplay, replaying

from etl.sandbox.contract import canonical
from etl.sandbox.record import Record

pytestmark = pytest.mark.shared


def test_a_plan_a_sample_and_a_limit_add_up_to_each_event_sent_once(tmp_path: Path) -> None:
    source = export("aws_clickstream_test_app.parquet")
    with replaying(JOBS / "aws.yaml", source, tmp_path) as replay:
        planned = replay.call("plan")
        rows = replay.outbox(planned.books["run"])
        assert (planned.code, planned.books["pending"], replay.recorded.accepted()) == (0, len(rows), 0)

        sample = replay.call("run", "--sample", "7")
        assert (sample.code, sample.books["delivered"], sample.books["filtered"]) == (0, 7, {"sample": len(rows) - 7})

        part = replay.call("run", "--limit", "100")
        assert (part.code, part.books["delivered"], replay.recorded.accepted()) == (75, 100, 107)
        status = clickreplay("status", replay.job, "--state", replay.state, "--json").books
        runs = status["destinations"][0]["runs"]
        assert [(run["kind"], run["state"]) for run in runs] == [("main", "open"), ("trial", "finished")]

        rest = replay.call("run")
        assert rest.code == 0, rest.words
        assert all(map(balances, (planned.books, sample.books, part.books, rest.books)))
        assert replay.recorded.bodies() == Counter(canonical(json.loads(row["body"])) for row in rows)


def test_only_keeps_the_named_contacts_and_a_stranger_is_nothing_to_do(tmp_path: Path) -> None:
    source = export("otto_sessions_sample.jsonl")
    with replaying(JOBS / "otto.yaml", source, tmp_path) as replay:
        sessions = {str(s["session"]): s["events"] for s in map(json.loads, source.read_text("utf-8").splitlines())}
        chosen, lines = ("0", "5"), sum(map(len, sessions.values()))
        said = replay.call("run", "--only", ",".join(chosen))
        assert said.code == 0, said.words
        assert said.books["filtered"] == {"only": lines - sum(len(sessions[key]) for key in chosen)}
        assert set(replay.recorded.order_by_key()) == set(chosen)

        stranger = replay.call("run", "--only", "nobody")
        assert (stranger.code, stranger.books["events"], stranger.books["filtered"]) == (0, 0, {"only": lines})


def test_the_built_in_sandbox_keeps_its_limit_and_everything_arrives(tmp_path: Path) -> None:
    source = export("otto_sessions_sample.jsonl")
    state = tmp_path / "state"
    said = clickreplay("run", JOBS / "otto.yaml", "--set", f"source.path={source}", "--state", state, "--json")
    assert said.code == 0, said.words
    assert said.books["destination"] == "sandbox"
    assert balances(said.books)
    record = Record(state / "sandbox" / "sandbox.sqlite")
    answers = Counter(request.status for request in record.requests("/api/v2/event"))
    assert answers[200] == record.accepted() == said.books["delivered"] == said.books["events"]
    assert answers.total() == said.books["requests"]
    assert answers[429] > 0  # 5000 a second were asked for, it takes 350
    assert said.books["resent"] == 0  # a 429 was no arrival
