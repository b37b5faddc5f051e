"""Where a frame breaks a model's rules, rule by rule, from the model's own columns and checks.

pandera's own list of failures (`lazy=True`) has an entry for each value with its text, contact data among them, and
no rows at all for a column that is not there. The books want masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pandera.pandas import DataFrameSchema

from etl.validation.verdict import Mask
from schemas.checks import FAULT_OF
from schemas.faults import Fault, reason


def broken_rules(frame: pd.DataFrame, schema: DataFrameSchema) -> dict[str, Mask]:
    """Return for each reason the rows of `frame` that it holds for; reasons that hold for none are left out.

    A required column that is not there is missing in every row.
    """
    found: dict[str, Mask] = {}
    for name, column in schema.columns.items():
        if column.regex:
            continue  # such columns have a type and no further rule
        for fault, mask in _broken(frame, name, column):
            if mask.any():
                word = str((column.metadata or {}).get(fault, reason(name, fault)))
                found[word] = found[word] | mask if word in found else mask
    return found


def _broken(frame: pd.DataFrame, name: str, column: Any) -> Iterator[tuple[Fault, Mask]]:
    if name not in frame.columns:
        if column.required:
            yield Fault.MISSING, np.ones(len(frame), dtype=bool)
        return
    series = frame[name]
    if not column.nullable:
        yield Fault.MISSING, series.isna().to_numpy(dtype=bool)
    for check in column.checks:
        # A check sees no nulls, so its answer may be shorter than the frame.
        passed = check(series).check_output
        mask = np.zeros(len(frame), dtype=bool)
        mask[passed.index.to_numpy()] = ~passed.to_numpy(dtype=bool)
        yield FAULT_OF[check.name], mask
