"""Which keys of JSON logs mean what: those of nginx, Caddy, Traefik, Cloudflare, and what others write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from etl.errors import JobError
from etl.source.access_log.layout import Variable
from etl.source.access_log.nginx import nginx_parts, plain

#: Steps from the top of an object; a number is an element of a list.
Path = tuple[str | int, ...]

_HEADERS: Path = ("request", "headers")

#: For each word of the vocabulary the places where it may stand, the first that a log has counts.
PLACES: dict[str, tuple[Path, ...]] = {
    "time": (
        ("ts",),
        ("StartUTC",),
        ("time_iso8601",),
        ("@timestamp",),
        ("timestamp",),
        ("time_local",),
        ("EdgeStartTimestamp",),
        ("time",),
        ("msec",),
        ("datetime",),
        ("date",),
    ),
    "host": (
        ("request", "client_ip"),
        ("request", "remote_ip"),
        ("request", "remote_addr"),
        ("ClientHost",),
        ("ClientIP",),
        ("remote_addr",),
        ("remote_ip",),
        ("client_ip",),
        ("clientip",),
        ("client",),
        ("ip",),
        ("remote_host",),
        ("host",),
    ),
    "user": (("user_id",), ("ClientUsername",), ("remote_user",), ("user",)),
    "method": (("request", "method"), ("RequestMethod",), ("ClientRequestMethod",), ("request_method",), ("method",)),
    "target": (
        ("request", "uri"),
        ("RequestPath",),
        ("ClientRequestURI",),
        ("request_uri",),
        ("request",),
        ("uri",),
        ("url",),
        ("target",),
    ),
    "path": (("ClientRequestPath",), ("path",)),
    "query": (("args",), ("query_string",), ("query",)),
    "protocol": (
        ("request", "proto"),
        ("RequestProtocol",),
        ("ClientRequestProtocol",),
        ("server_protocol",),
        ("protocol",),
        ("proto",),
    ),
    "status": (("status",), ("DownstreamStatus",), ("EdgeResponseStatus",), ("status_code",), ("code",)),
    "bytes": (
        ("size",),
        ("DownstreamContentSize",),
        ("EdgeResponseBytes",),
        ("body_bytes_sent",),
        ("bytes_sent",),
        ("bytes",),
    ),
    "referrer": (
        (*_HEADERS, "Referer", 0),
        ("request_Referer",),
        ("ClientRequestReferer",),
        ("http_referer",),
        ("http_referrer",),
        ("referer",),
        ("referrer",),
    ),
    "user_agent": (
        (*_HEADERS, "User-Agent", 0),
        ("request_User-Agent",),
        ("ClientRequestUserAgent",),
        ("http_user_agent",),
        ("user_agent",),
        ("agent",),
    ),
    "vhost": (
        ("request", "host"),
        ("RequestHost",),
        ("ClientRequestHost",),
        ("http_host",),
        ("vhost",),
        ("server_name",),
        ("host",),
    ),
    "duration": (("duration",), ("Duration",), ("request_time",), ("duration_ms",), ("response_time",)),
    "cookie": ((*_HEADERS, "Cookie", 0), ("request_Cookie",), ("http_cookie",), ("cookie",)),
}
#: Units of durations that are no seconds.
UNITS: dict[Path, str] = {("Duration",): "ns", ("duration_ms",): "ms"}

#: A line that has at least so many of the vocabulary is of an access log.
_LEAST = 3


@dataclass(frozen=True, slots=True)
class JsonKeys:
    """Where a log's words stand; `given` are those that a format string of nginx names, which come first."""

    given: Mapping[str, tuple[Path, str]]

    def candidates(self, role: str) -> tuple[tuple[Path, str], ...]:
        """Return the places of a word, each with the unit of a duration there."""
        known = tuple((path, UNITS.get(path, "s")) for path in PLACES[role])
        return (self.given[role], *known) if role in self.given else known


def chosen(has: Callable[[Path], bool], keys: JsonKeys) -> dict[str, tuple[Path, str]]:
    """Return the place of each word in a log; `has` says whether it has a place. No place serves two words."""
    found: dict[str, tuple[Path, str]] = {}
    taken: set[Path] = set()
    for role in PLACES:
        for path, unit in keys.candidates(role):
            if path not in taken and has(path):
                found[role] = (path, unit)
                taken.add(path)
                break
    return found


def fits(value: Any) -> bool:
    """Return whether a parsed line looks like one of an access log."""
    if not isinstance(value, dict):
        return False
    words = {
        role
        for role in ("time", "host", "method", "target", "path", "status")
        if any(_has(value, path) for path in PLACES[role])
    }
    return len(words) >= _LEAST and bool(words & {"target", "path", "method", "status"})


def _has(value: Any, path: Path) -> bool:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value is not None and not (path == ("request",) and isinstance(value, dict))


_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:\s*"?(\$\{?\w+\}?)"?\s*[,}]')


def json_keys(text: str) -> JsonKeys:
    """Return the places that nginx's `log_format NAME escape=json '{...}'` gives to its variables.

    Raises JobError for a text that names none.
    """
    given: dict[str, tuple[Path, str]] = {}
    ranks: dict[str, int] = {}
    for key, variable in _PAIR.findall(plain(text)):
        parts = [part for part in nginx_parts(variable) if isinstance(part, Variable)]
        if parts and parts[0].role is not None and parts[0].rank < ranks.get(parts[0].role, 9):
            given[parts[0].role] = ((key,), parts[0].kind if parts[0].kind == "ms" else "s")
            ranks[parts[0].role] = parts[0].rank
    if not given:
        raise JobError(
            "source.log_format: no variable of nginx stands in this JSON",
            hint="Write `log_format: json` to have its keys known by their names.",
        )
    return JsonKeys(given)
