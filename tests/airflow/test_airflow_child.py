"""The process of a task: its lines, its end, its drain."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from etl.airflow.child import Child

TRAP = """
import signal, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
print("ready", file=sys.stderr, flush=True)
end = time.monotonic() + {lasts}
while time.monotonic() < end and len(asked) < {most}:
    time.sleep(0.02)
    if asked and {drains}:
        break
print(len(asked))
sys.exit(75)
"""


def child(script: str, said: list[str], grace: float = 5.0) -> Child:
    return Child([sys.executable, "-c", script], {**os.environ, "NAME": "value"}, said.append, grace)


def trap(*, lasts: float = 20.0, most: int = 99, drains: bool = True) -> str:
    return TRAP.format(lasts=lasts, most=most, drains=drains)


def drain_when_ready(one: Child, times: int = 1) -> None:
    """Ask for a drain, so often, once the script has its handler."""

    def ask() -> None:
        while b"ready" not in os.pread(one._err.fileno(), 100, 0):
            time.sleep(0.02)
        for _ in range(times):
            one.drain()
            time.sleep(0.1)

    threading.Thread(target=ask, daemon=True).start()


def test_lines_are_said_while_it_works_and_stdout_is_kept_apart() -> None:
    said: list[str] = []
    script = "import os, sys; print('рядок', file=sys.stderr); print(os.environ['NAME']); print('last', end='', file=sys.stderr)"
    assert child(script, said).run() == (0, "value\n")
    assert said == ["рядок", "last"]


def test_more_than_a_pipe_holds_stops_nothing() -> None:
    said: list[str] = []
    code, out = child(
        "import sys; print('x' * 300_000); [print(n, file=sys.stderr) for n in range(50_000)]", said
    ).run()
    assert (code, len(out), len(said)) == (0, 300_001, 50_000)


def test_what_cannot_be_started_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        Child(["/nowhere/python"], {}, print, 1.0).run()


def test_a_drain_is_asked_for_once_however_often_the_task_is_killed() -> None:
    one = child(trap(lasts=2.5, drains=False), [])
    drain_when_ready(one, times=5)
    assert one.run() == (75, "1\n")


def test_one_that_outlives_its_grace_is_asked_again_and_then_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    one = child(trap(drains=False, most=2), [], grace=0.1)
    drain_when_ready(one)
    assert one.run() == (75, "2\n")
    monkeypatch.setattr("etl.airflow.child._LAST", 0.1)
    deaf = child(trap(drains=False), [], grace=0.1)
    drain_when_ready(deaf)
    assert deaf.run() == (-9, "")


def test_a_timeout_of_the_task_drains_before_it_goes_on_up() -> None:
    class TimedOut(BaseException):
        pass

    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        if line == "ready":
            raise TimedOut

    one = child(trap() + "\n", [])
    one._say = hear
    with pytest.raises(TimedOut):
        one.run()
    assert os.pread(one._out.fileno(), 100, 0) == b"1\n", "it has not drained"


def test_it_is_out_of_reach_of_signals_to_the_group_of_the_task() -> None:
    code, out = child("import os; print(os.getpgid(0), os.getsid(0), os.getpid())", []).run()
    group, session, process = out.split()
    assert (code, group, session) == (0, process, process)
