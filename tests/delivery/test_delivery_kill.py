"""Real processes, really killed: what was in flight is known one by one, nothing is lost (DESIGN, promises 2 and 6)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from outboxes import Bench, bench
from servers import OK, Got, Reply, Server, serving

HERE = Path(__file__).parent
IN_FLIGHT = 8


def start(
    made: Bench, server: Server, *, on_unknown: str = "resend", method: str = "event", batch: int = 1
) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(HERE / "child.py"),
        str(made.folder),
        str(made.run),
        server.url,
        "1e9",
        on_unknown,
        method,
        str(batch),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=HERE.parents[1])


def kill_after(process: subprocess.Popen[str], server: Server, requests: int, later: float) -> None:
    """SIGKILL the process `later` seconds after so many more requests have arrived, if it still lives."""
    goal = len(server.got) + requests
    while len(server.got) < goal and process.poll() is None:
        time.sleep(0.001)
    time.sleep(later)
    process.kill()
    process.wait()


@pytest.mark.parametrize("on_unknown", ["resend", "hold"])
@pytest.mark.parametrize(("method", "batch"), [("event", 1), ("past_events", 6)])
def test_after_kills_at_any_moment_nothing_is_lost_and_each_extra_is_known(
    tmp_path: Path, on_unknown: str, method: str, batch: int
) -> None:
    chance = random.Random(on_unknown)
    names = [f"visitor{chance.randrange(60)}@x.ua" for _ in range(1501)]
    made = bench(tmp_path, names)
    faults = [Reply(429), Reply(reset=True, accepts=True), Reply(reset=True, accepts=False), Reply(500, accepts=True)]

    def script(got: Got) -> Reply:
        return chance.choice(faults) if chance.random() < 0.03 else Reply(delay=chance.random() / 100)

    with serving(script) as server:
        for _ in range(5):
            process = start(made, server, on_unknown=on_unknown, method=method, batch=batch)
            kill_after(process, server, chance.randrange(1, 350 // batch), chance.random() / 50)
            with made.open() as checkpoint:
                assert checkpoint.counts(made.run).sent <= IN_FLIGHT * batch
                checkpoint.sweep()
        process = start(made, server, on_unknown=on_unknown, method=method, batch=batch)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
    with made.open() as checkpoint:
        found, kept = checkpoint.counts(made.run), checkpoint.run(made.run)
        unknown = {event.seq for event in checkpoint.unknowns(made.run)}
        resent = {event.seq: event.resent for event in checkpoint._touched(made.run, 2)}
        resent |= {event.seq: event.resent for event in checkpoint.unknowns(made.run)}
    taken = Counter(event["n"] for event in server.events)
    assert found.delivered + found.unknown == 1501
    assert set(range(1501)) - set(taken) <= unknown
    assert all(count - 1 <= resent[n] for n, count in taken.items())
    assert kept.resent == sum(resent.values())
    if on_unknown == "hold":
        assert set(taken.values()) == {1}
    else:
        assert unknown == set()
    for name in set(names):
        sequence = server.sequence(name)
        if method == "past_events":  # a request that is sent again repeats all of its events, of one key several
            assert sequence[-1] == max(sequence)
            sequence = list(dict.fromkeys(sequence))
        assert sequence == sorted(sequence)


def test_sigterm_drains_and_the_same_command_goes_on(tmp_path: Path) -> None:
    made = bench(tmp_path, [f"visitor{n % 70}@x.ua" for n in range(400)])
    with serving(lambda _: Reply(delay=0.02)) as server:
        process = start(made, server)
        while len(server.got) < 50:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 75
        assert 50 <= len(server.got) < 200
        process = start(made, server)
        said, _ = process.communicate(timeout=20)
        assert process.returncode == 0
    assert said.startswith("unknown 0")
    assert server.bodies == made.bodies


def test_a_second_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    made = bench(tmp_path, [f"visitor{n}@x.ua" for n in range(100)])
    with serving(lambda got: OK if got.number < 10 else Reply(hang=True)) as server:
        process = start(made, server)
        while len(server.got) < 18:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        before = time.monotonic()
        process.communicate(timeout=10)
        assert time.monotonic() - before < 1.0
    assert process.returncode == 75
    with made.open() as checkpoint:
        found = checkpoint.counts(made.run)
    assert (found.sent, found.delivered, found.unknown) == (0, 10, 8)
