"""Quiet and watched: what a call says without a terminal, its log as JSON, and the metrics that a scheduler's host picks up."""

import json
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from called import Shop, pages
from prometheus_client.parser import text_string_to_metric_families

from etl.cli import metrics, progress
from etl.delivery.post import Progress
from etl.errors import Exit
from etl.job.document import read_document
from etl.report.metrics import HELP, PREFIX
from etl.sandbox.process import Child

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring.md"


def _values(file: Path) -> dict[tuple[str, str], float]:
    """The file as Prometheus' own parser reads it: by metric and its label besides job and destination."""
    found = {}
    for family in text_string_to_metric_families(file.read_text("utf-8")):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        for sample in family.samples:
            assert sample.labels["job"] == "small"
            rest = [value for name, value in sample.labels.items() if name not in ("job", "destination")]
            found[sample.name.removeprefix(PREFIX), "".join(rest)] = sample.value
    return found


# Quiet


def test_a_short_call_without_a_terminal_says_its_summary_and_nothing_twice(shop: Shop) -> None:
    shop.write(pages(50))
    ended = shop.call("run", as_json=False)
    assert ended.out.count("events = ") == 1
    assert [line for line in ended.err.splitlines() if not line.startswith(("account:", "warning:"))] == []


def test_progress_without_a_terminal_is_a_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.shown_progress() as shown:
        for second in range(300):
            now[0] = 1000.0 + second
            shown.planning("reading" if second < 100 else "ordering", second)
            shown.posting(Progress(second, 300, 50.0, second, 0, 0))
    assert len(capsys.readouterr().err.splitlines()) == 4


# The log


def test_each_line_of_the_log_is_json_with_job_run_and_date(shop: Shop) -> None:
    shop.job = shop.job.replace('"*.csv"', '"{{ date }}.csv"')
    shop.write(pages(5), "2026-11-20.csv")
    ended = shop.call("run", "--date", "2026-11-20", "--log-format", "json")
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert [{"time", "level", "job", "run", "date", "message"} - line.keys() for line in lines] == [set()] * len(lines)
    last = lines[-1]
    assert (last["job"], last["run"], last["date"]) == ("small", ended.json["run"], "2026-11-20")
    assert (last["message"], last["summary"]["delivered"]) == ("ended", 5)


def test_an_error_is_a_line_of_the_log_too(shop: Shop) -> None:
    ended = shop.call("run", "--log-format", "json", as_json=False)
    (line,) = [json.loads(line) for line in ended.err.splitlines()]
    assert (ended.exit, line["level"], line["exit"]) == (4, "error", 4)


def test_what_a_summary_notes_is_in_the_log_too(shop: Shop) -> None:
    shop.job = shop.job.replace('"*.csv"', '"{{ date }}.csv"')
    for day in (20, 21):
        shop.write(pages(5, user=f"of{day}-"), f"2026-11-{day}.csv")
    cut = shop.call("run", "--date", "2026-11-20", "--limit", "1").json["run"]
    for days in (("--date", "2026-11-21"), ("--from", "2026-11-21", "--to", "2026-11-21")):
        ended = shop.call("run", *days, "--only-date", "--log-format", "json")
        told = [json.loads(line)["message"] for line in ended.err.splitlines()]
        assert any(line.startswith(f"run {cut} of 2026-11-20 is unfinished (4 pending)") for line in told)


# Metrics


def test_the_metrics_are_those_of_the_summary_and_the_real_parser_reads_them(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "small.prom"
    shop.write([*pages(7), *pages(2), {"user": "", "url": "/", "time": "never"}])
    shop.job += "max_invalid: 50%\n"
    one = shop.call("run", "--metrics-file", str(file)).json
    found = _values(file)
    assert found["rows", ""] == one["rows"] == 10
    assert (found["invalid", ""], found["duplicate", "exact"]) == (1, 2)
    assert found["events", "pageViewed"] == 7
    assert {name: found["verdicts", name] for name in ("delivered", "rejected", "unknown", "pending")} == {
        name: one[name] for name in ("delivered", "rejected", "unknown", "pending")
    }
    assert (found["exit_code", ""], found["running", ""]) == (0, 0)
    assert found["last_success_timestamp_seconds", ""] == found["last_call_timestamp_seconds", ""]
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [name.name for name in tmp_path.glob("*.prom*")] == ["small.prom"]
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "metrics"], input=file.read_bytes(), capture_output=True, check=False)
        assert b"error" not in done.stderr


def test_a_call_that_fails_says_its_code_and_keeps_the_last_success(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "small.prom"
    shop.write(pages(7))
    shop.call("run", "--metrics-file", str(file))
    success = _values(file)["last_success_timestamp_seconds", ""]
    shop.key = None
    shop.write(pages(9))
    assert shop.call("run", "--metrics-file", str(file)).exit == 77
    found = _values(file)
    assert (found["exit_code", ""], found["last_success_timestamp_seconds", ""]) == (77, success)
    assert found["verdicts", "pending"] == 2
    (shop.folder / "a.csv").unlink()
    shop.folder.joinpath("b.csv").write_text("user,url,time\n")
    shop.job = shop.job.replace("{location: url}", "{location: nowhere}")
    assert shop.call("run", "--metrics-file", str(file)).exit == 2
    assert _values(file)["exit_code", ""] == 2


def test_a_job_file_that_cannot_be_read_is_seen_in_the_metrics(shop: Shop, tmp_path: Path) -> None:
    """Else the alert for code 2 would stay silent in the night after a slip in the job file."""
    file = tmp_path / "small.prom"
    shop.write(pages(3))
    shop.call("run", "--metrics-file", str(file))
    before = _values(file)
    shop.job += "nonsense: 1\n"
    assert shop.call("run", "--metrics-file", str(file)).exit == 2
    found = _values(file)
    assert (found["exit_code", ""], found["running", ""]) == (2, 0)
    success = ("last_success_timestamp_seconds", "")
    assert found[success] == before[success]
    assert f'destination="{shop.api}"' in file.read_text("utf-8")
    file.unlink()
    assert shop.call("run", "--metrics-file", str(file)).exit == 2
    assert 'clickreplay_exit_code{job="job"} 2\n' in file.read_text("utf-8")
    assert shop.call("run", "--metrics-file", "/nowhere/small.prom").exit == 2


def test_a_file_that_cannot_be_written_is_a_mistake_before_anything_is_sent(shop: Shop) -> None:
    shop.write(pages(1))
    assert shop.call("run", "--metrics-file", "/nowhere/small.prom").exit == 2
    unreadable = shop.call("run", "--metrics-file", "/proc/self/mem")
    assert (unreadable.exit, "cannot be read" in unreadable.err) == (2, True)


def test_the_file_is_renewed_while_posting(
    shop: Shop, serve: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_EVERY", 0.0)
    file, seen = tmp_path / "small.prom", []
    real = metrics.MetricsFile.posting

    def posting(self: metrics.MetricsFile, told: Progress) -> None:
        real(self, told)
        seen.append(_values(file))

    monkeypatch.setattr(metrics.MetricsFile, "posting", posting)
    shop.write(pages(20))
    shop.call("run", "--metrics-file", str(file))
    assert {one["running", ""] for one in seen} == {1}
    assert seen[-1]["verdicts", "delivered"] == 20


# The document


def test_the_document_has_every_metric_and_an_alert_for_every_exit_code(tmp_path: Path) -> None:
    text = MONITORING.read_text("utf-8")
    table = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    assert set(re.findall(rf"{PREFIX}(\w+)", table)) == set(HELP)
    (rules,) = re.findall(r"```yml\n(.*?)```", text, re.DOTALL)
    codes = re.findall(rf"{PREFIX}exit_code == (\d+)", rules)
    assert [int(code) for code in codes] == [int(code) for code in Exit if code]
    file = tmp_path / "rules.yml"
    file.write_text(rules, "utf-8")
    assert read_document(rules).mistakes == []
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
        assert (done.returncode, "8 rules found" in done.stdout) == (0, True), done.stderr
