"""A call as Prometheus metrics, in the text format that node_exporter's textfile collector reads.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from etl.errors import Exit
from etl.report.books import Books

Labels = Mapping[str, str]
PREFIX = "clickreplay_"

#: Every metric: its help. All are gauges: they tell of the last call.
HELP = {
    "running": "1 while a call is at work.",
    "last_call_timestamp_seconds": "When the last call ended.",
    "first_call_timestamp_seconds": "When the first call began that wrote these metrics.",
    "last_success_timestamp_seconds": "When a call last ended with 0 or 3: every event has its verdict. 0 before that.",
    "exit_code": "The exit code of the last call that ended.",
    "rows": "Rows that were read.",
    "extra": "Second and later matches of a row.",
    "filtered": "Rows and events that were filtered, by reason.",
    "invalid": "Matches and rows that are invalid.",
    "duplicate": "Duplicates, by reason.",
    "folded": "Second and later lines of an event.",
    "events": "Events of the run, by type.",
    "verdicts": "Events of the run, by what became of them: delivered, rejected, unknown, pending.",
    "requests": "Requests of the run.",
    "resent": "Repeat sends after an unknown outcome.",
    "posting_seconds": "Seconds of posting.",
    "rate": "Requests a second: of late while at work, else over the run.",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric."""

    name: str
    value: float
    labels: Labels = field(default_factory=dict)


def books_samples(
    books: Books, verdicts: Mapping[str, int], requests: int, resent: int, seconds: float
) -> list[Sample]:
    """Return the samples of a run's books and of its posting."""
    found = [Sample(name, getattr(books, name)) for name in ("rows", "extra", "invalid", "folded")]
    for name, label, counts in (
        ("filtered", "reason", books.filtered),
        ("duplicate", "reason", books.duplicate),
        ("events", "type", books.by_type),
        ("verdicts", "verdict", verdicts),
    ):
        found += [Sample(name, count, {label: key}) for key, count in sorted(counts.items())]
    rate = requests / seconds if seconds > 0 else 0.0
    return [
        *found,
        Sample("requests", requests),
        Sample("resent", resent),
        Sample("posting_seconds", seconds),
        Sample("rate", rate),
    ]


def end_samples(code: Exit, now: float, last_success: float, first_call: float) -> list[Sample]:
    """Return the samples of a call's end; `last_success` is 0 where no call has ended well yet."""
    return [
        Sample("running", 0),
        Sample("first_call_timestamp_seconds", first_call),
        Sample("last_call_timestamp_seconds", now),
        Sample("exit_code", int(code)),
        Sample("last_success_timestamp_seconds", now if code in (Exit.OK, Exit.PARTIAL) else last_success),
    ]


def render(samples: Iterable[Sample], labels: Labels) -> str:
    """Return the text of a file: samples by metric, each with its help; `labels` are on every one."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name, group in by_name.items():
        lines += [f"# HELP {PREFIX}{name} {HELP[name]}", f"# TYPE {PREFIX}{name} gauge"]
        lines += [f"{PREFIX}{name}{_braces({**labels, **one.labels})} {one.value:.15g}" for one in group]
    return "\n".join([*lines, ""])


def value_in(text: str, name: str) -> float | None:
    """Return a value out of a file that `render` has written; None where it is not in it."""
    found = re.search(rf"^{PREFIX}{name}\{{.*\}} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def labels_in(text: str, name: str) -> dict[str, str]:
    """Return the labels of a value in a file that `render` has written; none where it is not in it."""
    found = re.search(rf"^{PREFIX}{name}\{{(.*)\}} \S+$", text, re.MULTILINE)
    pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[1]) if found else []
    return {label: re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value) for label, value in pairs}


def _braces(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
