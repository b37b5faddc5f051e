"""urllib3's connections, made to tell what a delivery must know of them.

Each sends a request in one piece and says just before that it leaves; has a second handle on its socket, by which
another thread can end the wait for an answer (also within TLS); and is not used again after four seconds of rest,
since a server that has just closed it would look like one that had taken the request (RULES §6).
"""

from __future__ import annotations

import contextlib
import socket
import time
from http.client import HTTPResponse, RemoteDisconnected
from typing import IO, TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from etl.delivery.exchange import Exchange

_REST = 4.0

if TYPE_CHECKING:
    _Base = HTTPConnection
else:
    _Base = object


class Wire:
    """What one sender and its connection share: the exchange under way, and how long each step may take."""

    __slots__ = ("exchange", "timeout")

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.exchange: Exchange | None = None


class _Lines:
    """The lines of an answer's head, and whether they ended in the middle of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.broken = False

    def readline(self, most: int = -1) -> bytes:
        line = self._file.readline(most)
        self.broken = self.broken or not line.endswith(b"\n")
        return line

    def close(self) -> None:
        self._file.close()


class _WholeResponse(HTTPResponse):
    """An answer whose head must end: the standard library takes one that breaks off for one without the rest."""

    def begin(self) -> None:
        file = self.fp
        lines = _Lines(file)
        self.fp = lines  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if self.fp is lines:  # type: ignore[comparison-overlap]
                self.fp = file
        if lines.broken:
            raise RemoteDisconnected("the head of the answer broke off")


class Telling(_Base):
    """What is added to both kinds of connection. `wire` is set by `pools`."""

    response_class = _WholeResponse
    wire: Wire
    _cord: socket.socket | None = None
    _rested: float = 0.0
    _pieces: list[bytes] | None = None

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        self._cord = made.dup()
        if self.wire.exchange is not None:
            self.wire.exchange.tie(self._cord)
        return made

    @property
    def is_connected(self) -> bool:
        """False too after a rest."""
        return time.monotonic() - self._rested < _REST and super().is_connected

    def rest(self) -> None:
        """Note that an exchange has ended well."""
        self._rested = time.monotonic()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request in one piece; TooLateError when its time was up before."""
        if self.sock is None:
            self.connect()
        pieces: list[bytes] = []
        self._pieces = pieces
        try:
            super().request(*args, **kwargs)
        finally:
            self._pieces = None
        if self.wire.exchange is not None:
            self.wire.exchange.tie(self._cord)
            self.wire.exchange.leave()
        self.sock.settimeout(self.wire.timeout)
        self.sock.sendall(b"".join(pieces))

    def send(self, data: Any) -> None:
        """Keep a piece of the request until it is whole."""
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)

    def close(self) -> None:
        """Close both handles of the socket."""
        cord, self._cord = self._cord, None
        if cord is not None:
            if self.wire.exchange is not None:
                self.wire.exchange.tie(None)
            with contextlib.suppress(OSError):
                cord.close()
        super().close()


def pools(wire: Wire) -> dict[str, type[HTTPConnectionPool]]:
    """Return the connection pools of one sender, by scheme."""

    class Plain(Telling, HTTPConnection):
        pass

    class Secure(Telling, HTTPSConnection):
        pass

    Plain.wire = Secure.wire = wire

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
