"""Contact data stays out of messages and of the checkpoint's details.

Two ways: values that are known to be contact data (what the job's `contact` reads, what a request carries) are hidden wherever they stand;
all else is hidden where it looks like an e-mail address or a phone number, also a malformed one. Times, prices and product numbers stay.
Every pattern looks at a text once, from the start of a word on: a long text takes time by its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Signs of a name before the @, also percent-encoded; %40 is the @ itself.
_LOCAL = r"(?:[\w.+&'!#*-]|%(?!40))"
_EMAIL = re.compile(rf"(?<![\w.+&'!#*%-])({_LOCAL}){_LOCAL}*(\s?(?:@|%40)\s?)([\w.@-]*)")
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_TIME = r"(?:[T ]\d\d(?::?\d\d){1,2}(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?"
_SEPARATOR = r"[\s\xa0\u202f()./-]"
# What is a date or a time is taken first and stays.
_PHONE = re.compile(
    rf"(?P<date>(?<!\d)(?:(?:19|20)\d\d([-/.])\d\d\2\d\d|\d\d?([-/.])\d\d?\3(?:19|20)\d\d){_TIME}(?!\d)|[ :]\d\d [+-]\d{{4}}(?!\d))"
    # +380 50 111 22 33, %2B380…
    rf"|(?:(?<![\w+])\+|%2[Bb]){_SEPARATOR}{{0,2}}\d(?:{_SEPARATOR}{{0,3}}\d){{6,17}}"
    # (050) 111-22-33, 38(050)1112233
    rf"|(?<![\w.-])\d{{0,3}}[ -]?\(\d{{2,5}}\)[ -]?\d(?:{_SEPARATOR}{{0,2}}\d){{4,10}}"
    # 050 111 22 33, 380501112233, 00380…
    r"|(?<![\w.-])(?:(?:00)?38[ -]?)?0[3-9]\d[ .-]?\d{3}[ .-]?\d{2}[ .-]?\d{2}(?!\d)"
    # 555-123-4567, 8 800 555 35 35
    r"|(?<![\w.-])(?:\d{1,3}[ -])?\d{3}[ -]\d{3}[ -](?:\d{4}|\d\d[ -]\d\d)(?![\w-])"
)
_LONGEST = 300
_LOOKED_AT = 4 * _LONGEST
_SHORTEST_KNOWN = 3  # characters: a shorter value hides nothing else than itself


class Known:
    """Values that are contact data: hidden in any text in which they stand as words of their own."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        kept = sorted({v.strip() for v in values if len(v.strip()) >= _SHORTEST_KNOWN}, key=len, reverse=True)
        either = "|".join(map(re.escape, kept))
        self._pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE) if kept else None

    def hide(self, text: str) -> str:
        """Return `text` with each value as :func:`masked_id` shows it."""
        return text if self._pattern is None else self._pattern.sub(lambda found: masked_id(found[0]), text)


#: Where nothing is known.
NOTHING_KNOWN = Known()


def masked(text: str, known: Known = NOTHING_KNOWN) -> str:
    """Return `text` with e-mail addresses as a***@example.com, phone numbers by their last two digits, and what is known hidden."""
    return _PHONE.sub(_without_number, _EMAIL.sub(_without_name, known.hide(text)))


def masked_id(value: str) -> str:
    """Return a keyValue so that its owner knows it again and others do not: a***@example.com, or its last two characters."""
    name, _, domain = value.strip().rpartition("@")
    if name and "@" not in name and " " not in name and _DOMAIN.fullmatch(domain):
        return f"{name[0]}***@{domain}"
    return "***" + value[-2:] * (len(value) > 4)


def snippet(body: bytes, known: Known = NOTHING_KNOWN) -> str | None:
    """Return the start of an answer's text on one line, masked; None when it says nothing."""
    cut = body[:_LOOKED_AT]
    text = " ".join(cut.decode("utf-8", "replace").split())
    if not text:
        return None
    if len(cut) < len(body):
        # The last word may be a piece of an address.
        text = re.sub(r"(?<=[\s\"',;<>])[^\s\"',;<>]*$", "", text) + "…"
    text = masked(text, known)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _without_name(found: re.Match[str]) -> str:
    first, at, domain = found[1], found[2], found[3]
    return f"{first}***{at}{domain if _DOMAIN.fullmatch(domain.rstrip('.')) else '***' * bool(domain)}"


def _without_number(found: re.Match[str]) -> str:
    return found[0] if found["date"] else "***" + found[0][-2:]
