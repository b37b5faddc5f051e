"""The two schemas of a type: one for matches and lines before folding, one for whole events after it (RULES §3)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandera.pandas import DataFrameModel

from etl.validation.merge import merge
from etl.validation.rows import Rows
from etl.validation.verdict import Mask, Verdict, verdict_of
from schemas import event_type
from schemas.faults import Whole


def validate_lines(type_name: str, table: pa.Table, *, timed: bool = False) -> Verdict:
    """Check matches, or the lines of events of several lines, of a type (custom ones too).

    Columns: `contact.<locator>`, `key`, `instant`, `<part>.<field>`, scalars by name, `cleared` for types of several
    lines, and `fault:<reason>` for what mapping found. Of a cleared line nobody asks for products. With `timed` a
    missing instant is the reason `time`. Raises DisagreementError where a column's type cannot be the model's.
    """
    spec = event_type(type_name)
    verdict = _validate(table, spec.model, spec.part)
    if not timed:
        return verdict
    return verdict_of(table.num_rows, merge({str(Whole.TIME): _untimed(table)}, verdict.reasons))


def validate_events(type_name: str, table: pa.Table) -> Verdict:
    """Check whole events: `body_bytes`, and for those folded from lines `products` (their number) and `cleared`.

    That the names of parameters are unique is a matter of the job file, and checked there.
    """
    spec = event_type(type_name)
    return _validate(table, spec.event_model, spec.part)


def _validate(table: pa.Table, model: type[DataFrameModel], part: str | None) -> Verdict:
    rows = Rows(table, model, part)
    faults = rows.faults()
    sound = verdict_of(table.num_rows, faults).good
    if rows.pass_all(sound):
        # What mapping found fault with may break the model's rules too, and a match has all its reasons.
        broken = Rows(table.filter(pa.array(~sound)), model, part).broken() if faults else {}
        return verdict_of(
            table.num_rows, merge(faults, {reason: _spread(mask, ~sound) for reason, mask in broken.items()})
        )
    verdict = verdict_of(table.num_rows, merge(faults, rows.broken()))
    rows.prove(verdict.good)
    return verdict


def _spread(mask: Mask, among: Mask) -> Mask:
    """Return a mask of the rows `among` as a mask of all rows."""
    found = np.zeros(len(among), dtype=bool)
    found[among] = mask
    return found


def _untimed(table: pa.Table) -> Mask:
    if "instant" not in table.column_names:
        return np.ones(table.num_rows, dtype=bool)
    return np.array(pc.is_null(table["instant"]))
