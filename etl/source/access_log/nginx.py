"""nginx's `log_format` strings, pasted as they stand."""

from __future__ import annotations

import re

from etl.source.access_log.layout import Variable

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TOKEN = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s'";]+)|;)""", re.DOTALL)
#: Headers, and what several upstreams gave: values joined by commas where there are more.
_LISTED = re.compile(r"upstream_|http_|sent_http_|proxy_add_x_forwarded_for$")
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}

_KNOWN: dict[str, Variable] = {
    "remote_addr": Variable("remote_addr", "host", "host"),
    "binary_remote_addr": Variable("binary_remote_addr"),
    "remote_user": Variable("remote_user", "user", "user"),
    "time_local": Variable("time_local", "clf", "time"),
    "time_iso8601": Variable("time_iso8601", "iso", "time", 1),
    "msec": Variable("msec", "epoch", "time", 2),
    "request": Variable("request", "request", "target"),
    "request_uri": Variable("request_uri", "target", "target", 1),
    "request_method": Variable("request_method", "text", "method"),
    "uri": Variable("uri", "text", "path"),
    "document_uri": Variable("document_uri", "text", "path", 1),
    "args": Variable("args", "query", "query"),
    "query_string": Variable("query_string", "query", "query", 1),
    "server_protocol": Variable("server_protocol", "text", "protocol"),
    "status": Variable("status", "status", "status"),
    "body_bytes_sent": Variable("body_bytes_sent", "number", "bytes"),
    "bytes_sent": Variable("bytes_sent", "number", "bytes", 1),
    "http_referer": Variable("http_referer", "text", "referrer"),
    "http_user_agent": Variable("http_user_agent", "text", "user_agent"),
    "http_host": Variable("http_host", "text", "vhost"),
    "host": Variable("server_host", "text", "vhost", 1),
    "server_name": Variable("server_name", "text", "vhost", 2),
    "http_cookie": Variable("http_cookie", "text", "cookie"),
    "request_time": Variable("request_time", "s", "duration"),
}


def nginx_parts(text: str, more: dict[str, Variable] | None = None) -> list[str | Variable]:
    """Return the texts and variables of a format; `more` are names beside nginx's own.

    `text` is the format alone, or with the `log_format NAME` before it and the quotes around its pieces.
    """
    known = _KNOWN | (more or {})
    written = plain(text)
    parts: list[str | Variable] = []
    at = 0
    for found in _VARIABLE.finditer(written):
        parts.append(written[at : found.start()])
        name = found[1] or found[2]
        parts.append(known.get(name) or Variable(name.lower(), "list" if _LISTED.match(name) else "text"))
        at = found.end()
    return [*parts, written[at:]]


def plain(text: str) -> str:
    """Return a format string without the words of the configuration around it, its quoted pieces joined."""
    text = text.strip()
    named = re.match(r"log_format\s", text) is not None
    if not named and not text.startswith("'"):
        return re.sub(r"\s*\n\s*", " ", text)  # written over several lines of the job file
    pieces: list[str] = []
    for found in _TOKEN.finditer(text):
        single, double, bare = found[1], found[2], found[3]
        if single is not None or double is not None:
            pieces.append(re.sub(r"\\(.)", _unescaped, single if single is not None else double, flags=re.DOTALL))
        elif bare is not None and bare.startswith("$"):
            pieces.append(bare)  # a format without blanks needs no quotes
    return "".join(pieces)


def _unescaped(found: re.Match[str]) -> str:
    sign = found[1]
    return _ESCAPES.get(sign, sign if sign in "\"'\\" else found[0])
