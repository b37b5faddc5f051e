"""What of a run was refused, for people and as JSON; contact data in it is masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.faults import explain

_LONGEST = 160
_MOST = 12


@dataclass(frozen=True, slots=True)
class Example:
    """A reason, how many it holds for, and the first of them, contact data hidden."""

    reason: str
    count: int
    place: str
    rule: str
    original: str | None


@dataclass(frozen=True, slots=True)
class Open:
    """How many of the refused no replay has delivered."""

    invalid: int = 0
    rejected: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.invalid + self.rejected + self.unknown


@dataclass(frozen=True, slots=True)
class Rejects:
    """The refused of one run. `rows` are those that the `invalid` matches stand in."""

    job: str
    run: str
    of: str | None
    date: str | None
    destination: str
    invalid: int
    rows: int
    rejected: int
    unknown: int
    reasons: Sequence[Example]  # of invalid matches
    answers: Sequence[Example]  # of rejected events
    doubts: Sequence[Example]  # of unknown events
    notes: Sequence[str] = ()
    exported: tuple[str, int] | None = None
    open: Open = Open()  # of these, what no replay has delivered

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        listed = {"invalid": self.reasons, "rejected": self.answers, "unknown": self.doubts}
        own: dict[str, Any] = {
            "job": self.job,
            "run": self.run,
            "of": self.of,
            "date": self.date,
            "destination": self.destination,
            "invalid": self.invalid,
            "rows": self.rows,
            "rejected": self.rejected,
            "unknown": self.unknown,
            "open": {"invalid": self.open.invalid, "rejected": self.open.rejected, "unknown": self.open.unknown},
            "notes": list(self.notes),
            "reasons": [
                {"kind": kind, "reason": one.reason, "count": one.count, "place": one.place, "rule": one.rule}
                | {"original": one.original}
                for kind, examples in listed.items()
                for one in examples
            ],
            "exported": None if self.exported is None else {"file": self.exported[0], "rows": self.exported[1]},
            "exit": 0,
        }
        return own


def to_text(found: Rejects) -> str:
    """Return the lines for people."""
    of = f", a replay of {found.of}" if found.of else ""
    lines = [
        f"{found.job} · run {found.run}{of}" + (f" · {found.date}" if found.date else "") + f" → {found.destination}"
    ]
    lines.append(
        f"  {found.invalid:,} invalid in {found.rows:,} rows, {found.rejected:,} rejected by the API, "
        f"{found.unknown:,} unknown"
    )
    refused, left = found.invalid + found.rejected + found.unknown, found.open.total
    if left < refused:
        lines.append(
            f"  still open: {found.open.invalid:,} invalid, {found.open.rejected:,} rejected, {found.open.unknown:,} unknown; "
            "replays have delivered the others"
        )
    for title, examples in (("invalid", found.reasons), ("rejected", found.answers), ("unknown", found.doubts)):
        for one in examples[:_MOST]:
            words = f". {explain(one.reason)}" if title == "invalid" else ""
            lines.append(f"    {title}: {one.reason} {one.count:,}, first at {one.place}, {one.rule}{words}")
            if one.original is not None:
                lines.append(f"        {_short(one.original)}")
        if len(examples) > _MOST:
            lines.append(f"    {title}: {len(examples) - _MOST:,} more reasons; --json has them all")
    if found.exported is not None:
        file, rows = found.exported
        lines.append(
            f"  {rows:,} rows written to {file}: mend them there, then `clickreplay rejects JOB --replay {file}`"
        )
    lines += [f"  note: {note}" for note in found.notes]
    return "\n".join(lines)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
