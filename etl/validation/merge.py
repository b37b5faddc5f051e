"""What the model found beside what mapping found before it: one reason for one fault."""

from __future__ import annotations

from etl.validation.verdict import Mask
from schemas.faults import Fault, Whole


def merge(faults: dict[str, Mask], broken: dict[str, Mask]) -> dict[str, Mask]:
    """Return the reasons of both, mapping's first.

    A value that mapping could not read is null: that it is missing as well would be a second reason for one fault.
    """
    merged = dict(faults)
    for reason, mask in broken.items():
        own = mask.copy()
        for fault, known in faults.items():
            if fault != reason and _explains(fault, reason):
                own &= ~known
        merged[reason] = own | merged[reason] if reason in merged else own
    return {reason: mask for reason, mask in merged.items() if mask.any()}


def _explains(fault: str, reason: str) -> bool:
    """Say whether `fault` is why the value that `reason` misses is not there."""
    column, _, _ = fault.rpartition(".")
    if reason == Whole.NO_CONTACT:
        return column.startswith("contact.") or column in ("key", "key_value")
    return reason == f"{column}.{Fault.MISSING}"
