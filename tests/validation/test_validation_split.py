"""A table in two: the good rows go on, the bad ones carry their reasons; none is lost and none is in both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from match_tables import match, table

from etl.validation import Verdict, reasons_of, split, validate_lines


def test_bad_rows_carry_their_reasons_and_no_fault_columns() -> None:
    rows: list[dict[str, Any]] = [
        match("searchRequest", key="a"),
        match("searchRequest", key="b", search=None, isFound=9),
        {**match("searchRequest", key="c"), "fault:future": True},
        match("searchRequest", key="d"),
    ]
    whole = table(rows)
    good, bad = split(whole, validate_lines("searchRequest", whole))
    assert good["key"].to_pylist() == ["a", "d"]
    assert good.column_names == [name for name in whole.column_names if name != "fault:future"]
    assert bad["key"].to_pylist() == ["b", "c"]
    assert [sorted(r) for r in bad["reasons"].to_pylist()] == [["isFound.not_0_or_1", "search.missing"], ["future"]]
    assert bad["reasons"].type == pa.list_(pa.string())


def test_a_verdict_without_reasons_leaves_no_bad_rows() -> None:
    whole = table([match("searchRequest")] * 2)
    good, bad = split(whole, validate_lines("searchRequest", whole))
    assert (good.num_rows, bad.num_rows) == (2, 0)
    assert bad["reasons"].to_pylist() == []


@given(st.lists(st.frozensets(st.sampled_from("abcdef")), max_size=50))
def test_each_row_goes_to_one_side_with_exactly_its_reasons(reasons: list[frozenset[str]]) -> None:
    masks = {name: np.array([name in row for row in reasons], dtype=bool) for name in "fedcba"}
    good = np.array([not row for row in reasons], dtype=bool)
    verdict = Verdict(good, {name: mask for name, mask in masks.items() if mask.any()})
    left, right = split(pa.table({"row": pa.array(range(len(reasons)), pa.int64())}), verdict)
    assert left["row"].to_pylist() == [i for i, row in enumerate(reasons) if not row]
    assert right["row"].to_pylist() == [i for i, row in enumerate(reasons) if row]
    assert [frozenset(r) for r in right["reasons"].to_pylist()] == [row for row in reasons if row]


def test_reasons_of_rows_in_any_order() -> None:
    verdict = Verdict(np.array([False, False]), {"x": np.array([True, True]), "y": np.array([False, True])})
    assert reasons_of(verdict, np.array([1, 0, 1])).to_pylist() == [["x", "y"], ["x"], ["x", "y"]]
