"""One kept connection, by urllib3: a request goes out, and its answer comes back.

Of ours are three things: how a host's addresses are tried, a second handle on the socket, by which another thread can
end any wait on it (also within TLS), and that it is not used again after four seconds of rest, since a server that has
just closed it would look like one that had taken the request.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import time
from collections.abc import Callable
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.response import HTTPResponse

from etl.delivery.answers import Answer, retry_after
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange
from etl.delivery.unpack import UnreadableError, unpacked

_REST = 4.0
_BODY = 4 * 1024 * 1024  # bytes of a body that are kept


class _Counted(io.RawIOBase):
    """What comes from a socket, counted."""

    def __init__(self, source: io.RawIOBase) -> None:
        self._source, self._came = source, 0

    def readable(self) -> bool:
        """Return True, as a reader must."""
        return True

    def readinto(self, room: Any, /) -> int | None:
        """Read what is there."""
        got = self._source.readinto(room)
        self._came += got or 0
        return got

    def tell(self) -> int:
        """Return how many bytes came."""
        return self._came

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self._source.close()
            super().close()


class _Lines(io.BufferedReader):
    """A reader whose lines end: http.client takes the end of the connection for the end of a head.

    `surplus` is how many bytes it holds behind the answer when that is closed: no request has asked for them.
    """

    surplus = 0

    def close(self) -> None:
        """Let go, and note what was not read."""
        if not self.closed:
            self.surplus = self.raw.tell() - self.tell()
        super().close()

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line, or the first `size` bytes of it; IncompleteRead when the connection ends before."""
        line = super().readline(size)
        if not line.endswith(b"\n") and (size is None or size < 0 or len(line) < size):
            raise http.client.IncompleteRead(line)
        return line


class _Response(http.client.HTTPResponse):
    """An answer; those that only say that one will come (1xx) are skipped."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.fp: Any = _Lines(_Counted(self.fp.detach()))

    def begin(self) -> None:
        """Read the head."""
        super().begin()
        while 100 <= self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise http.client.BadStatusLine("101: another protocol, which nobody asked for")
            self.headers = None  # type: ignore[assignment]
            super().begin()


def _nothing() -> None:
    """Do nothing."""


class _Link(HTTPConnection):
    """`dial` makes its socket; `before` is called right before the next byte leaves, once."""

    dial: Callable[[], socket.socket]
    before: Callable[[], None] = staticmethod(_nothing)

    def _new_conn(self) -> socket.socket:
        return self.dial()

    def send(self, data: Any) -> None:
        """Send a piece of a request, or of what opens a proxy's tunnel."""
        before, self.before = self.before, _nothing
        before()
        super().send(data)


class _SecureLink(_Link, HTTPSConnection):
    """The same within TLS."""


class Connection:
    """Connects within `timeout` seconds a step; raises what urllib3, http.client and the system raise when it cannot.

    The exchange that it is for is tied to it as soon as there is something to pull at. `keeps` is False when it must be
    closed.
    """

    def __init__(self, endpoint: Endpoint, timeout: float, exchange: Exchange) -> None:
        self.keeps = False
        self._endpoint = endpoint
        self._reader: _Lines
        self.cord: socket.socket | None = None
        self._link = self._made(endpoint, timeout)

        def dial() -> socket.socket:
            made = endpoint.addresses.connect(timeout, lambda: exchange.was_cut)
            self.cord = made.dup()
            exchange.tie(self.cord)
            return made

        def answering(*given: Any, **more: Any) -> _Response:
            response = _Response(*given, **more)
            self._reader = response.fp
            return response

        self._link.dial = dial
        self._link.response_class = answering  # type: ignore[assignment]
        try:
            self._link.connect()
        except BaseException:
            exchange.tie(None)
            self.close()
            raise
        self._link.auto_open = 0
        self._link.timeout = None  # from here on the deadline of the exchange is the only one: it is total
        self._rested = time.monotonic()

    @staticmethod
    def _made(endpoint: Endpoint, timeout: float) -> _Link:
        """Return a connection that is not open yet."""
        proxy, (host, port) = endpoint.proxy, (endpoint.addresses.host, endpoint.addresses.port)
        config = ProxyConfig(endpoint.tls, False, None, None) if proxy else None
        if endpoint.tls is None:
            return _Link(host, port, timeout=timeout, proxy=proxy, proxy_config=config)
        link = _SecureLink(host, port, timeout=timeout, proxy=proxy, proxy_config=config, ssl_context=endpoint.tls)
        if proxy is not None and endpoint.secure:
            scheme = proxy.scheme or "http"
            link.set_tunnel(endpoint.host, endpoint.port, endpoint.proxy_headers, scheme)
        return link

    @property
    def is_usable(self) -> bool:
        """True when it may carry another request: what can be read now is the server's end of it."""
        return self.keeps and time.monotonic() - self._rested < _REST and self._link.is_connected

    def ask(self, body: bytes, leave: Callable[[], None]) -> Answer:
        """Send a request and return its answer; raises when there is no whole one.

        `leave` is called right before the first byte leaves. What it raises keeps the request here.
        """
        endpoint, link, sent = self._endpoint, self._link, True
        self.keeps = False
        link.before = leave
        try:
            given = body if endpoint.verb == "POST" else None
            link.request(endpoint.verb, endpoint.target, given, endpoint.headers, preload_content=False)
        except (BrokenPipeError, ConnectionResetError):
            sent = False  # a server may have answered before it read all
        response = link.getresponse()
        body, whole = _body(response)
        self.keeps = sent and whole and not link.is_closed and self._reader.surplus == 0
        self._rested = time.monotonic()
        return _answer(response, body, endpoint)

    def close(self) -> None:
        """Close both handles of the socket; no exchange may be tied to it."""
        for handle in (self.cord, self._link):
            with contextlib.suppress(OSError, ValueError):
                if handle is not None:
                    handle.close()


def _body(response: HTTPResponse) -> tuple[bytes, bool]:
    """Return the body as it came, and whether it is all of it: an answer without end is cut."""
    codings = response.headers.getlist("transfer-encoding")
    lengths = response.headers.getlist("content-length")
    if codings and [each.lower() for each in codings] != ["chunked"]:
        raise http.client.HTTPException(f"its Transfer-Encoding is {', '.join(codings)[:50]}")
    if not codings and not all(each.isdecimal() for each in lengths):
        raise http.client.HTTPException(f"its Content-Length is {', '.join(lengths)[:50]}")
    pieces: list[bytes] = []
    came = 0
    while came <= _BODY:
        piece = response.read(_BODY + 1 - came, decode_content=False)
        if not piece:
            return b"".join(pieces), True
        pieces.append(piece)
        came += len(piece)
    response.close()
    return b"".join(pieces)[:_BODY], False


def _answer(response: HTTPResponse, packed: bytes, endpoint: Endpoint) -> Answer:
    headers, secrets = response.headers, endpoint.secrets
    unreadable = None
    try:
        body = unpacked(packed, headers.get("content-encoding", ""), _BODY)
    except UnreadableError as error:
        body, unreadable = b"", str(error)
    location = headers.get("location")
    return Answer(
        response.status,
        secrets.cut(body),
        headers.get("content-type", ""),
        retry_after(headers.get("retry-after"), headers.get("date")),
        None if location is None else secrets.cut_text(location),
        unreadable,
    )
