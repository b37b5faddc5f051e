"""The server dies, connections are refused, it comes back: the run waits and loses nothing."""

from __future__ import annotations

import os
import signal
import time
from urllib.parse import urlsplit

from crash_shop import Shop, await_accepted

from benchmarks.crashing.calls import Call
from benchmarks.crashing.oracle import read_record
from benchmarks.crashing.proof import Proof, judge
from etl.sandbox.process import start_child


def test_a_run_outlives_a_server_that_is_killed_and_comes_back(shop: Shop) -> None:
    with start_child(shop.scene.record, shop.setup.server()) as child:
        port = urlsplit(child.url).port or 0
        shop.scene.write_job(shop.setup, child.url)
        with Call(shop.scene, "run") as call:
            await_accepted(shop, 300, call)
            os.kill(child.pid, signal.SIGKILL)
            child.close()
            time.sleep(1)
            assert call.running(), call.said
            with start_child(shop.scene.record, shop.setup.server(), port=port):
                proof = Proof(exit=call.wait(60))
                answer = call.json
    assert answer is not None, call.said
    arrived = read_record(shop.scene.record)
    judge(shop.setup, shop.scene, shop.expected, arrived, answer, proof, cut=shop.setup.in_flight)
    assert proof.problems == []
    assert proof.exit == 0
