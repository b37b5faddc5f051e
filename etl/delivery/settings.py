"""What a delivery is told, and what it tells: settings, progress, result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from etl.delivery.checkpoint import OnUnknown
from etl.delivery.window import Window
from etl.errors import Exit


@dataclass(frozen=True, slots=True)
class Bulk:
    """After `size` events, a pause of so many seconds."""

    size: int
    pause: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before trying again, in seconds: doubled from `first` to `most`, less up to half by chance."""

    first: float = 0.5
    most: float = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The delivery as the job asks for it (RULES §7); times in seconds.

    `api` is the address without the method's path, `rate` requests a second, `concurrency` requests in flight,
    `timeout` for a request in all, `give_up` how long nothing may get through, `max_rejected` a fraction. `batch`,
    `batch_bytes` and `occurred_zone` are past_events' (events and bytes a request, the zone of `occurred`), `window`
    the hours in which live events may go. `ca` is a file of certificates to trust instead of the usual ones,
    `direct` goes past the environment's proxies (to the sandbox).
    """

    api: str
    key: str = field(repr=False)
    method: Literal["event", "past_events"] = "event"
    rate: float = 50.0
    concurrency: int = 16
    bulk: Bulk | None = None
    timeout: float = 30.0
    give_up: float = 3600.0
    on_unknown: OnUnknown = "resend"
    time_param: str | None = None
    batch: int = 500
    batch_bytes: int = 1_000_000
    occurred_zone: str = "UTC"
    window: Window | None = None
    max_rejected: float = 0.01
    patience: Patience = Patience()
    ca: str | None = None
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Counts are of the run over all its calls, `rate` is requests a second of late.

    `done` are events with an end, of `total` that were not withdrawn. `waiting` says why nothing goes out, `warning`
    what the user may want to change.
    """

    done: int
    total: int
    rate: float
    delivered: int
    rejected: int
    unknown: int
    waiting: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a delivery stopped before the end, what to do, and the exit code; `resume_at` is ISO 8601 or None."""

    reason: str
    hint: str
    exit: Exit
    guard: str | None = None
    resume_at: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What one call did: requests that left, repeat sends after an unknown outcome, seconds, events that it began with.

    `stopped` is None at the end of the outbox.
    """

    stopped: Stopped | None
    requests: int
    resent: int
    seconds: float
    tried: int = 0
    warning: str | None = None
