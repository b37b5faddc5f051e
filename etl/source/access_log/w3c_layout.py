"""What a `#Fields` directive says of the lines behind it (W3C extended log format, as IIS and CloudFront write it)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from etl.naming import snake_case
from etl.source.access_log.vocabulary import VOCABULARY
from etl.source.names import Names
from etl.tables import PLACE

#: The roles of fields, by their name in lower case; of several for one role the first in this order has it.
_ROLES: dict[str, str] = {
    "date": "date",
    "time": "clock",
    "date-local": "local_date",
    "time-local": "local_clock",
    "c-ip": "host",
    "cs-username": "user",
    "c-auth-id": "user",
    "cs-method": "method",
    "cs-uri": "target",
    "cs-uri-stem": "path",
    "cs-uri-query": "query",
    "cs-protocol-version": "protocol",
    "cs-version": "protocol",
    "sc-status": "status",
    "sc-bytes": "bytes",
    "bytes": "bytes",
    "cs(referer)": "referrer",
    "cs(referrer)": "referrer",
    "cs(user-agent)": "user_agent",
    "x-host-header": "vhost",
    "cs-host": "vhost",
    "cs(host)": "vhost",
    "time-taken": "duration",
    "timetakenms": "duration",
    "cs(cookie)": "cookie",
}
_CLOUDFRONT = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) "
    "cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken "
    "x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status "
    "fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
    "sc-range-start sc-range-end"
)
#: How many of these CloudFront has written over the years.
_WIDTHS = (18, 19, 20, 23, 24, 26, 33)


@dataclass(frozen=True, slots=True)
class W3cLayout:
    """The fields of a line: `roles` and `own` columns, each with the index of its field.

    `unit` is that of the duration, None where nobody says. `encoded`: header fields are URL-encoded (CloudFront);
    `plussed`: blanks in the user agent are `+` (IIS). `day` is the date of lines that have only a time.
    """

    names: tuple[str, ...]
    roles: dict[str, int]
    own: dict[str, int]
    unit: str | None = None
    encoded: bool = False
    plussed: bool = False
    day: str | None = None

    @property
    def name(self) -> str:
        """The name of the format."""
        return "cloudfront" if self.encoded else "w3c"


def w3c_layout(names: list[str], software: str = "", day: str | None = None) -> W3cLayout:
    """Return the layout of the fields of a directive; `software` is what `#Software` said before it."""
    folded = [name.lower() for name in names]
    cloudfront = "x-edge-location" in folded
    microsoft = "microsoft" in software.lower() or "iis" in software.lower() or "sc-win32-status" in folded
    roles: dict[str, int] = {}
    for name, role in _ROLES.items():
        if name in folded and role not in roles:
            roles[role] = folded.index(name)
    if "target" in roles:  # says it whole
        roles.pop("path", None)
        roles.pop("query", None)
    # One pair makes the time; what is left of the other stays a column of its own.
    pair = ("date", "clock") if "clock" in roles else ("local_date", "local_clock") if "local_clock" in roles else ()
    for role in {"date", "clock", "local_date", "local_clock"} - set(pair):
        roles.pop(role, None)
    unit = "s" if cloudfront else "ms" if microsoft or "timetakenms" in folded else None
    if unit is None:
        roles.pop("duration", None)
    used = set(roles.values())
    left = [index for index in range(len(names)) if index not in used]
    unique = Names(reserved=(*PLACE.names, *VOCABULARY))
    columns = unique.of_file([snake_case(names[index]) or f"column_{index + 1}" for index in left])
    own = dict(zip(columns, left, strict=True))
    return W3cLayout(tuple(names), roles, own, unit, encoded=cloudfront, plussed=microsoft, day=day)


def headless(width: int) -> W3cLayout | None:
    """Return CloudFront's layout for lines of so many fields; None where it never wrote that many."""
    return w3c_layout(_CLOUDFRONT.split()[:width]) if width in _WIDTHS else None


@dataclass(slots=True)
class Directives:
    """What the directives read so far say; `layout` is None until there is one."""

    layout: W3cLayout | None
    software: str = ""
    day: str | None = field(default=None)

    def take(self, line: str) -> bool:
        """Take one line that begins with `#`; return whether the lines behind it are to be read otherwise."""
        key, _, value = line[1:].partition(":")
        match key.strip().lower():
            case "software":
                self.software = value.strip()
            case "date" | "start-date":
                self.day = _day(value)
                if self.layout is not None and self.layout.day != self.day:
                    self.layout = replace(self.layout, day=self.day)
                    return "date" not in self.layout.roles
            case "fields":
                before = self.layout
                names = value.split()
                if names:
                    self.layout = w3c_layout(names, self.software, self.day)
                return self.layout != before
        return False


def _day(value: str) -> str | None:
    day = value.strip()[:10]
    return day if len(day) == 10 and day[4] == day[7] == "-" and day.replace("-", "").isdigit() else None
