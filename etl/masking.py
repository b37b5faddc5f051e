"""Contact data stays out of messages and of the checkpoint's details."""

from __future__ import annotations

import re

_EMAIL = re.compile(r"([\w.+%-])[\w.+%-]*@([\w-]+(?:\.[\w-]+)+)")
# A date is no number; what goes on behind it is no date.
_DATE_OR_NUMBER = re.compile(
    r"(?P<date>(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[T ]\d\d:\d\d)?(?![\d-]| ?\d))"
    r"|\+?\d(?:[ ()-]{0,2}\d){7,}"
)
_LONGEST = 300


def masked(text: str) -> str:
    """Return `text` with e-mail addresses as a***@example.com and long numbers by their last two digits."""
    return _DATE_OR_NUMBER.sub(
        lambda found: found[0] if found["date"] else "***" + found[0][-2:], _EMAIL.sub(r"\1***@\2", text)
    )


def masked_id(value: str) -> str:
    """Return a keyValue so that its owner knows it again and others do not: a***@example.com, or its last two characters."""
    return _EMAIL.sub(r"\1***@\2", value) if _EMAIL.fullmatch(value) else "***" + value[-2:] * (len(value) > 4)


def snippet(body: bytes) -> str | None:
    """Return the start of an answer's text on one line, masked; None when it says nothing."""
    text = " ".join(body.decode("utf-8", "replace").split())
    if not text:
        return None
    text = masked(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
