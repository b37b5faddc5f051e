"""The rivals do the work that they are measured at: the same events from the same rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.measuring import measure, python, run
from benchmarks.planning.job import write_job
from benchmarks.rows import write_rows


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export in both forms, and the outbox that `plan` makes of it."""
    folder = tmp_path_factory.mktemp("planned")
    for form in ("csv", "parquet"):
        write_rows(folder / f"rows.{form}", 3_000)
    run(python("etl", "plan", write_job(folder, folder / "rows.csv"), "--state", folder / "state"))
    (outbox,) = folder.glob("state/**/outbox.parquet")
    return outbox.rename(folder / "outbox.parquet").parent


@pytest.mark.parametrize(
    ("module", "source", "output"),
    [("script", "rows.csv", "a.parquet"), ("script", "rows.parquet", "b.parquet"), ("loop", "rows.csv", "c.ndjson")],
)
def test_a_rival_gives_the_very_bodies_of_the_outbox(planned: Path, module: str, source: str, output: str) -> None:
    run(python(f"benchmarks.planning.{module}", planned / source, planned / output))
    assert "bodies" in run(python("benchmarks.planning.same", planned / "outbox.parquet", planned / output))


def test_one_body_more_is_found_out(planned: Path, tmp_path: Path) -> None:
    run(python("benchmarks.planning.loop", planned / "rows.csv", tmp_path / "out.ndjson"))
    with (tmp_path / "out.ndjson").open("a") as file:
        file.write("{}\n")
    with pytest.raises(RuntimeError, match="same ended with 1"):
        run(python("benchmarks.planning.same", planned / "outbox.parquet", tmp_path / "out.ndjson"))


def test_memory_and_time_of_children_count(tmp_path: Path) -> None:
    busy = "import time; held = bytearray(200 << 20); end = time.time() + 0.5\nwhile time.time() < end: pass"
    code = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {busy!r}])\n{busy}\nchild.wait()"
    took = measure([sys.executable, "-c", code], tmp_path)
    assert took.seconds >= 0.5
    assert took.cpu > 0.4
    assert took.peak_mib > 350
