"""A job planned for real: files on disk, a job file, an outbox read back."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint
from etl.flow import state
from etl.flow.beside import open_beside
from etl.flow.inputs import JobInputs, settings_of
from etl.flow.plan import Choice, make_plan
from etl.job.read import read_text
from etl.report.books import Books
from etl.source.chunk import Limits
from etl.source.reader import open_source

HEAD = """
job: small
source: {path: "*.csv"}
contact: {externalCustomerId: user}
time: {column: time}
delivery: {api: sandbox, stale: send}
"""


@dataclass(frozen=True)
class Planned:
    """What a plan has written."""

    books: Books
    outbox: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    folder: Path

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(row["body"]) for row in self.outbox]

    def params(self, name: str) -> list[Any]:
        """A parameter of every event, None where it is absent."""
        return [next((p["value"] for p in body["params"] if p["name"] == name), None) for body in self.bodies]

    @property
    def reasons(self) -> Counter[tuple[int, str]]:
        return Counter((row["row"], reason) for row in self.quarantine for reason in row["reasons"])


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV with the columns of all of them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def plan(folder: Path, job: str, rows: Sequence[dict[str, Any]] | dict[str, str], *, head: str = HEAD, choice: Choice | None = None,
         limits: Limits | None = None) -> Planned:  # fmt: skip
    """Write the rows (or the given files), plan the job, and read everything back; `limits` are the source's blocks."""
    files = rows if isinstance(rows, dict) else {"a.csv": csv_text(rows)}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    found = read_text(head + job, folder / "job.yaml")
    place = state.place_of(found, folder / "state")
    place.create()
    place.record()
    with Checkpoint.open(place.checkpoint, found.job, place.destination.address) as checkpoint:
        source = open_source(settings_of(found, None), found.folder, limits)
        inputs = JobInputs(source, open_beside(found, None))
        run = make_plan(found, place, checkpoint, choice or Choice(), inputs, lambda *_: None)
    where = place.run(run.name)
    outbox = pq.read_table(where / "outbox.parquet").to_pylist()
    quarantine = pq.read_table(where / "quarantine.parquet").to_pylist()
    return Planned(Books.from_json(run.books), outbox, quarantine, where)
