"""What `purge` took away, as numbers: it names no contact."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class PurgedRun:
    """What of one run: bodies of `events`, originals of `refused` rows, `answers` of the API; `withdrawn` of the events were pending."""

    run: str
    date: str | None
    state: str
    events: int = 0
    refused: int = 0
    answers: int = 0
    withdrawn: int = 0

    @property
    def anything(self) -> bool:
        """True where something was taken away."""
        return bool(self.events or self.refused or self.answers or self.withdrawn)


@dataclass(frozen=True, slots=True)
class PurgedPlace:
    """What at one destination; `sandbox`: of events that the built-in stand-in had accepted."""

    destination: str
    runs: tuple[PurgedRun, ...]
    sandbox: int = 0


@dataclass(frozen=True, slots=True)
class Purged:
    """What in all. `dry_run`: what would be."""

    job: str
    destinations: tuple[PurgedPlace, ...]
    dry_run: bool = False
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of `purge`."""
        return {
            "job": self.job,
            "dry_run": self.dry_run,
            "destinations": [asdict(place) for place in self.destinations],
            "exit": 0,
        }

    def to_text(self) -> str:
        """Return it as lines for people."""
        lines = []
        for place in self.destinations:
            lines.append(f"{self.job} → {place.destination}")
            lines += [f"  {_run(run)}" for run in place.runs]
            if place.sandbox:
                lines.append(f"  sandbox.sqlite: {place.sandbox:,} accepted events")
            if not place.runs and not place.sandbox:
                lines.append("  nothing found")
        runs = sum(len(place.runs) for place in self.destinations)
        verb = "would be removed" if self.dry_run else "removed"
        lines.append(f"{verb}: contact data of {runs:,} run{'' if runs == 1 else 's'}; counts and ids stay")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _run(run: PurgedRun) -> str:
    parts = [f"{run.events:,} events", f"{run.refused:,} refused rows", f"{run.answers:,} answers"]
    pending = f" ({run.withdrawn:,} were pending: withdrawn)" if run.withdrawn else ""
    return "  ".join(filter(None, (run.run, f"{run.state:<9}", run.date, ", ".join(parts) + pending)))
