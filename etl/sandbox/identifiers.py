"""The rules of the texts that identify: eventTypeKey, keyValue and the locators (api-facts.md §1)."""

from __future__ import annotations

import re

from etl.sandbox.answers import RefusalError

TYPE_LENGTH = 100
KEY_LENGTH = 300
NAME_LENGTH = 100

_FORBIDDEN = re.compile(r"""[<;’\\/|"`'^?!,>]""")

#: Locators in the API's order of priority, each with the names, without case, under which it may come.
_LOCATORS: tuple[tuple[str, frozenset[str]], ...] = (
    ("contactId", frozenset({"contactid"})),
    ("externalCustomerId", frozenset({"externalcustomerid"})),
    ("email", frozenset({"email", "emailaddress"})),
    ("phone", frozenset({"phone", "phonenumber", "sms"})),
    ("pushToken", frozenset({"pushtoken"})),
)
_ALIASES = {alias: rank for rank, (_, names) in enumerate(_LOCATORS) for alias in names}


def identifier(name: str, value: object, length: int) -> str:
    """Return `value` if it is text, not blank, not too long, with no forbidden character. Raises RefusalError (400)."""
    if not isinstance(value, str) or not value.strip():
        raise RefusalError(400, f"{name} is required and must be a non-empty string")
    if len(value) > length:
        raise RefusalError(400, f"{name} is longer than {length} characters")
    bad = _FORBIDDEN.search(value)
    if bad:
        raise RefusalError(400, f"{name} contains the forbidden character {bad.group()}")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise RefusalError(400, f"{name} is not valid Unicode")
    return value


def locator(params: dict[str, object]) -> str | None:
    """Return what becomes keyValue when none is given: the first locator in the API's order; None without any.

    Every locator keeps the rules of keyValue, the chosen one or not. Blank ones, and an externalCustomerId "null", are
    ignored by the API and so here. Raises RefusalError (400).
    """
    best: tuple[int, str] | None = None
    for name, value in params.items():
        rank = _ALIASES.get(name.lower())
        if rank is None:
            continue
        # A phone or an id as a number is common in clients; the API's answer to it is not known, so it is taken.
        shown = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        canonical = _LOCATORS[rank][0]
        if isinstance(shown, str) and (not shown.strip() or (canonical == "externalCustomerId" and shown == "null")):
            continue
        key = identifier(f"param {name}", shown, KEY_LENGTH)
        if best is None or rank < best[0]:
            best = (rank, key)
    return None if best is None else best[1]
