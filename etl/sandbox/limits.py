"""What the stand-in remembers between requests: how many came in this second, and which bodies came a moment ago."""

from __future__ import annotations

import hashlib


class Window:
    """A limit of requests in fixed windows of one second (api-facts.md §1: above it 429 until the window resets)."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._second = -1
        self._used = 0

    def admits(self, at: float) -> bool:
        """Say whether a request at `at` (seconds, never going back) is within the limit, and count it."""
        second = int(at)
        if second != self._second:
            self._second, self._used = second, 0
        self._used += 1
        return self._limit is None or self._used <= self._limit


class Repeats:
    """Bodies accepted within the last `seconds`; nothing ever when that is None (repeats are stored twice)."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._seen: dict[bytes, float] = {}

    def seen(self, body: bytes, at: float) -> bool:
        """Say whether the same body was remembered less than `seconds` before `at`."""
        if self._seconds is None:
            return False
        before = self._seen.get(_digest(body))
        return before is not None and at - before < self._seconds

    def remember(self, body: bytes, at: float) -> None:
        """Remember an accepted body, and forget those that are too old to matter."""
        if self._seconds is None:
            return
        # Insertion order is time order: a body remembered again moves to the end.
        while self._seen and at - next(iter(self._seen.values())) >= self._seconds:
            del self._seen[next(iter(self._seen))]
        key = _digest(body)
        self._seen.pop(key, None)
        self._seen[key] = at


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
