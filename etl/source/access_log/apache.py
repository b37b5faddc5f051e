"""Apache's `LogFormat` strings, pasted as they stand."""

from __future__ import annotations

import re
from dataclasses import replace

from etl.errors import JobError
from etl.naming import snake_case
from etl.source.access_log.layout import AT_THE_END, Variable

_DIRECTIVE = re.compile(r"%(?:(%)|[!,\d]*([<>]?)(?:\{([^}]*)\})?(\^?[A-Za-z]{1,2}))")
_INSIDE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)

_KNOWN: dict[str, Variable] = {
    "h": Variable("remote_host", "host", "host"),
    "a": Variable("client_address", "host", "host", 1),
    "A": Variable("server_address"),
    "l": Variable("ident"),
    "u": Variable("remote_user", "user", "user"),
    "r": Variable("request", "request", "target"),
    "s": Variable("first_status", "status", "status", 1),
    ">s": Variable("last_status", "status", "status"),
    "b": Variable("body_bytes", "number", "bytes"),
    "B": Variable("body_bytes", "number", "bytes"),
    "O": Variable("bytes_out", "number", "bytes", 1),
    "I": Variable("bytes_in", "number"),
    "S": Variable("bytes_total", "number"),
    "D": Variable("duration_us", "us", "duration"),
    "T": Variable("duration_s", "s", "duration", 3),
    "us T": Variable("duration_us", "us", "duration"),
    "ms T": Variable("duration_ms", "ms", "duration", 1),
    "s T": Variable("duration_s", "s", "duration", 3),
    "v": Variable("server_name", "text", "vhost", 1),
    "V": Variable("canonical_name", "text", "vhost", 2),
    "p": Variable("server_port"),
    "m": Variable("request_method", "text", "method"),
    "U": Variable("uri", "text", "path"),
    "q": Variable("query_string", "query", "query"),
    "H": Variable("request_protocol", "text", "protocol"),
    "f": Variable("filename"),
    "k": Variable("keepalive"),
    "L": Variable("log_id"),
    "P": Variable("process"),
    "R": Variable("handler"),
    "X": Variable("connection_status"),
}
_HEADERS: dict[str, Variable] = {
    "referer": Variable("referer", "text", "referrer"),
    "user-agent": Variable("header_user_agent", "text", "user_agent"),
    "host": Variable("host_header", "text", "vhost"),
    "cookie": Variable("cookie_header", "text", "cookie"),
}
_EPOCHS: dict[str, Variable] = {
    "sec": Variable("time_sec", "strftime", "time", 4, "%s"),
    "msec": Variable("time_msec", "epoch", "time", 3),
    "usec": Variable("time_usec", "epoch", "time", 2),
    "msec_frac": Variable("time_fraction", "strftime", "time", 5, "%f"),
    "usec_frac": Variable("time_fraction", "strftime", "time", 5, "%f"),
}


def apache_parts(text: str) -> list[str | Variable]:
    """Return the texts and directives of a format.

    `text` is the format alone, or with `LogFormat`, quotes and nickname around it. Raises JobError for a directive that
    Apache does not have.
    """
    written = _plain(text)
    parts: list[str | Variable] = []
    at = 0
    while (percent := written.find("%", at)) >= 0:
        found = _DIRECTIVE.match(written, percent)
        if found is None:
            raise JobError(
                f"source.log_format: {written[percent : percent + 12]!r} is no directive of Apache's LogFormat",
                hint="Paste the string as it stands in the server's configuration.",
            )
        parts.append(written[at:percent])
        at = found.end()
        if found[1]:
            parts.append("%")
            continue
        arrow, argument, letter = found[2], found[3], found[4]
        if len(letter) == 2 and not letter.startswith("^"):
            letter, at = letter[0], at - 1
        parts.extend(_directive(arrow, argument, letter))
    return [*parts, written[at:]]


def _directive(arrow: str, argument: str | None, letter: str) -> list[str | Variable]:
    if letter == "t":
        return _time(argument or "")
    if letter == "i":
        name = argument or ""
        return [_HEADERS.get(name.lower()) or Variable(snake_case(name) or "header", "list")]
    if letter == "C":
        return [Variable(f"cookie_{snake_case(argument or '')}")]
    if letter == "a" and argument == "c":
        return [Variable("peer_address")]
    if letter == "p" and argument in ("local", "remote"):
        return [Variable(f"{argument}_port")]
    if argument is not None and letter in "oen":
        return [Variable(("response_" if letter == "o" else "") + (snake_case(argument) or "field"), "list")]
    key = f"{argument} T" if letter == "T" and argument else arrow + letter
    return [_KNOWN.get(key) or _KNOWN.get(letter) or Variable(f"directive_{snake_case(letter) or 'x'}")]


def _time(argument: str) -> list[str | Variable]:
    """Return what `%{argument}t` writes: the moment at which the request began, or at which its answer ended."""
    found = re.fullmatch(r"(begin|end)(?::(.*))?", argument, re.DOTALL)
    form = argument if found is None else found[2] or ""
    one = _EPOCHS.get(form) or Variable("time_text", "strftime", "time", 1, form)
    if not form:
        one = Variable("time", "clf", "time")
    if found is not None and found[1] == "end":
        one = replace(one, own=f"end_{one.own}", rank=one.rank + AT_THE_END)
    return [one] if form else ["[", one, "]"]


def _plain(text: str) -> str:
    """Return a format string without the words of the configuration around it, escaped quotes undone."""
    text = text.strip()
    if re.match(r"(LogFormat|CustomLog)\b", text, re.IGNORECASE):
        quoted = [inside for inside in _INSIDE.findall(text) if "%" in inside]
        if not quoted:
            raise JobError(
                "source.log_format: there is no format in quotes behind LogFormat",
                hint="Paste the line as it stands in the server's configuration.",
            )
        text = quoted[0]
    text = re.sub(r"\s*\n\s*", " ", text)  # written over several lines of the job file
    return text.replace(r"\"", '"').replace(r"\t", "\t")
