"""The command line, against a sandbox in a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planned import csv_text

from etl.cli import main

JOB = """\
job: small
source: {path: "*.csv"}
contact: {externalCustomerId: user}
time: {column: time}
events:
  - {type: pageViewed, page: {location: url}}
delivery: {api: API, stale: send, rate: 1000/s}
"""


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


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
        """Call in this process, which saves the imports of a new one; what is killed has a process of its own (`start`)."""
        arguments = self.arguments(command, *more, *(["--json"] if as_json else []))[3:]
        out, err = io.StringIO(), io.StringIO()
        with _environment(self.env), contextlib.chdir("/"), redirect_stdout(out), redirect_stderr(err):
            try:
                main(arguments)
            except SystemExit as ended:
                code = int(ended.code or 0)
        assert code != 1, err.getvalue()  # a bug of ours, whatever the test looks for
        found = json.loads(out.getvalue()) if as_json and out.getvalue().strip() else {}
        return Ended(code, found, out.getvalue(), err.getvalue())

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
