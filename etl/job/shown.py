"""Values of the job file as a mistake may show them: short, and without secrets and people's addresses."""

from __future__ import annotations

from collections.abc import Mapping

from etl.address import masked_address
from etl.masking import masked

_LONGEST = 60
_LOOKED_AT = 1000


def shown(value: object) -> str:
    """Return `value` in backquotes, or in words where it is no scalar: short, logins, secrets of addresses and e-mails masked."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = masked(masked_address(text[:_LOOKED_AT].replace("\n", " ")))
    return f"`{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}`"
