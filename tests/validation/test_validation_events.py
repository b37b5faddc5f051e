"""Whole events: their size, and that there are products in a cart that was not emptied."""

from __future__ import annotations

import pytest
from match_tables import GOOD, reasons_by_row, table

from etl.validation import validate_events

LIMIT = 20 * 1024


@pytest.mark.parametrize("name", GOOD)
def test_an_event_has_20_kb_and_not_a_byte_more(name: str) -> None:
    rows = table([{"body_bytes": LIMIT}, {"body_bytes": LIMIT + 1}, {"body_bytes": 1}])
    assert reasons_by_row(validate_events(name, rows)) == [set(), {"too_large"}, set()]


def test_a_cart_lists_products_or_was_cleared() -> None:
    rows = [{"body_bytes": 1, "products": n, "cleared": c} for n in (2, 0, None) for c in (False, True, None)]
    empty = {"products.missing"}
    expected = [set(), set(), set(), empty, set(), empty, empty, set(), empty]
    assert reasons_by_row(validate_events("cartUpdated", table(rows))) == expected


def test_a_cleared_cart_is_not_excused_from_its_size() -> None:
    rows = [{"body_bytes": LIMIT + 1, "products": 0, "cleared": True}]
    assert reasons_by_row(validate_events("cartUpdated", table(rows))) == [{"too_large"}]


def test_impressions_without_products_are_invalid_cleared_or_not() -> None:
    rows = [{"body_bytes": 1, "products": n, "cleared": c} for n in (1, 0) for c in (False, True)]
    expected = [set(), set(), {"products.missing"}, {"products.missing"}]
    assert reasons_by_row(validate_events("productImpressions", table(rows))) == expected


def test_events_that_were_never_lines_have_no_number_of_products() -> None:
    assert validate_events("cartUpdated", table([{"body_bytes": 1}])).good.all()


def test_a_fault_column_is_a_reason() -> None:
    rows = [{"body_bytes": 1, "fault:lines_differ": True}, {"body_bytes": 1, "fault:lines_differ": None}]
    assert reasons_by_row(validate_events("pageViewed", table(rows))) == [{"lines_differ"}, set()]
