"""The two things that a task has to know of a job before it starts it. All else of the file is for `clickreplay` to read and to refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Known:
    """The job's zone, whose calendar its days follow, and the environment variable that carries its key."""

    zone: str = "UTC"
    api_key_env: str = "ESPUTNIK_API_KEY"


def known_of(job_file: Path, overrides: Sequence[str] = ()) -> Known:
    """Return what a job file says, after `--set` as on the command line; the defaults where it cannot be read.

    It is read with the YAML that Airflow brings, since the interpreter that runs the job may be another one. A file that is wrong gets its
    words and its exit code (2) from the job's own reader a moment later.
    """
    import yaml

    try:
        found = yaml.safe_load(job_file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return Known()
    given = dict(text.split("=", 1) for text in overrides if "=" in text)
    zone = given.get("time.zone") or _text(found, "time", "zone")
    name = given.get("delivery.api_key_env") or _text(found, "delivery", "api_key_env")
    return Known(zone or Known().zone, name or Known().api_key_env)


def _text(found: Any, section: str, key: str) -> str | None:
    inner = found.get(section) if isinstance(found, dict) else None
    value = inner.get(key) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else None
