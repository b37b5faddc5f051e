"""A backfill of many days is cut at random and called again: nothing is lost, day by day in order for each key."""

from __future__ import annotations

from pathlib import Path

from benchmarks.crashing.days import prove_backfill
from benchmarks.crashing.setup import Scene, Setup
from etl.sandbox.settings import Misbehaviour


def test_a_backfill_goes_on_at_the_day_and_event_where_it_was_cut(tmp_path: Path) -> None:
    # `python -m benchmarks.backfill` is the same with thirty days, each much longer.
    setup = Setup(rows=120, kills=3, seed=4, rate=250, faults=Misbehaviour(latency=0.05))
    proof = prove_backfill(setup, Scene(tmp_path), days=8)
    assert proof.problems == []
    assert sorted(cut.how for cut in proof.cuts) == ["closed window", "kill", "kill", "term", "term in a pause"]
    assert any(cut.in_flight for cut in proof.cuts), "no kill caught a request: the proof would prove less"
    assert len({cut.day for cut in proof.cuts}) > 1, "all cuts were on one day: the proof would prove less"
    assert (proof.lost, proof.exit) == (0, 0)
