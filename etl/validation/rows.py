"""A table beside the model that checks it. Of a line that clears a cart nobody asks for products (RULES §4)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandera.errors import SchemaError, SchemaErrors
from pandera.pandas import DataFrameModel, DataFrameSchema

from etl.tables import FAULT
from etl.validation.frame import as_frame
from etl.validation.masks import broken_rules
from etl.validation.verdict import DisagreementError, Mask
from schemas.match import CLEARED


class Rows:
    """Rows of one type: what others found wrong with them, and what the model says of them.

    `part` is the parameter of the type that holds JSON; the model's columns of that name and below concern products.
    """

    def __init__(self, table: pa.Table, model: type[DataFrameModel], part: str | None) -> None:
        self._table = table
        self._part = part
        self._schema, self._of_part, self._shared = _schemas(model, part)
        self._frame = as_frame(table, self._schema)
        self._cleared = is_true(table, CLEARED) if CLEARED in self._schema.columns else _none(table)

    def faults(self) -> dict[str, Mask]:
        """Return what other rooms found: the `fault:` columns that hold somewhere."""
        found: dict[str, Mask] = {}
        for name in self._table.column_names:
            if name.startswith(FAULT):
                reason = name.removeprefix(FAULT)
                mask = is_true(self._table, name)
                if _concerns(reason, self._part):
                    mask &= ~self._cleared
                if mask.any():
                    found[reason] = mask
        return found

    def pass_all(self, chosen: Mask) -> bool:
        """Say whether the model has nothing against any of the chosen rows."""
        try:
            self._run(chosen)
        except (SchemaError, SchemaErrors):
            return False
        return True

    def broken(self) -> dict[str, Mask]:
        """Return for each reason the rows that break the model's rule."""
        of_part = broken_rules(self._frame, self._of_part)
        found = {reason: mask & ~self._cleared for reason, mask in of_part.items()}
        found |= broken_rules(self._frame, self._shared)
        return {reason: mask for reason, mask in found.items() if mask.any()}

    def prove(self, good: Mask) -> None:
        """Let the model look at the good rows; raise DisagreementError if it finds anything."""
        try:
            self._run(good)
        except (SchemaError, SchemaErrors) as error:
            # `from None`: pandera's error carries the rows, and they hold contact data.
            raise DisagreementError(f"a model refuses rows that our masks let pass: {_rule_of(error)}") from None

    def _run(self, rows: Mask) -> None:
        for schema, chosen in ((self._schema, rows & ~self._cleared), (self._shared, rows & self._cleared)):
            if chosen.any():
                schema.validate(self._frame if chosen.all() else self._frame[chosen], inplace=True)


def is_true(table: pa.Table, name: str) -> Mask:
    """Return where a boolean column is true; null is not, nor is a column that is not there."""
    if name not in table.column_names:
        return _none(table)
    mask: Mask = np.array(pc.fill_null(table[name].cast(pa.bool_()), False))
    return mask


@cache
def _schemas(model: type[DataFrameModel], part: str | None) -> tuple[DataFrameSchema, DataFrameSchema, DataFrameSchema]:
    """Return the model's schema, that of the columns that concern the part, and that of the others."""
    schema = model.to_schema()
    own = [name for name in schema.columns if _concerns(name.lstrip("^").replace("\\", ""), part)]
    others = [name for name in schema.columns if name not in own]
    return schema, schema.remove_columns(others), schema.remove_columns(own)


def _concerns(name: str, part: str | None) -> bool:
    """Say whether a column or a reason is about the part."""
    return part is not None and (name == part or name.startswith(f"{part}."))


def _none(table: pa.Table) -> Mask:
    return np.zeros(table.num_rows, dtype=bool)


def _rule_of(error: SchemaError | SchemaErrors) -> str:
    """Name the rule and the column: never the values."""
    if isinstance(error, SchemaErrors):
        return "; ".join(_rule_of(one) for one in error.schema_errors)
    return f"{getattr(error.schema, 'name', None)}: {getattr(error.reason_code, 'name', None)}, {error.check}"
