"""The hours in which campaigns may start: `delivery.window`, for live events (RULES §7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Every day from `start` to before `end`, by the clocks of `zone`; over midnight where `end` is not after `start`.

    `end` is None for the end of the day (24:00). A local time that occurs twice is the earlier one, one that does not
    occur moves forward by the gap (RULES §5).
    """

    start: time
    end: time | None
    zone: str

    def look(self, now: datetime) -> tuple[bool, datetime]:
        """Return whether it is open at `now` (aware), and until when (UTC) it stays so."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        # Where the clocks go forward a short window may have no time at all.
        days = (self._span(today + offset * _DAY, zone) for offset in (-1, 0, 1, 2))
        spans = [(start, end) for start, end in days if start < end]
        for start, end in spans:
            if start <= now < end:
                return True, end
        return False, min(start for start, _ in spans if start > now)

    def _span(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the window that opens on a day, in UTC."""
        over = self.end is None or self.end <= self.start
        ends_on = day + _DAY if over else day
        return _instant(day, self.start, zone), _instant(ends_on, self.end or time(0), zone)


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
