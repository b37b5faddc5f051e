"""`clickreplay sandbox` as a user starts it: a real process, its output and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from etl.sandbox.command import sandbox
from etl.sandbox.record import Record
from etl.sandbox.settings import Misbehaviour

ROOT = Path(__file__).resolve().parents[2]
PAGE = {
    "eventTypeKey": "pageViewed",
    "keyValue": "k",
    "params": [{"name": "page", "value": '{"location":"https://e.com"}'}],
}
COUPON = {"eventTypeKey": "couponSeen", "keyValue": "k"}


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "etl.sandbox", "--port", "0", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def post(url: str, body: object) -> int:
    return requests.post(url + "/v2/event", json=body, auth=("", "key"), timeout=10).status_code


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_to_point_a_job_at_it_and_at_the_end_what_came(tmp_path: Path, ending: signal.Signals) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    first = process.stdout.readline()
    url = first.split()[-1]
    assert process.stdout.readline().startswith(f"Point a job at it:  delivery.api: {url} ")
    assert [post(url, body) for body in (PAGE, COUPON, COUPON, {})] == [200, 200, 200, 400]
    process.send_signal(ending)
    out, err = process.communicate(timeout=10)
    assert out.splitlines()[-3:] == ["4 requests, 3 events accepted", "  couponSeen: 2", "  pageViewed: 1"]
    assert (process.returncode, err) == (0, "")
    assert Record(tmp_path / "sandbox.sqlite").by_type() == {"couponSeen": 2, "pageViewed": 1}


def test_json_prints_one_line_and_the_rest_goes_to_stderr(tmp_path: Path) -> None:
    process = start(tmp_path, "--json", "--record", "mine.sqlite", "--rate-503", "1", "--retry-after", "3")
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    answer = requests.post(ready["url"] + "/v2/event", json=COUPON, auth=("", "key"), timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    process.terminate()
    out, err = process.communicate(timeout=10)
    assert ready["record"] == "mine.sqlite"
    assert out == ""
    assert "1 requests, 0 events accepted" in err


def test_by_hand_it_checks_the_structure_of_the_seven_types(tmp_path: Path) -> None:
    bare = {"eventTypeKey": "pageViewed", "keyValue": "k"}
    for options, status in (((), 400), (("--no-check-types",), 200)):
        process = start(tmp_path, "--json", *options)
        assert process.stdout is not None
        assert post(json.loads(process.stdout.readline())["url"], bare) == status
        process.terminate()
        process.communicate(timeout=10)


def test_a_mistake_is_two_lines_of_words_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no database " * 100)
    process = start(tmp_path, "--record", "notes")
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (2, "")
    assert err.splitlines() == [
        "sandbox: notes is there and is not a record of the sandbox",
        "  Name another one with --record.",
    ]


def test_every_fault_has_an_option() -> None:
    said = CliRunner().invoke(sandbox, ["--help"]).output
    for each in fields(Misbehaviour):
        assert "--" + each.name.replace("_", "-") in said


def test_help_does_not_wait_for_the_server() -> None:
    code = "import sys, etl.sandbox.command; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_rates_beyond_one_are_refused() -> None:
    assert CliRunner().invoke(sandbox, ["--rate-429", "1.5"]).exit_code == 2
