"""What one proof is made with, and the files that it stands on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from benchmarks.crashing.shop import RULES
from etl.sandbox.settings import Misbehaviour, Settings

#: Faults that a run must get over, all at rates that leave most requests alone.
TROUBLE = Misbehaviour(
    rate_429=0.001,
    rate_500=0.002,
    rate_503=0.001,
    rate_500_after=0.003,
    rate_reset_before=0.003,
    rate_reset_after=0.003,
    rate_hang_before=0.0005,
    rate_hang_after=0.001,
    rate_half=0.002,
)


#: The same for requests of many events: each loses more, and each event has a status of its own.
TROUBLE_OF_BATCHES = replace(
    TROUBLE,
    rate_429=0.01,
    rate_500=0.01,
    rate_503=0.01,
    rate_500_after=0.02,
    rate_reset_before=0.02,
    rate_reset_after=0.02,
    rate_hang_before=0.003,
    rate_hang_after=0.005,
    rate_half=0.02,
    rate_wrong_count=0.02,
    rate_server_error=0.002,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One proof: the size of its input, how the tool posts, how the server behaves, how often the tool dies."""

    rows: int = 200_000
    kills: int = 10
    seed: int = 1
    faults: Misbehaviour = field(default_factory=Misbehaviour)
    method: Literal["event", "past_events"] = "event"
    batch: int = 37
    on_unknown: Literal["resend", "hold"] = "resend"
    concurrency: int = 16
    rate: int = 100_000
    timeout: float = 5.0

    @property
    def in_flight(self) -> int:
        """Return how many events may be on their way at once."""
        return self.concurrency * (self.batch if self.batches else 1)

    @property
    def batches(self) -> bool:
        """True where a request carries many events."""
        return self.method == "past_events"

    def server(self) -> Settings:
        """Return what the sandbox shall be like: no limit, to the age of events neither, the types checked, these faults."""
        return Settings(
            limit_event=None,
            limit_past_events=None,
            limit_other=None,
            depth_days=None,
            check_types=True,
            misbehaviour=self.faults,
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """The folder of one proof and what lies where in it."""

    folder: Path

    @property
    def job(self) -> Path:
        """The job file."""
        return self.folder / "job.yaml"

    @property
    def export(self) -> Path:
        """The input."""
        return self.folder / "rows.csv"

    @property
    def state(self) -> Path:
        """The state of the job under proof."""
        return self.folder / "state"

    @property
    def record(self) -> Path:
        """The sandbox's record."""
        return self.folder / "record.sqlite"

    def write_job(self, setup: Setup, api: str) -> None:
        """Write the job file for a server at `api`."""
        self.job.write_text(
            f"job: crash\n"
            f"source: {{path: {self.export.name}, types: {{hits: int}}}}\n"
            f"time: event_time\n"
            f"contact: {{externalCustomerId: customer_id}}\n"
            f"{RULES}"
            f"delivery:\n"
            f"  api: {api}\n"
            f"  method: {setup.method}\n"
            f"  batch: {setup.batch}\n"
            f"  rate: {setup.rate}/s\n"
            f"  concurrency: {setup.concurrency}\n"
            f"  timeout: {setup.timeout:g}s\n"
            f"  on_unknown: {setup.on_unknown}\n"
            f"  stale: send\n",
            "utf-8",
        )
