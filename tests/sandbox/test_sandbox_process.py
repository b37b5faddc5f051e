"""The child process: quick to start, clean to stop, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from etl.errors import JobError
from etl.sandbox.process import start_child
from etl.sandbox.record import Record
from etl.sandbox.settings import Misbehaviour, Settings

EVENT = {"eventTypeKey": "t", "keyValue": "k"}
ROOT = Path(__file__).resolve().parents[2]

# A parent that starts a sandbox, sends three events, says where it is, and then waits to be killed.
PARENT = """
import sys, time, requests
from pathlib import Path
from etl.sandbox.process import start_child
child = start_child(Path(sys.argv[1]))
for _ in range(3):
    requests.post(child.url + "/v2/event", json={"eventTypeKey": "t", "keyValue": "k"}, auth=("", "key"), timeout=10)
print(child.pid, child.url, flush=True)
if len(sys.argv) > 2:
    import os
    if os.fork() == 0:
        time.sleep(4)
        os._exit(0)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    except NotADirectoryError:  # No /proc here.
        return False
    return state == "Z"


def wait_until_gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return gone(pid)


def test_it_serves_with_its_settings_and_closing_leaves_a_whole_record(tmp_path: Path) -> None:
    settings = Settings(keys=("the key",), organisation="O", misbehaviour=Misbehaviour(rate_500_after=1))
    with start_child(tmp_path / "r.sqlite", settings) as child:
        assert child.running()
        info = requests.get(child.url + "/v1/account/info", auth=("", "the key"), timeout=10)
        assert info.json()["organisationName"] == "O"
        assert requests.get(child.url + "/v1/account/info", auth=("", "another"), timeout=10).status_code == 401
        assert requests.post(child.url + "/v2/event", json=EVENT, auth=("", "the key"), timeout=10).status_code == 500
        command = Path(f"/proc/{child.pid}/cmdline")
        assert not command.exists() or b"the key" not in command.read_bytes(), "keys are not for everybody to read"
    assert not child.running()
    child.close()
    assert Record(tmp_path / "r.sqlite").accepted() == 1
    assert [each.name for each in tmp_path.iterdir()] == ["r.sqlite"], "the write-ahead log is folded in"


def test_it_is_up_quickly(tmp_path: Path) -> None:
    def start() -> float:
        started = time.perf_counter()
        with start_child(tmp_path / "r.sqlite"):
            return time.perf_counter() - started

    best = min(start() for _ in range(3))
    print(f"up in {best:.2f} s")
    assert best < 2


def test_it_starts_from_any_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with start_child(Path("here.sqlite")):
        pass
    assert (tmp_path / "here.sqlite").is_file()


def test_an_event_survives_a_sigkill_of_the_sandbox_itself(tmp_path: Path) -> None:
    with start_child(tmp_path / "r.sqlite", Settings(limit_event=None)) as child, requests.Session() as session:
        session.auth = ("", "key")
        for _ in range(37):
            assert session.post(child.url + "/v2/event", json=EVENT, timeout=10).status_code == 200
        os.kill(child.pid, signal.SIGKILL)
    assert Record(tmp_path / "r.sqlite").accepted() == 37


def test_closing_under_load_keeps_all_that_was_answered_and_hangs_nobody(tmp_path: Path) -> None:
    answered: list[str] = []
    child = start_child(tmp_path / "r.sqlite", Settings(limit_event=None))

    def send(lane: int) -> None:
        with requests.Session() as session:
            session.auth = ("", "key")
            for n in range(100_000):
                try:
                    body = {"eventTypeKey": "t", "keyValue": f"{lane}-{n}"}
                    status = session.post(child.url + "/v2/event", json=body, timeout=5).status_code
                except requests.RequestException:
                    return
                if status == 200:
                    answered.append(f"{lane}-{n}")

    lanes = [threading.Thread(target=send, args=(lane,)) for lane in range(4)]
    for each in lanes:
        each.start()
    time.sleep(0.5)
    child.close()
    for each in lanes:
        each.join(10)
        assert not each.is_alive()
    stored = {each.key for each in Record(tmp_path / "r.sqlite").events()}
    assert answered
    assert set(answered) <= stored
    assert len(stored) - len(answered) <= len(lanes), "no more than was in flight"


def test_ctrl_c_is_not_for_it_and_sigterm_stops_it_cleanly(tmp_path: Path) -> None:
    with start_child(tmp_path / "r.sqlite") as child:
        os.kill(child.pid, signal.SIGINT)
        time.sleep(0.1)
        assert requests.post(child.url + "/v2/event", json=EVENT, auth=("", "key"), timeout=10).status_code == 200
        os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while child.running() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not child.running()
    assert Record(tmp_path / "r.sqlite").accepted() == 1


@pytest.mark.parametrize("death", ["killed", "killed while a fork of it lives on"])
def test_it_ends_when_its_parent_is_killed(tmp_path: Path, death: str) -> None:
    more = ["fork"] if "fork" in death else []
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "r.sqlite"), *more],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline().split()[0])
    assert not gone(pid)
    if more:
        time.sleep(0.2)  # The fork holds the child's stdin open from here on.
    parent.kill()
    parent.wait()
    ended = wait_until_gone(pid, 3)
    parent.stdout.close()
    assert ended
    assert Record(tmp_path / "r.sqlite").accepted() == 3


def test_a_taken_port_or_a_bad_record_is_said_in_words(tmp_path: Path) -> None:
    with start_child(tmp_path / "r.sqlite") as child:
        port = int(child.url.split(":")[2].split("/")[0])
        with pytest.raises(JobError, match=f"cannot listen on 127.0.0.1 port {port}"):
            start_child(tmp_path / "other.sqlite", port=port)
    (tmp_path / "notes").write_text("no database " * 100)
    with pytest.raises(JobError, match="not a record"):
        start_child(tmp_path / "notes")
