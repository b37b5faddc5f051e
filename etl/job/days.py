"""Which days a call is for: one (`--date`), the last few (`--last`), or all of a range (`--from`, `--to`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from etl.errors import JobError
from etl.job.models import Job
from etl.job.template import parse_date, uses_date

_DAY = timedelta(days=1)
_MOST = 36_525  # days of a century: what is beyond is a slip of the hand


@dataclass(frozen=True, slots=True)
class Asked:
    """The options as they were given."""

    day: str | None = None
    last: int | None = None
    since: str | None = None
    until: str | None = None

    @property
    def many(self) -> bool:
        """True where a range is asked for, be it of one day."""
        return self.last is not None or self.since is not None

    @property
    def any(self) -> bool:
        """True where a date is given in any way."""
        return self.many or self.day is not None


def days_of(job: Job, asked: Asked, *, now: datetime | None = None) -> tuple[date, ...]:
    """Return the days that a call is for, oldest first; none where the job has no use for a date.

    `--last N` are N days, up to that of `--date` or else yesterday; `--from` goes up to `--to` or else yesterday. Today and
    yesterday are by the calendar of the job's zone (`time.zone`). Raises JobError where the options contradict each other or the
    job, or name no day.
    """
    _refuse_contradictions(asked)
    if not asked.any:
        if uses_date(job):
            raise JobError(
                "the job needs a date: a path or an expression of it holds {{ date }}",
                hint="say --date 2026-11-22, --date yesterday, --last 3, or --from and --to",
            )
        return ()
    if not uses_date(job):
        given = "--date" if asked.day is not None else "--last" if asked.last is not None else "--from"
        raise JobError(
            f"{given} is given, but neither a path nor an expression of the job holds {{{{ date }}}}",
            hint=f"leave {given} out, or name the day's files by it, such as `path: exports/{{{{ date }}}}/*.csv`",
        )
    zone = job.time.zone if job.time else "UTC"

    def parse(text: str | None) -> date:
        return parse_date("yesterday" if text is None else text, zone, now=now)

    if asked.since is not None:
        first, end = parse(asked.since), parse(asked.until)
        if first > end:
            told = "" if asked.until else ", which is yesterday, since there is no --to"
            raise JobError(
                f"--from {first} is after --to {end}{told}", hint="a range goes from the older day to the newer"
            )
        count = (end - first).days + 1
    else:
        end, count = parse(asked.day), asked.last or 1
    if count > _MOST:
        raise JobError(f"{count:,} days are asked for, at most {_MOST:,} are possible")
    if count > (possible := (end - date.min).days + 1):
        raise JobError(f"{count:,} days up to {end} are asked for, at most {possible:,} are possible")
    return tuple(end - (count - 1 - number) * _DAY for number in range(count))


def _refuse_contradictions(asked: Asked) -> None:
    if asked.since is not None and (asked.day is not None or asked.last is not None):
        other = "--date" if asked.day is not None else "--last"
        raise JobError(f"--from and {other} exclude each other", hint="say --from with --to, or --last with --date")
    if asked.until is not None and asked.since is None:
        raise JobError("--to is given without --from", hint="say --from 2026-11-01 --to 2026-11-30")
