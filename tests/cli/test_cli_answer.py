"""`--json` is one object on stdout for every command and every error; the JSON log and the metrics tell the same."""

import json
from pathlib import Path

import pytest
from called import Shop, pages

from etl.cli import main
from etl.flow import run as runs
from etl.report.metrics import value_in


def _main(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object], str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    told = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(told.out), told.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chek", "job.yaml", "--json"], "did you mean"),
        (["run", "--json"], "Missing argument"),
        (["run", "job.yaml", "--json", "--limit", "none"], "--limit"),
        (["plan", "job.yaml", "--json", "--limit", "3"], "`run`"),
        (["run", "job.yaml", "--json", "--dry-run"], "clickreplay plan"),
        (["run", "nowhere.yaml", "--json"], "no such job file"),
        (["check", "nowhere.yaml", "--json"], "no such job file"),
        (["status", "nowhere.yaml", "--json"], "no such job file"),
        (["purge", "nowhere.yaml", "--json"], "no such job file"),
        (["rejects", "nowhere.yaml", "--json"], "no such job file"),
        (["sandbox", "--json", "--port", "many"], "--port"),
    ],
)
def test_a_mistake_is_one_object_too(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, told, err = _main(capsys, *arguments)
    assert (code, told["exit"]) == (2, 2)
    assert words in f"{told['stopped']}{told.get('mistakes')}"
    assert words in err


@pytest.mark.parametrize("command", ["status", "purge", "check", "plan"])
def test_an_answer_has_its_exit_code(command: str, shop: Shop) -> None:
    shop.write(pages(2))
    assert shop.call("run").json["exit"] == 0
    assert shop.call(command).json["exit"] == 0


def test_mistakes_of_the_job_file_are_listed(shop: Shop) -> None:
    shop.job += "nonsense: 1\n"
    (one,) = shop.call("run").json["mistakes"]
    assert (one["line"], one["key"]) == (8, "nonsense")


def test_what_a_transform_prints_does_not_stand_before_the_object(shop: Shop) -> None:
    shop.write(pages(2))
    (shop.folder / "t.py").write_text("def clean(frame):\n    print('here')\n    return frame\n")
    shop.job += "transform: t.py:clean\n"
    ended = shop.call("plan")
    assert (ended.exit, ended.json["events"]) == (0, 2)
    assert "here" in ended.err


def test_a_bug_is_one_object_and_a_line_of_the_log_with_its_stack(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.job = shop.job.replace('"*.csv"', '"{{ date }}.csv"')

    def broken(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(runs.Caller, "plan", broken)
    monkeypatch.setattr(runs.Caller, "run", broken)
    arguments = shop.arguments("run", "--date", "2026-11-20", "--log-format", "json", "--json")[3:]
    code, told, err = _main(capsys, *arguments)
    assert (code, told["exit"]) == (1, 1)
    assert "a bug of clickreplay" in str(told["stopped"])
    (line,) = [json.loads(line) for line in err.splitlines()]
    assert (line["job"], line["date"], line["level"], line["exit"]) == ("small", "2026-11-20", "error", 1)
    assert "ZeroDivisionError: of ours" in line["traceback"]


def test_an_error_in_the_log_keeps_job_and_date(shop: Shop) -> None:
    shop.job = shop.job.replace('"*.csv"', '"{{ date }}.csv"')
    ended = shop.call("run", "--date", "2026-11-20", "--log-format", "json")
    (line,) = [json.loads(line) for line in ended.err.splitlines()]
    assert (ended.exit, line["job"], line["date"], line["exit"]) == (4, "small", "2026-11-20", 4)


def test_a_command_line_that_is_wrong_is_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _main(capsys, "run", "job.yaml", "--log-format", "json", "--json", "--nonsense")
    assert (code, json.loads(err)["exit"]) == (2, 2)


# Metrics


def test_a_call_that_finds_another_at_work_leaves_its_metrics(shop: Shop, tmp_path: Path) -> None:
    from etl.flow.state import locked, place_of, state_folder
    from etl.job.read import read_job

    file = tmp_path / "small.prom"
    shop.write(pages(3))
    shop.call("run", "--metrics-file", str(file))
    before = file.read_bytes()
    job = read_job(shop.folder / "job.yaml")
    with locked(place_of(job, state_folder(job, None))):
        assert shop.call("run", "--metrics-file", str(file)).exit == 75
    assert file.read_bytes() == before
    assert [found.name for found in tmp_path.glob("*.part")] == []


def test_a_job_that_never_succeeded_has_a_metric_to_alert_on(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "small.prom"
    for _ in range(2):
        assert shop.call("run", "--metrics-file", str(file)).exit == 4  # there is no input
        text = file.read_text("utf-8")
        first = value_in(text, "first_call_timestamp_seconds")
        assert (value_in(text, "last_success_timestamp_seconds"), first is not None) == (0, True)
    shop.write(pages(3))
    assert shop.call("run", "--metrics-file", str(file)).exit == 0
    text = file.read_text("utf-8")
    assert value_in(text, "first_call_timestamp_seconds") == first
    assert value_in(text, "last_success_timestamp_seconds") == value_in(text, "last_call_timestamp_seconds")
