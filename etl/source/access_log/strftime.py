"""Times that a server writes by a `strftime` format of its own: which text they are, and what moment they name.

Servers use the letters of the C library, of which Python's strptime knows only some.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

from etl.errors import JobError

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_LONG_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_LONG_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"

#: Letters that stand for several others, as the C locale has them.
_SHORT = {
    "T": "%H:%M:%S",
    "F": "%Y-%m-%d",
    "D": "%m/%d/%y",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
    "c": "%a %b %e %H:%M:%S %Y",
    "x": "%m/%d/%y",
    "X": "%H:%M:%S",
    "h": "%b",
    "+": "%a %b %e %H:%M:%S %Z %Y",
}
#: The text of each letter.
_TEXTS = {
    "Y": r"\d{4}",
    "C": r"\d\d",
    "y": r"\d\d",
    "m": r"\d\d?",
    "b": f"(?i:{'|'.join(_MONTHS)})",
    "B": f"(?i:{'|'.join(_LONG_MONTHS)})",
    "d": r" ?\d|\d\d",
    "e": r" ?\d|\d\d",
    "j": r"\d{3}",
    "H": r" ?\d|\d\d",
    "k": r" ?\d|\d\d",
    "I": r" ?\d|\d\d",
    "l": r" ?\d|\d\d",
    "M": r"\d\d",
    "S": r"\d\d",
    "f": r"\d{1,9}",
    "p": "[AaPp][Mm]",
    "P": "[AaPp][Mm]",
    "s": r"\d{1,12}",
    "z": r"[+-]\d\d:?\d\d|Z",
    "Z": "UTC|GMT|Z",
    "G": r"\d{4}",
    "V": r"\d\d",
    "u": "[1-7]",
    "a": f"(?i:{_DAYS})",
    "A": f"(?i:{_LONG_DAYS})",
    "g": r"\d\d",
    "w": "[0-6]",
    "U": r"\d\d",
    "W": r"\d\d",
}
_BLANKS = {"n": r"\s", "t": "\t"}
#: The glibc flags (`%-d`, `%_H`, `%02d`) and the modifiers for other calendars, which the C locale ignores.
_LETTER = re.compile(r"%[-_0^#]?\d*[EO]?([A-Za-z+%])|([^%]+)|(%.?)", re.DOTALL)
_MEANT = {"%e": "%d", "%k": "%H", "%l": "%I", "%P": "%p"}


@dataclass(frozen=True, slots=True)
class TimeForm:
    """A `strftime` format that can be read.

    `text` is the pattern of such a time, without groups that capture; it holds so many `blanks` where no number is padded.
    """

    text: str
    blanks: int
    _exact: re.Pattern[str]
    _letters: tuple[str, ...]

    @property
    def has_day(self) -> bool:
        """True where the format names a calendar day."""
        return _names_day(self._letters)

    @property
    def has_clock(self) -> bool:
        """True where the format names an hour."""
        has = set(self._letters)
        return bool({"s", "H"} & has) or {"I", "p"} <= has

    def moment(self, text: str) -> str | None:
        """Return the time as ISO 8601, with an offset where the format has one; None for a text of no such time."""
        found = self._exact.fullmatch(text)
        try:
            return _moment(found.groupdict()) if found is not None else None
        except (ValueError, OverflowError):
            return None


@lru_cache
def time_form(form: str) -> TimeForm:
    """Return how times of a `strftime` format are read.

    Raises JobError (`source.log_format`) for a letter that is unknown.
    """
    pieces: list[str] = []
    named: list[str] = []
    letters: list[str] = []
    for found in _LETTER.finditer(_spelled(form)):
        letter, literal = found[1], found[2]
        if literal is not None or letter == "%":
            pieces.append(re.escape(literal or "%"))
            named.append(pieces[-1])
            continue
        if letter in _BLANKS:
            pieces.append(_BLANKS[letter])
            named.append(pieces[-1])
            continue
        if letter is None or letter not in _TEXTS:
            raise _unknown(found[0], form)
        meant = _MEANT.get(f"%{letter}", f"%{letter}")[1]
        pieces.append(f"(?:{_TEXTS[letter]})")
        named.append(f"(?P<{meant}>{_TEXTS[letter]})" if meant not in letters else pieces[-1])
        letters.append(meant)
    text = "".join(pieces)
    return TimeForm(text, text.count(r"\ "), re.compile("".join(named)), tuple(letters))


def _spelled(form: str) -> str:
    """Write the short letters of a format out; one may stand for others that are short too."""
    for _ in range(2):
        form = _LETTER.sub(lambda found: _SHORT.get(found[1] or "", found[0]), form)
    return form


def _unknown(letter: str, form: str) -> JobError:
    return JobError(
        f"source.log_format: {letter!r} in the time {form!r} is no letter of strftime",
        hint="Expected letters such as %Y-%m-%d, %d/%b/%Y, %H:%M:%S, %F, %T, %z, %s; write the format as the server has it.",
    )


def _names_day(letters: tuple[str, ...]) -> bool:
    has = set(letters).issuperset
    year = has("Y") or has("y")
    day = (has("d") and (has("m") or has("b") or has("B"))) or has("j")
    week = has("GV") and bool(set(letters) & {"u", "a", "A", "w"})
    return has("s") or (year and day) or week


def _moment(parts: Mapping[str, str]) -> str:
    fraction = int((parts.get("f") or "0").ljust(6, "0")[:6])
    if "s" in parts:
        seconds = datetime.fromtimestamp(int(parts["s"]), UTC) + timedelta(microseconds=fraction)
        return seconds.isoformat()
    clock = timedelta(
        hours=_hour(parts), minutes=int(parts.get("M") or 0), seconds=int(parts.get("S") or 0), microseconds=fraction
    )
    if clock >= timedelta(days=1) or int(parts.get("M") or 0) > 59 or int(parts.get("S") or 0) > 60:
        raise ValueError(clock)
    day = _day(parts)
    # A leap second is the first second of the next minute, as in every other clock here.
    moment = datetime(day.year, day.month, day.day) + clock
    return moment.replace(tzinfo=_offset(parts)).isoformat()


def _hour(parts: Mapping[str, str]) -> int:
    if "H" in parts:
        return int(parts["H"])
    hour = int(parts.get("I") or 0)
    if "I" not in parts:
        return 0
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    half = (parts.get("p") or "am").lower()
    return hour % 12 + (12 if half == "pm" else 0)


def _day(parts: Mapping[str, str]) -> date:
    if "G" in parts and "V" in parts and ("d" not in parts and "j" not in parts):
        return date.fromisocalendar(int(parts["G"]), int(parts["V"]), _weekday(parts))
    year = int(parts["Y"]) if "Y" in parts else _short_year(parts)
    if "j" in parts and "d" not in parts:
        number = int(parts["j"])
        found = date(year, 1, 1) + timedelta(days=number - 1)
        if number < 1 or found.year != year:
            raise ValueError(number)
        return found
    if "m" in parts:
        month = int(parts["m"])
    elif "b" in parts:
        month = _MONTHS.index(parts["b"].lower()) + 1
    else:
        month = _LONG_MONTHS.index(parts["B"].lower()) + 1
    return date(year, month, int(parts["d"]))


def _short_year(parts: Mapping[str, str]) -> int:
    """Return the year of two digits as C reads it: 69 and later are of the century before."""
    short = int(parts["y"])
    if "C" in parts:
        return int(parts["C"]) * 100 + short
    return short + (1900 if short >= 69 else 2000)


def _weekday(parts: Mapping[str, str]) -> int:
    if "u" in parts:
        return int(parts["u"])
    if "w" in parts:
        return int(parts["w"]) or 7
    name = (parts.get("a") or parts["A"]).lower()
    return [day.lower() for day in _DAYS.split("|")].index(name[:3]) + 1


def _offset(parts: Mapping[str, str]) -> timezone | None:
    written = parts.get("z") or parts.get("Z")
    if written is None:
        return None
    if written.upper() in ("Z", "UTC", "GMT"):
        return UTC
    sign = -1 if written[0] == "-" else 1
    hours, minutes = int(written[1:3]), int(written[-2:])
    if minutes > 59 or hours > 18:
        raise ValueError(written)
    return timezone(sign * timedelta(hours=hours, minutes=minutes))
