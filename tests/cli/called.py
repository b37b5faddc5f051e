"""The command line as a process, against a sandbox in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planned import csv_text

JOB = """\
job: small
source: {path: "*.csv"}
contact: {externalCustomerId: user}
time: {column: time}
events:
  - {type: pageViewed, page: {location: url}}
delivery: {api: API, stale: send, rate: 1000/s}
"""


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    exit: int
    json: dict[str, Any]
    out: str
    err: str


@dataclass
class Shop:
    """A folder with a job and its input, and the API that it posts to."""

    folder: Path
    api: str = "sandbox"
    key: str | None = "k"
    job: str = JOB
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, rows: Sequence[dict[str, str]], name: str = "a.csv") -> None:
        (self.folder / name).write_text(csv_text(rows), "utf-8")

    def arguments(self, command: str, *more: str) -> list[str]:
        (self.folder / "job.yaml").write_text(self.job.replace("API", self.api), "utf-8")
        return [sys.executable, "-m", "etl", command, str(self.folder / "job.yaml"), *more]

    @property
    def env(self) -> dict[str, str]:
        root = str(Path(__file__).parents[2])
        known = {k: v for k, v in os.environ.items() if not k.startswith(("ESPUTNIK", "CLICKREPLAY"))}
        return known | {"PYTHONPATH": root} | ({"ESPUTNIK_API_KEY": self.key} if self.key else {}) | self.environment

    def call(self, command: str, *more: str, as_json: bool = True) -> Ended:
        arguments = self.arguments(command, *more, *(["--json"] if as_json else []))
        done = subprocess.run(arguments, capture_output=True, text=True, env=self.env, cwd="/", timeout=120)
        found = json.loads(done.stdout) if as_json and done.stdout.strip() else {}
        assert done.returncode != 1, done.stderr  # a bug of ours, whatever the test looks for
        return Ended(done.returncode, found, done.stdout, done.stderr)

    def start(self, command: str, *more: str) -> subprocess.Popen[str]:
        arguments = self.arguments(command, *more, "--json")
        return subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env, cwd="/"
        )


def pages(count: int, user: str = "u", start: int = 0) -> list[dict[str, str]]:
    """Rows of one page view each, a second apart."""
    return [
        {"user": f"{user}{n % 5}", "url": f"/{n}", "time": f"2026-11-20T10:{n // 60 % 60:02d}:{n % 60:02d}Z"}
        for n in range(start, start + count)
    ]
