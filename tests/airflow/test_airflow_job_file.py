"""What a task knows of a job before it starts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.airflow.job_file import Known, known_of
from etl.job.read import read_job

JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("*.yaml"))


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_it_is_what_the_jobs_own_reader_says(path: Path) -> None:
    job = read_job(path, ())
    assert known_of(path) == Known(job.time.zone if job.time else "UTC", job.delivery.api_key_env)


def test_set_counts_as_on_the_command_line(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("time: {column: at, zone: Europe/Kyiv}\ndelivery: {api_key_env: SHOP_KEY}\n", "utf-8")
    assert known_of(job) == Known("Europe/Kyiv", "SHOP_KEY")
    assert known_of(job, ["time.zone=Asia/Tokyo", "delivery.rate=5/s"]) == Known("Asia/Tokyo", "SHOP_KEY")


@pytest.mark.parametrize("text", ["", "time: at\ndelivery: []\n", "a: [", "- 1\n"])
def test_a_file_that_is_wrong_is_left_to_the_jobs_own_reader(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.yaml").write_text(text, "utf-8")
    assert known_of(tmp_path / "job.yaml") == known_of(tmp_path / "absent.yaml") == Known()
