"""Calls of the tool as real processes, which may be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from benchmarks.crashing.setup import Scene

_ROOT = Path(__file__).parents[2]


class Call:
    """One call under way, a context manager that leaves no process behind. Output goes to files: no pipe can fill up."""

    def __init__(self, scene: Scene, command: str, *options: str, state: Path | None = None) -> None:
        number = len(list(scene.folder.glob("call-*.err"))) + 1
        self._out, self._err = (scene.folder / f"call-{number:03d}.{end}" for end in ("out", "err"))
        words = [command, str(scene.job), "--state", str(state or scene.state), "--json", *options]
        environment = os.environ | {"ESPUTNIK_API_KEY": "made-up", "PYTHONPATH": str(_ROOT)}
        self.started = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "etl", *words], cwd=_ROOT, env=environment, stdout=out, stderr=err
            )

    def running(self) -> bool:
        """Say whether it still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        self._process.terminate()

    def wait(self, timeout: float) -> int:
        """Wait for its end and return its exit code, negative for a signal. Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout)

    @property
    def json(self) -> dict[str, Any] | None:
        """The one JSON object that it printed; None when it printed nothing."""
        text = self._out.read_text("utf-8")
        return cast("dict[str, Any]", json.loads(text)) if text.strip() else None

    @property
    def said(self) -> str:
        """What it said for people."""
        return self._err.read_text("utf-8", errors="replace")

    def __enter__(self) -> Call:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running():
            self.kill()


def unbalanced(answer: dict[str, Any]) -> list[str]:
    """Return what does not add up in the JSON of a plan or run (DESIGN, promise 1), the earlier runs in it included."""
    found = [wrong for earlier in answer.get("earlier", ()) for wrong in unbalanced(earlier)]
    made = answer["rows"] + answer["extra"]
    filtered, duplicate = sum(answer["filtered"].values()), sum(answer["duplicate"].values())
    if made != (ends := filtered + answer["invalid"] + duplicate + answer["folded"] + answer["events"]):
        found.append(f"rows + extra are {made}, their ends {ends}")
    if answer["events"] != (ends := sum(answer[name] for name in ("delivered", "rejected", "unknown", "pending"))):
        found.append(f"events are {answer['events']}, their ends {ends}")
    if answer["events"] != (typed := sum(answer["by_type"].values())):
        found.append(f"events are {answer['events']}, by type {typed}")
    if min(answer["delivered"], answer["rejected"], answer["unknown"], answer["pending"]) < 0:
        found.append("a count is below 0")
    return found
