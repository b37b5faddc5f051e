"""deploy/clickreplay-night, run for real: when cron starts a call, what it mails, and what becomes of the log."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
NIGHT = DEPLOY / "clickreplay-night"


@pytest.mark.parametrize(
    ("code", "loud", "says"),
    [(0, "", False), (75, "", False), (75, "loud", True), (3, "", True), (5, "", True), (77, "", True)],
)
def test_cron_hears_of_trouble_only(code: int, loud: str, says: bool, tmp_path: Path) -> None:
    (tmp_path / "shop.unfinished").touch()
    done = _night(tmp_path, f"echo did something; exit {code}", loud)
    assert (done.returncode, bool(done.stdout), done.stderr) == (code, says, "")
    assert "did something" in (tmp_path / "shop.log").read_text()


def test_the_time_limit_of_cron_drains_and_gives_our_code(tmp_path: Path) -> None:
    done = _night(tmp_path, "trap 'kill $!; exit 75' TERM; sleep 20 & wait", "", "0.3s")
    assert (done.returncode, done.stdout) == (75, "")


def test_by_day_cron_goes_on_with_a_night_that_is_not_finished_and_starts_nothing_else(tmp_path: Path) -> None:
    started = f"echo did something; exit $(cat {tmp_path}/code)"
    for mode, code, starts in (
        ("again", 0, False),  # nothing is open
        ("", 75, True),  # the night: the window is closed
        ("again", 75, True),
        ("again", 0, True),  # noon: it is open
        ("again", 0, False),
        ("", 137, True),  # a kill leaves it open
        ("again", 139, True),
        ("again", 5, True),  # told once
        ("again", 5, False),
    ):
        (tmp_path / "shop.log").write_text("")
        (tmp_path / "code").write_text(str(code))
        done = _night(tmp_path, started, mode)
        assert ((tmp_path / "shop.log").read_text() != "", done.returncode) == (starts, code if starts else 0), mode
        assert bool(done.stdout) == (starts and code in (5, 137, 139))


@pytest.mark.parametrize("code", [3, 137, 139])
def test_what_each_call_of_a_day_would_say_again_is_mailed_once_a_day(code: int, tmp_path: Path) -> None:
    says = [bool(_night(tmp_path, f"exit {code}", "").stdout) for _ in range(3)]
    assert says == [True, False, False]
    assert _night(tmp_path, "exit 5", "").stdout  # another trouble of the day is told
    told = tmp_path / "shop.told"
    (line,) = told.read_text().splitlines()
    told.write_text(f"2020-01-01 {code}\n")  # yesterday's mail is no mail of today
    assert _night(tmp_path, f"exit {code}", "").stdout
    assert told.read_text().splitlines() == [line]


def test_a_call_that_asks_for_more_memory_than_is_let_ends_and_not_the_machine(tmp_path: Path) -> None:
    done = _night(tmp_path, "ulimit -v; ulimit -c; exit 0", "", memory="4000000")
    assert (done.returncode, (tmp_path / "shop.log").read_text()) == (0, "4000000\n0\n")


def test_the_mail_shows_what_the_call_wrote_although_the_log_was_renamed_meanwhile(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    done = _night(tmp_path, f"echo before; mv {log} {log}.1; touch {log}; echo after; exit 5", "")
    assert done.stdout.splitlines()[1:] == ["before", "after"]


def test_logrotate_loses_no_line_of_a_call_that_writes(tmp_path: Path) -> None:
    logrotate = shutil.which("logrotate", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if logrotate is None:
        pytest.skip("no logrotate here")
    rules = (DEPLOY / "logrotate").read_text("utf-8").replace("/var/log/clickreplay", str(tmp_path))
    # The tests' user owns the log here.
    rules = rules.replace("    su clickreplay clickreplay\n", "").replace(
        "create 0600 clickreplay clickreplay", "create 0600"
    )
    (tmp_path / "rules").write_text(rules, "utf-8")
    (tmp_path / "rules").chmod(0o644)
    tmp_path.chmod(0o700)

    def rotate() -> None:
        command = [logrotate, "--force", "--state", str(tmp_path / "rotated"), str(tmp_path / "rules")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    arguments, environment = _call(
        tmp_path, f"seq 1 500; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; seq 501 1000", "1m"
    )
    with subprocess.Popen(arguments, env=environment) as call:
        while "500" not in (tmp_path / "shop.log").read_text().split() if (tmp_path / "shop.log").exists() else True:
            assert call.poll() is None
            time.sleep(0.02)
        rotate()  # while the call writes
        (tmp_path / "go").touch()
        assert call.wait(30) == 0
    _night(tmp_path, "seq 1001 1500", "")
    rotate()  # a week later: the first file is packed
    assert (tmp_path / "shop.log.2.gz").exists()
    _night(tmp_path, "seq 1501 1510", "")
    files = sorted(tmp_path.glob("shop.log*"), reverse=True)
    assert [file.name for file in files] == ["shop.log.2.gz", "shop.log.1", "shop.log"]
    lines = subprocess.run(["zcat", "-f", *files], capture_output=True, text=True, check=True).stdout.split()
    assert lines == [str(number) for number in range(1, 1511)]


def _night(
    folder: Path, script: str, mode: str, limit: str = "1m", memory: str = "8388608"
) -> subprocess.CompletedProcess[str]:
    arguments, environment = _call(folder, script, limit)
    command = [*arguments, *filter(None, [mode])]
    environment |= {"CLICKREPLAY_MEMORY": memory}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def _call(folder: Path, script: str, limit: str) -> tuple[list[str], dict[str, str]]:
    program = folder / "clickreplay"
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)
    environment = os.environ | {"CLICKREPLAY": str(program), "CLICKREPLAY_LIMIT": limit}
    return [str(NIGHT), "shop.yaml", str(folder / "shop.log")], environment
