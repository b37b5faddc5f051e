"""The words that all formats share: the columns, and what a field of a line may be."""

from __future__ import annotations

from typing import Literal

#: The columns of every access log, whatever its format; those that a format lacks are null.
VOCABULARY = (
    "time",
    "host",
    "user",
    "method",
    "target",
    "path",
    "query",
    "protocol",
    "status",
    "bytes",
    "referrer",
    "user_agent",
    "vhost",
    "duration",
    "cookie",
)

#: What follows the fields that a format names, where its lines hold more.
EXTRA = "extra"

#: What a field holds: how it is told from a misfit, and what becomes of it.
Kind = Literal[
    "text",
    "host",  # an address or a name, never `-`
    "peer",  # the same, or `-`
    "pair",  # address:port
    "vhost",  # name, or name:port
    "user",  # one word
    "words",  # a user who may have blanks
    "captures",  # headers in braces, as HAProxy writes them
    "status",
    "number",
    "list",  # values joined by ", " or " : ", as nginx writes what several upstreams gave
    "request",  # method, target and protocol
    "target",
    "query",  # may begin with ?
    "clf",  # 10/Oct/2000:13:55:36 -0700
    "iso",
    "epoch",
    "strftime",  # by `form`
    "s",  # a duration, as are the next two
    "ms",
    "us",
]
DURATIONS = frozenset({"s", "ms", "us"})
