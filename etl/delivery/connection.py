"""One kept connection: a request goes out in one piece, and its answer comes back.

It has a second handle on its socket, by which another thread can end any wait on it (also within TLS), and is not used
again after four seconds of rest, since a server that has just closed it would look like one that had taken the request
(RULES §6).
"""

from __future__ import annotations

import contextlib
import select
import socket
import time

from etl.delivery.answer_reader import AnswerReader
from etl.delivery.answers import Answer
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange

_REST = 4.0
_PIECE = 64 * 1024


class Connection:
    """Connects within `timeout` seconds a step; OSError or UnicodeError (no name of a host) when it cannot.

    The exchange that it is for is tied to it as soon as there is something to pull at. `keeps` is False when it must be
    closed.
    """

    def __init__(self, endpoint: Endpoint, timeout: float, exchange: Exchange) -> None:
        self.keeps = False
        self._socket = socket.create_connection((endpoint.host, endpoint.port), timeout)
        self.cord = self._socket.dup()
        try:
            exchange.tie(self.cord)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if endpoint.tls is not None:
                self._socket = endpoint.tls.wrap_socket(self._socket, server_hostname=endpoint.host.rstrip("."))
            # From here on the deadline of the exchange is the only one: it is total, and each wait costs less without.
            self._socket.settimeout(None)
        except BaseException:
            exchange.tie(None)
            self.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._reader = AnswerReader()
        self._rested = time.monotonic()

    @property
    def is_usable(self) -> bool:
        """True when it may carry another request: what can be read now is the server's end of it."""
        return self.keeps and time.monotonic() - self._rested < _REST and not self._poll.poll(0)

    def ask(self, request: bytes) -> Answer:
        """Send a request and return its answer; OSError or BrokenAnswerError when there is none."""
        reader, receive, sent = self._reader, self._socket.recv, True
        reader.begin()
        self.keeps = False
        try:
            self._socket.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            sent = False  # a server may have answered before it read all
        while not reader.feed(receive(_PIECE)):
            pass
        self.keeps = sent and reader.keeps
        self._rested = time.monotonic()
        return reader.answer()

    def close(self) -> None:
        """Close both handles of the socket; no exchange may be tied to it."""
        for handle in (self.cord, self._socket):
            with contextlib.suppress(OSError):
                handle.close()
