"""The run is killed at random moments and called again: nothing is lost, nothing is twice without being accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from benchmarks.crashing.proof import prove
from benchmarks.crashing.setup import TROUBLE, TROUBLE_OF_BATCHES, Scene, Setup


@pytest.mark.parametrize("method", ["event", "past_events"])
def test_after_kills_and_faults_each_body_arrived_in_turn_and_each_repeat_is_owned_up_to(
    tmp_path: Path, method: Literal["event", "past_events"]
) -> None:
    # Many hang before they are recorded: each kill then catches events that the server does not have.
    trouble = TROUBLE if method == "event" else TROUBLE_OF_BATCHES
    faults = replace(trouble, seed=3, rate_hang_before=0.004)
    # Of this seed the kill while it plans comes early: a machine that has less to do by then plans no quicker than that.
    setup = Setup(rows=3000, kills=4, seed=9, faults=faults, timeout=2.0, method=method, batch=13)
    proof = prove(setup, Scene(tmp_path))
    assert proof.problems == []
    phases = [death.phase for death in proof.deaths]
    assert "planning" in phases
    assert "posting" in phases
    assert any(death.in_flight for death in proof.deaths), "no kill caught a request: the proof would prove nothing"
    assert proof.hidden > 0, "no fault hid an answer: the proof would prove less"
    assert (proof.lost, proof.exit) == (0, 3 if proof.unknown else 0)
