"""What the stand-in shall be like: whom it lets in, how it takes the API's unknowns, and how it misbehaves.

Both dataclasses go to the child process as JSON (:func:`to_json`, :func:`from_json`), so they hold plain values only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from etl.errors import JobError

#: Metadata key of a field: what `clickreplay sandbox --help` says of it.
HELP = "help"

#: `segmentation_off` with this in it means every type.
EVERY_TYPE = "*"


def _rate(help_: str) -> Any:
    return field(default=0.0, metadata={HELP: help_})


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """How often which fault happens: `rate_*` are probabilities for each POST that is let in and within the limit.

    One request has one fault at most, so the rates sum to 1 or less (`rate_server_error` apart: it is for each event of
    past_events). The same seed and the same sequence of requests give the same faults. "Before" and "after" are before
    and after recording: after it the event is accepted, and only the verdict is lost. Times are in seconds. Raises
    JobError on values that cannot be.
    """

    seed: int = field(
        default=0, metadata={HELP: "Seed of the faults: the same requests in the same order meet the same ones."}
    )
    rate_429: float = _rate("429 without need.")
    rate_500: float = _rate("500, nothing recorded.")
    rate_503: float = _rate("503, nothing recorded.")
    rate_500_after: float = _rate("500 although the event was recorded.")
    rate_reset_before: float = _rate("Connection reset, nothing recorded.")
    rate_reset_after: float = _rate("Connection reset although the event was recorded.")
    rate_hang_before: float = _rate("No answer ever, nothing recorded.")
    rate_hang_after: float = _rate("No answer ever although the event was recorded.")
    rate_slow: float = _rate("Right answer, late by --slow.")
    rate_half: float = _rate("Event recorded, the answer breaks off in its body.")
    rate_wrong_count: float = _rate("past_events: recorded, one result too few.")
    rate_html: float = _rate("200 with an HTML page, nothing recorded.")
    rate_server_error: float = _rate("past_events: SERVER_ERROR for an event, which is then not recorded.")
    slow: float = field(default=1.0, metadata={HELP: "Seconds that a slow answer takes longer."})
    retry_after: float | None = field(
        default=None, metadata={HELP: "Seconds in the Retry-After header of 429 and 503; no header without it."}
    )
    retry_after_date: bool = field(default=False, metadata={HELP: "Write Retry-After as an HTTP date."})
    unauthorised_from: int | None = field(
        default=None, metadata={HELP: "401 from the N-th POST on, as if the key had been disabled."}
    )
    latency: float = field(default=0.0, metadata={HELP: "Seconds that every answer takes longer."})

    def __post_init__(self) -> None:
        for name in (each.name for each in fields(self) if each.name.startswith("rate_")):
            if not 0 <= getattr(self, name) <= 1:
                raise JobError(f"sandbox: {name} is {getattr(self, name)}, expected a probability from 0 to 1")
        total = sum(self.bands().values())
        if total > 1 + 1e-9:
            raise JobError(f"sandbox: the rates sum to {total:g}, expected 1 or less: a request has one fault at most")
        for name in ("slow", "latency", "retry_after"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise JobError(f"sandbox: {name} is {value}, expected seconds from 0 on")
        if self.unauthorised_from is not None and self.unauthorised_from < 1:
            raise JobError(f"sandbox: unauthorised_from is {self.unauthorised_from}, expected 1 or more")

    def bands(self) -> dict[str, float]:
        """Return the faults of a whole request, by the names that the record uses (`500_after`), and their rates."""
        rates = (each.name for each in fields(self) if each.name.startswith("rate_"))
        return {name.removeprefix("rate_"): getattr(self, name) for name in rates if name != "rate_server_error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The stand-in's switches, at the values that api-facts.md holds likeliest.

    `keys`: accepted API keys, any non-empty one when empty. `no_right`: keys that are known but may not (403).
    `info_right`: whether keys may ask GET account/info (else 403). `limit_*`: requests in each second, None for off;
    `limit_other` is shared by all other methods. `check_types`: check the structure of the seven site-activity types
    (API text, tables of parameters). `too_large`: the status of an event over 20 KB, 413 or 400. `repeat_409`: seconds
    in which the same body again is 409 instead of stored twice. `depth_days`: past_events older than this are
    OCCURRED_TIME_TOO_DEPTH, None for off. `segmentation_off`: types that past_events answers with
    EVENT_SEGMENTATION_DISABLED, "*" for all. `keep_alive`: seconds after which an idle connection is closed. Raises
    JobError.
    """

    keys: tuple[str, ...] = ()
    no_right: tuple[str, ...] = ()
    info_right: bool = True
    organisation: str = "Sandbox"
    email: str = "sandbox@example.com"
    limit_event: int | None = 350
    limit_past_events: int | None = 100
    limit_other: int | None = 200
    check_types: bool = False
    too_large: int = 413
    repeat_409: float | None = None
    depth_days: int | None = 731
    segmentation_off: tuple[str, ...] = ()
    keep_alive: float = 75.0
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)

    def __post_init__(self) -> None:
        if self.too_large not in (400, 413):
            raise JobError(f"sandbox: too_large is {self.too_large}, expected 413 or 400")
        for name in ("limit_event", "limit_past_events", "limit_other", "depth_days", "repeat_409"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise JobError(f"sandbox: {name} is {value}, expected more than 0, or nothing for off")


def to_json(settings: Settings) -> str:
    """Return the settings as one line of JSON."""
    return json.dumps(asdict(settings))


def from_json(text: str) -> Settings:
    """Return the settings that :func:`to_json` wrote."""
    values: dict[str, Any] = json.loads(text)
    for name in ("keys", "no_right", "segmentation_off"):
        values[name] = tuple(values[name])
    return Settings(**values | {"misbehaviour": Misbehaviour(**values["misbehaviour"])})
