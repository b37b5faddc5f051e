"""A call that is asked to stop, and a second call while one is at work."""

from __future__ import annotations

import time
from dataclasses import replace

from crash_shop import Shop, await_accepted

from benchmarks.crashing.calls import Call, unbalanced
from benchmarks.crashing.kills import accepted_so_far
from benchmarks.crashing.oracle import read_record
from benchmarks.crashing.proof import Proof, judge
from etl.sandbox.process import start_child
from etl.sandbox.settings import Misbehaviour

#: Seconds for all but the wait for answers: a summary, the end of a process. Only one that hangs takes longer, also on
#: a busy machine.
_LEAVING = 20.0


def finish(shop: Shop) -> Proof:
    """Call again until nothing is left, and judge all that arrived."""
    with Call(shop.scene, "run") as call:
        proof = Proof(exit=call.wait(60))
        answer = call.json
        assert answer is not None, call.said
    judge(shop.setup, shop.scene, shop.expected, read_record(shop.scene.record), answer, proof)
    return proof


def test_sigterm_drains_and_the_same_command_goes_on_without_a_repeat(shop: Shop) -> None:
    with start_child(shop.scene.record, shop.setup.server()) as child:
        shop.scene.write_job(shop.setup, child.url)
        with Call(shop.scene, "run") as call:
            await_accepted(shop, 100, call)
            asked = time.monotonic()
            call.terminate()
            assert call.wait(30) == 75
            assert time.monotonic() - asked < shop.setup.timeout + _LEAVING
            answer = call.json
        assert answer is not None
        assert unbalanced(answer) == []
        assert (answer["exit"], answer["stopped"]["reason"], answer["unknown"]) == (75, "interrupted", 0)
        assert answer["pending"] > 0
        assert answer["delivered"] == accepted_so_far(shop.scene.record)
        proof = finish(shop)
    assert proof.problems == []
    assert (proof.exit, proof.extras, proof.resent) == (0, 0, 0)


def test_a_drain_does_not_wait_longer_than_the_timeout_for_answers_that_never_come(shop: Shop) -> None:
    shop = replace(shop, setup=replace(shop.setup, timeout=1.0))
    hanging = replace(shop.setup, faults=Misbehaviour(seed=1, rate_hang_after=0.01)).server()
    with start_child(shop.scene.record, hanging) as child:
        shop.scene.write_job(shop.setup, child.url)
        with Call(shop.scene, "run") as call:
            await_accepted(shop, 300, call)
            asked = time.monotonic()
            call.terminate()
            assert call.wait(30) == 75
            assert time.monotonic() - asked < shop.setup.timeout + _LEAVING
            answer = call.json
        assert answer is not None
        assert unbalanced(answer) == []
        proof = finish(shop)
    assert proof.problems == []
    assert proof.extras == proof.hidden > 0


def test_a_second_call_at_the_same_time_exits_75_and_sends_nothing(shop: Shop) -> None:
    shop = replace(shop, setup=replace(shop.setup, rate=100))
    with start_child(shop.scene.record, shop.setup.server()) as child:
        shop.scene.write_job(shop.setup, child.url)
        with Call(shop.scene, "run") as first:
            await_accepted(shop, 10, first)
            with Call(shop.scene, "run") as second:
                assert second.wait(30) == 75
                assert "another call" in second.said
            assert first.running()
            first.terminate()
            assert first.wait(30) == 75
            answer = first.json
        assert answer is not None
        arrived = read_record(shop.scene.record)
    assert (arrived.bodies.total(), arrived.requests) == (answer["delivered"], answer["requests"])


def test_a_second_signal_ends_at_once_and_what_was_in_flight_is_known(shop: Shop) -> None:
    slow = replace(shop.setup, faults=Misbehaviour(latency=0.2)).server()
    with start_child(shop.scene.record, slow) as child:
        shop.scene.write_job(shop.setup, child.url)
        with Call(shop.scene, "run") as call:
            await_accepted(shop, 40, call)
            call.terminate()
            time.sleep(0.02)
            call.terminate()
            assert call.wait(_LEAVING) == 75
            answer = call.json
        assert answer is not None
        assert unbalanced(answer) == []
        assert answer["unknown"] <= shop.setup.in_flight
        known = answer["delivered"] + answer["unknown"]
        assert accepted_so_far(shop.scene.record) <= known
