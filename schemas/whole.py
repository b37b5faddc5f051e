"""What can be said of an event only when it is whole: the second schema of a type (RULES §3)."""

from __future__ import annotations

from pandera.pandas import DataFrameModel, Field

from schemas import columns
from schemas.faults import Fault, Whole

#: The most bytes that an event may have (api-facts §1: data max 20 KB).
BODY_MAX = 20 * 1024


class WholeEvent(DataFrameModel):
    """An event as it will be sent: `body_bytes` is the size of its body in UTF-8."""

    body_bytes: columns.Integer = Field(nullable=False, most=BODY_MAX, metadata={Fault.TOO_LARGE: Whole.TOO_LARGE})

    class Config:
        """Nothing is coerced (RULES §11)."""

        coerce = False
        strict = False
