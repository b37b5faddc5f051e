"""A TCP connection to a host, whichever of its addresses takes it.

A name may have addresses that swallow connections (IPv6 that leads nowhere, a server that is down). One after the other
with a time-out each, they take longer than a request has. So the next address gets its turn after a quarter of a second,
while the ones before are still tried, as RFC 8305 has it; the address that worked last is the first of the next time.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from errno import EINPROGRESS, EWOULDBLOCK
from os import strerror
from typing import Any

from etl.address import is_loopback

_HEAD_START = 0.25  # seconds that an address has for itself
_LOOK = 0.1  # seconds between two looks at whether the caller still wants it
_NAMED = 6  # addresses that a message names for each reason

_Found = tuple[int, int, int, str, Any]  # as getaddrinfo gives it; the last is the address


@dataclass(slots=True)
class Addresses:
    """The addresses of a host and port. Threads share it."""

    host: str
    port: int
    only_here: bool = False  # plain http: the key goes to this machine and no other, whatever a name resolves to now
    _worked: Any = None

    def connect(self, seconds: float, unwanted: Callable[[], bool]) -> socket.socket:
        """Return a connected socket that has `seconds` as its time-out; give up early when `unwanted` is true.

        Raises socket.gaierror or UnicodeError when there is no such host; else OSError whose text names the addresses
        that were tried, with the reason of each.
        """
        known: list[_Found] = list(dict.fromkeys(socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)))
        if self.only_here:
            known = [each for each in known if is_loopback(str(each[4][0]))]
            if not known:
                raise OSError(f"{self.host} is not this machine, and plain http is for this machine only")
        found = sorted(known, key=lambda each: each[4] != self._worked)
        with _Race() as race:
            winner, self._worked = race.run(found, time.monotonic() + seconds, unwanted)
        winner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        winner.settimeout(seconds)
        return winner


@dataclass(slots=True)
class _Race:
    """Attempts to connect, side by side. On exit those that did not win are closed."""

    _running: dict[int, tuple[socket.socket, Any]] = field(default_factory=dict)
    _faults: dict[str, list[str]] = field(default_factory=dict)  # reason -> addresses

    def __enter__(self) -> _Race:
        return self

    def __exit__(self, *_: object) -> None:
        for runner, _address in self._running.values():
            runner.close()

    def run(self, found: list[_Found], deadline: float, unwanted: Callable[[], bool]) -> tuple[socket.socket, Any]:
        """Return the first socket that connects, and its address; OSError when none does."""
        waiting, next_start = list(reversed(found)), 0.0
        while waiting or self._running:
            now = time.monotonic()
            if now >= deadline or unwanted():
                for _, address in self._running.values():
                    self._fault("no answer", address)
                raise TimeoutError(self._words())
            if waiting and (now >= next_start or not self._running):
                next_start = now + _HEAD_START if self._start(waiting.pop()) else now
                continue
            until = min(deadline, now + _LOOK, next_start if waiting else deadline)
            winner, failed = self._wait(max(0.0, until - now))
            if winner is not None:
                return winner
            if failed:
                next_start = 0.0
        raise OSError(self._words())

    def _start(self, found: _Found) -> bool:
        """Begin an attempt; return False when it fails at once."""
        family, kind, protocol, _, address = found
        try:
            runner = socket.socket(family, kind, protocol)
        except OSError as error:  # a family that this machine does not have
            self._fault(error.strerror or str(error), address)
            return False
        runner.setblocking(False)
        code = runner.connect_ex(address)
        if code not in (0, EINPROGRESS, EWOULDBLOCK):
            runner.close()
            self._fault(strerror(code), address)
            return False
        self._running[runner.fileno()] = runner, address
        return True

    def _wait(self, seconds: float) -> tuple[tuple[socket.socket, Any] | None, bool]:
        """Wait for attempts to end; return the winner, if any, and whether one failed."""
        poll = select.poll()
        for number in self._running:
            poll.register(number, select.POLLOUT)
        failed = False
        for number, _ in poll.poll(seconds * 1000):
            runner, address = self._running.pop(number)
            code = runner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                return (runner, address), failed
            runner.close()
            self._fault(strerror(code), address)
            failed = True
        return None, failed

    def _fault(self, reason: str, address: Any) -> None:
        self._faults.setdefault(reason, []).append(str(address[0]))

    def _words(self) -> str:
        """Return each reason with the addresses that gave it."""
        told = []
        for reason, addresses in self._faults.items():
            more = ", …" if len(addresses) > _NAMED else ""
            told.append(f"{reason} ({', '.join(addresses[:_NAMED])}{more})")
        return "; ".join(told)
