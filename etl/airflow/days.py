"""Which days a run of a DAG is for, as options of `clickreplay run`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_UNSET = frozenset({"", "None"})  # what a template gives where its value is not there


@dataclass(frozen=True, slots=True)
class RunTimes:
    """When a run of a DAG is due, and what it covers: either may lack a zone's calendar, neither is naive.

    In Airflow 3 the interval of a cron schedule is empty unless `[scheduler] create_cron_data_intervals` says otherwise, and a run that was
    triggered by hand, by an asset or by the API may have none.
    """

    run_after: datetime
    start: datetime | None = None
    end: datetime | None = None


def days_of_run(times: RunTimes, zone: str) -> tuple[date, date]:
    """Return the first and the last day of a run, by the calendar of `zone` (the job's).

    - A data interval that is not empty: the days it covers. Its end is open, and the day in which it ends belongs to the next one, so a
      daily schedule at 02:00 covers one day and not two; an interval within a day is that day.
    - Else the day before the run: before its interval, which is a moment then (the logical date that `airflow dags test` or a person gave
      holds for it), or before `run_after` where it has none. On a schedule and in a backfill both are the same moment.
    """
    calendar = ZoneInfo(zone)
    if times.start is not None and times.end is not None and times.start < times.end:
        first, end = times.start.astimezone(calendar).date(), times.end.astimezone(calendar).date()
        return first, max(first, end - _DAY)
    day = (times.end or times.run_after).astimezone(calendar).date() - _DAY
    return day, day


def day_options(given: str | None, times: RunTimes, zone: str, *, last: int | None = None) -> list[str]:
    """Return the options that say a run's days: `given` where it is a date, those of the run where it is empty, none where it is None.

    `last` adds days before: so many in all up to a date, or before the first of a range (late data).
    """
    if given is None:
        return []
    if given.strip() not in _UNSET:
        return ["--date", given.strip(), *_last(last)]
    first, end = days_of_run(times, zone)
    if first == end:
        return ["--date", end.isoformat(), *_last(last)]
    return ["--from", (first - _DAY * ((last or 1) - 1)).isoformat(), "--to", end.isoformat()]


def _last(last: int | None) -> list[str]:
    return [] if last is None else ["--last", str(last)]
