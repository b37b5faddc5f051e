"""The real command line in a process of its own, against a stand-in of the API in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from etl.sandbox.process import Child, start_child
from etl.sandbox.record import Record
from etl.sandbox.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """What a call said: its exit code, its JSON (empty where there is none), and its words for people."""

    code: int
    books: dict[str, Any]
    words: str


def clickreplay(*arguments: str | Path, cwd: Path = ROOT) -> Said:
    """Run a command; `--json` is read back, and has to be the one line on stdout."""
    environment = os.environ | {"ESPUTNIK_API_KEY": "x", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "etl", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    books = {}
    if "--json" in arguments and done.stdout:
        (line,) = done.stdout.splitlines()
        books = json.loads(line)
    return Said(done.returncode, books, done.stderr + ("" if books else done.stdout))


@dataclass(frozen=True)
class Replay:
    """A job with its own state and its own stand-in."""

    job: Path
    source: Path
    state: Path
    api: str
    record: Path

    def call(self, command: str, *options: str | Path, source: Path | None = None) -> Said:
        """Run `plan` or `run` on this job, on another file where one is given."""
        setting = ["--set", f"source.path={source or self.source}", "--set", f"delivery.api={self.api}"]
        return clickreplay(command, self.job, *setting, "--state", self.state, "--json", *options)

    def outbox(self, run: str) -> list[dict[str, Any]]:
        """Return the rows of a run's outbox, in its order."""
        (file,) = self.state.glob(f"*/runs/{run}/outbox.parquet")
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
        return rows

    def quarantine(self, run: str) -> list[dict[str, Any]]:
        """Return the rows of a run's quarantine."""
        (file,) = self.state.glob(f"*/runs/{run}/quarantine.parquet")
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
        return rows

    @property
    def recorded(self) -> Record:
        """What the stand-in took."""
        return Record(self.record)


@contextmanager
def replaying(job: Path, source: Path, folder: Path) -> Iterator[Replay]:
    """Give a job whose stand-in knows no limit, but checks the structure of the seven types."""
    with _stand_in(folder / "record.sqlite") as child:
        yield Replay(job, source, folder / "state", child.url, child.record)


def _stand_in(record: Path) -> Child:
    return start_child(record, Settings(limit_event=None, check_types=True))


def balances(books: dict[str, Any]) -> bool:
    """Say whether both equations of DESIGN hold."""
    ends = sum(books["filtered"].values()) + books["invalid"] + sum(books["duplicate"].values()) + books["folded"]
    verdicts = books["delivered"] + books["rejected"] + books["unknown"] + books["pending"]
    return bool(books["rows"] + books["extra"] == ends + books["events"] and books["events"] == verdicts)
