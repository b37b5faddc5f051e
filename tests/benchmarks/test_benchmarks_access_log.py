"""The loop beside `plan` does the same work on a log: the same events from the same lines."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lines import write_lines
from benchmarks.measuring import python, run
from benchmarks.planning.log_job import PRODUCTS, write_log_job, write_prices


def test_the_loop_gives_the_very_bodies_of_the_outbox(tmp_path: Path) -> None:
    log, prices, found = tmp_path / "access.log", tmp_path / "prices.csv", tmp_path / "out.ndjson"
    write_lines(log, 3_000)
    write_prices(prices, PRODUCTS)
    run(python("etl", "plan", write_log_job(tmp_path, log, prices), "--state", tmp_path / "state"))
    run(python("benchmarks.planning.log_loop", log, prices, found))
    (outbox,) = tmp_path.glob("state/**/outbox.parquet")
    assert "bodies" in run(python("benchmarks.planning.same", outbox, found))
