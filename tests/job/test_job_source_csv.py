r"""`source.quote`, `escape`, `null` and `skip`: how a CSV is written, in the job file."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import ClickreplayError
from etl.job.read import read_job

JOB = """
job: a
source:
  path: a.csv
  {line}
contact: {{email: email}}
events: [{{type: pageViewed, page: {{location: url}}}}]
delivery: {{api: sandbox}}
"""


def source(folder: Path, line: str):  # type: ignore[no-untyped-def]
    (folder / "job.yaml").write_text(JOB.format(line=line))
    return read_job(folder / "job.yaml").source


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("quote: none", "quote", ""),
        ('quote: "\'"', "quote", "'"),
        ("escape: \\", "escape", "\\"),
        ("escape: none", "escape", ""),
        ("null: \\N", "null", ("\\N",)),
        ("null: ['NULL', '-', 0]", "null", ("NULL", "-", "0")),
        ("skip: 6", "skip", 6),
        ('skip: {comment: "#"}', "skip", "#"),
    ],
)
def test_a_job_says_how_its_csv_is_written(tmp_path: Path, line: str, key: str, value: object) -> None:
    assert getattr(source(tmp_path, line), key) == value


@pytest.mark.parametrize(
    "line", ["quote: ab", "escape: é", "skip: -1", "skip: {lines: 3}", "skip: true", "null: {a: b}"]
)
def test_what_a_csv_cannot_have_is_a_mistake_with_words(tmp_path: Path, line: str) -> None:
    with pytest.raises(ClickreplayError, match=rf"source\.{line.partition(':')[0]}: expected "):
        source(tmp_path, line)


def test_a_log_has_none_of_them(tmp_path: Path) -> None:
    with pytest.raises(ClickreplayError, match="the format access_log has no `quote`"):
        source(tmp_path, "quote: none\n  format: access_log")
