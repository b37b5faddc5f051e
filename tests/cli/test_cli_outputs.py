"""Outputs that cannot be written or encoded: the events leave, the code is the run's, and there is no traceback."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from called import Shop, pages

from etl.sandbox.record import Record

Records = Callable[[], Record]


def _shell(shop: Shop, redirect: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = ["bash", "-c", f'"$@" {redirect}', "bash", *shop.arguments(*words)]
    return subprocess.run(command, env=shop.env, cwd="/", capture_output=True, check=False)


@pytest.mark.parametrize(
    "redirect", [">/dev/full", ">/dev/full 2>&1", ">&-", "2>&-", "<&- >&- 2>&-", "| true; exit ${PIPESTATUS[0]}"]
)
def test_a_summary_that_cannot_be_written_changes_neither_the_sending_nor_the_code(
    shop: Shop, record: Records, redirect: str
) -> None:
    shop.write(pages(5))
    ended = _shell(shop, redirect, "run")
    assert (ended.returncode, record().accepted()) == (0, 5)
    assert b"Traceback" not in ended.stderr
    assert b"Exception ignored" not in ended.stderr
    again = shop.call("run")
    assert (again.exit, again.json["finished_before"], record().accepted()) == (0, True, 5)


def test_what_is_lost_on_stdout_is_said_on_stderr(shop: Shop) -> None:
    shop.write(pages(5))
    for more in ([], ["--json"]):
        ended = _shell(shop, ">/dev/full", "run", *more)
        assert ended.returncode == 0
        assert b"warning: stdout cannot be written (No space left on device)" in ended.stderr


def test_a_refusal_keeps_its_code_where_nobody_can_be_told(shop: Shop) -> None:
    assert _shell(shop, ">/dev/full 2>&1", "run", "--json").returncode == 4  # no input
    assert _shell(shop, ">&- 2>&-", "run", "--date", "no day").returncode == 2
    assert _shell(shop, ">&- 2>&-", "run", "--no-such-option").returncode == 2


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1251", "utf-8"])
def test_a_terminal_of_another_encoding_gets_what_it_can_show(shop: Shop, record: Records, encoding: str) -> None:
    shop.environment = {"PYTHONIOENCODING": encoding}
    shop.write(pages(5, user="користувач "))
    ended = _shell(shop, "", "run")
    assert (ended.returncode, record().accepted()) == (0, 5), ended.stderr
    arrow = "→" if encoding == "utf-8" else "->"
    assert f"event {arrow} http" in ended.stdout.decode(encoding)
    for words in (["status"], ["rejects"]):
        assert _shell(shop, "", *words).returncode == 0


def test_the_json_log_is_ascii_where_the_terminal_is_not_utf8(shop: Shop) -> None:
    shop.environment = {"PYTHONIOENCODING": "latin-1"}
    shop.job = shop.job.replace("*.csv", "café.csv")
    ended = _shell(shop, "", "run", "--log-format", "json")
    assert ended.returncode == 4
    lines = [json.loads(line.decode("ascii")) for line in ended.stderr.splitlines()]
    assert "café.csv" in lines[-1]["message"]


def test_a_terminal_that_hangs_up_while_a_run_works_ends_nothing(shop: Shop, record: Records) -> None:
    shop.write(pages(40))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*shop.arguments("run", "--set", "delivery.rate=20/s")], env=shop.env, cwd="/", stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.read(ours, 1)  # its bars have begun
    os.close(ours)
    assert process.wait(60) == 0
    assert record().accepted() == 40


def test_control_characters_of_data_names_and_job_reach_no_stream(shop: Shop) -> None:
    evil = "x\x1b[2J\x9b31m\u202ey"
    shop.job = shop.job.replace("*.csv", f"{evil}.csv").encode("unicode_escape").decode().replace("\\n", "\n")
    rows = [{"user": evil, "url": evil, "time": f"{evil}{n}"} for n in range(3)]
    shop.write(rows, f"{evil}.csv")
    for words in (["check"], ["plan"], ["rejects"], ["status"], ["run"], ["plan", "--log-format", "json"]):
        ended = _shell(shop, "", *words)
        said = (ended.stdout + ended.stderr).decode()
        assert not set(said) & {"\x1b", "\x9b", "\u202e"}, words
        assert "Traceback" not in said


def test_a_file_of_a_name_that_is_no_text_is_told_in_words(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    (shop.folder / "a.csv").rename(Path(os.fsdecode(os.fsencode(shop.folder) + b"/\xff.csv")))
    ended = _shell(shop, "", "run")
    assert b"Traceback" not in ended.stderr, ended.stderr.decode()
    assert ended.returncode in (0, 4)
