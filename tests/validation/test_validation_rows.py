"""The proof: the model looks at the rows that our masks let pass, and has the last word."""

from __future__ import annotations

import traceback

import numpy as np
import pytest
from match_tables import match, table

from etl.validation import DisagreementError
from etl.validation.rows import Rows
from schemas import TYPES


def rows_of(*prices: float | None) -> Rows:
    lines = [match("cartUpdated", products__price=price) for price in prices]
    return Rows(table(lines), TYPES["cartUpdated"].model, "products")


def test_rows_that_the_masks_let_pass_and_the_model_takes_are_proven() -> None:
    rows_of(1.0, None).prove(np.array([True, False]))


def test_a_row_that_the_masks_let_pass_and_the_model_refuses_is_a_bug_told_without_contact_data() -> None:
    bad = table([match("searchRequest", contact__email="secret@email")])
    with pytest.raises(DisagreementError, match=r"contact\.email") as caught:
        Rows(bad, TYPES["searchRequest"].model, None).prove(np.array([True]))
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_no_good_rows_prove_themselves() -> None:
    rows_of(None).prove(np.array([False]))
