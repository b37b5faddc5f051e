"""Planning that is broken off: by a signal, or because it would need more memory than there is."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: So many steps for each row that a batch takes many minutes.
BUSY = "levenshtein(repeat(user, 20000), repeat(url, 20000))"


def planned(folder: Path, expression: str, *, memory: int, then: str = "", more: str = "") -> subprocess.Popen[str]:
    """Begin to plan a job in a process that may hold `memory` bytes; `then` is code before it, `more` more of the job."""
    (folder / "rows.csv").write_text("user,url,time\n" + "u1,/a,2026-11-20T10:00:00Z\n" * 3_000)
    (folder / "job.yaml").write_text(f"""\
job: heavy
source: {{path: rows.csv}}
time: {{column: time, zone: UTC}}
contact: {{externalCustomerId: user}}
let: {{heavy: "{expression}"}}
events:
  - {{type: pageViewed, where: "heavy is not null", page: {{location: url}}}}
max_invalid: 100%
delivery: {{api: sandbox, stale: send}}
{more}
""")
    code = f"from etl import memory; memory._MOST = {memory}; {then}\nfrom etl.cli import main; main()"
    call = [sys.executable, "-c", code, "plan", "job.yaml", "--json", "--state", "state"]
    return subprocess.Popen(call, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def is_planning(folder: Path) -> None:
    for _ in range(600):
        if list(folder.glob("state/**/planning/staged*")):
            time.sleep(0.3)  # into the first statement
            return
        time.sleep(0.05)
    raise AssertionError("it does not begin")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_planning_in_the_midst_of_an_expression(tmp_path: Path, number: signal.Signals) -> None:
    process = planned(tmp_path, BUSY, memory=64 << 30)
    is_planning(tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75
    told = json.loads(out)
    assert (told["exit"], told["stopped"]["hint"]) == (75, "run the same command again")
    assert "nothing of this plan was sent" in err


def test_a_second_signal_ends_planning_at_once(tmp_path: Path) -> None:
    # The patience of the first signal is made endless: what ends the process is the second one.
    process = planned(tmp_path, BUSY, memory=64 << 30, then="from etl.flow import breakable as b; b._PATIENCE = 1e9")
    is_planning(tmp_path)
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["exit"]) == (75, 75)


def test_a_transform_that_computes_for_long_ends_at_a_signal(tmp_path: Path) -> None:
    code = "import time\ndef clean(frame):\n    time.sleep(600 if len(frame) else 0)\n    return frame\n"
    (tmp_path / "clean.py").write_text(code)
    process = planned(tmp_path, "1", memory=64 << 30, more="transform: clean.py:clean")
    is_planning(tmp_path)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["exit"]) == (75, 75)


@pytest.mark.parametrize(
    "expression",
    [
        "len(range(100000000))",
        "length(repeat(repeat('x', 99999), 1) || array_to_string(list_transform(range(99999), lambda i: repeat('x', 99999)), ''))",
    ],
    ids=["a list", "texts in a list"],
)
def test_an_expression_that_needs_too_much_memory_ends_planning_with_words(tmp_path: Path, expression: str) -> None:
    process = planned(tmp_path, expression, memory=600 << 20)
    out, err = process.communicate(timeout=120)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    assert process.returncode == 4, err
    assert "needs more memory than" in json.loads(out)["stopped"]["reason"]
    assert "Traceback" not in err
    assert peak < 4 << 30  # all of it would be far more


def test_a_text_that_repeat_makes_too_long_is_a_failed_expression(tmp_path: Path) -> None:
    process = planned(tmp_path, "length(repeat('x', 1000000000)) + length(lpad(user, 1000000000, '0'))", memory=4 << 30)
    out, err = process.communicate(timeout=120)
    told = json.loads(out)
    assert (told["rows"], told["invalid"], told["invalid_reasons"]) == (3_000, 3_000, {"where.failed": 3_000}), err
