"""What validation says of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which rows are good, and for each reason found the rows that it holds for.

    All masks are as long as the table. A row is good when no reason holds for it; a reason that holds for none is left
    out.
    """

    good: Mask
    reasons: dict[str, Mask]


class DisagreementError(RuntimeError):
    """Our masks and the pandera model do not say the same, or a table is not what the model is for: a bug of ours."""


def verdict_of(rows: int, reasons: dict[str, Mask]) -> Verdict:
    """Return the verdict on so many rows for which these reasons were found."""
    bad = np.zeros(rows, dtype=bool)
    for mask in reasons.values():
        bad |= mask
    return Verdict(~bad, {reason: mask for reason, mask in reasons.items() if mask.any()})
