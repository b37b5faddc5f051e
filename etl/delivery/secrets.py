"""The API key out of what servers say: an error page may echo the request's head, as it was or packed in another text."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

_CUT = b"***"
_SHORTEST = 4  # characters; a shorter text is no secret, and cutting it would spoil answers
_WORD = 8  # characters; a shorter secret is cut where it stands alone
_SHORTEST_CORE = 6
_ESCAPES = (b"%", b"\\", b"&")


class Secrets:
    """Texts that no answer, message or name may keep.

    They are found as they are, in Base64 (alone or within a longer text), and both of these percent-encoded or escaped
    as JSON and HTML do it.
    """

    def __init__(self, *secrets: str) -> None:
        plain: list[bytes] = []
        escaped: list[bytes] = []
        for secret in dict.fromkeys(secrets):
            for text, alone in _forms(secret):
                around = (rb"(?<![A-Za-z0-9])", rb"(?![A-Za-z0-9])") if alone else (b"", b"")
                plain.append(re.escape(text.encode()).join(around))
                escaped.append(b"".join(map(_spelled, text)).join(around))
        self._plain = re.compile(b"|".join(plain)) if plain else None
        self._escaped = re.compile(b"|".join(escaped)) if escaped else None

    def cut(self, said: bytes) -> bytes:
        """Return `said` with *** for each secret in it."""
        if not said or self._plain is None or self._escaped is None:
            return said
        pattern = self._escaped if any(mark in said for mark in _ESCAPES) else self._plain
        return pattern.sub(_CUT, said)

    def cut_text(self, said: str) -> str:
        """Return `said` with *** for each secret in it."""
        return self.cut(said.encode("utf-8", "replace")).decode("utf-8", "replace")


def _forms(secret: str) -> Iterator[tuple[str, bool]]:
    """Yield how a secret may be written, and whether it is short: then it counts only where it stands alone."""
    if len(secret) < _SHORTEST:
        return
    yield secret, len(secret) < _WORD
    data = secret.encode()
    for before in range(3):  # Base64 of a text depends on where in a group of three bytes it begins
        packed = b64encode(bytes(before) + data).decode()
        first = (0, 2, 3)[before]  # characters that the bytes before have a part in
        core = packed[first : (before + len(data)) * 8 // 6]  # without what the bytes behind have a part in
        if len(core) >= _SHORTEST_CORE:
            yield core, False
            if (url_safe := core.replace("+", "-").replace("/", "_")) != core:
                yield url_safe, False


def _spelled(char: str) -> bytes:
    """Return a pattern for a character as it is, percent-encoded, or escaped as JSON or HTML do."""
    data, code = char.encode(), ord(char)
    ways = [re.escape(data), b"".join(rb"(?i:%%%02x)" % byte for byte in data), rb"(?i:\\u%04x)" % code]
    ways += [rb"&#0*%d;" % code, rb"(?i:&#x0*%x;)" % code]
    if char in '/"\\':
        ways.append(re.escape(b"\\" + data))
    return b"(?:" + b"|".join(ways) + b")"
