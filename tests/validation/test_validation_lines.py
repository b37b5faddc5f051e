"""Matches and lines: each broken rule is one reason, and only the rows that break it have it."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from match_tables import CONTACT, GOOD, match, reasons_by_row, table

from etl.validation import DisagreementError, validate_lines

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("name", GOOD)
def test_a_good_match_has_no_reason(name: str) -> None:
    verdict = validate_lines(name, table([match(name)] * 3))
    assert verdict.good.tolist() == [True] * 3
    assert verdict.reasons == {}


# type, what is changed in a good match, the reasons that this gives
FAULTS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("pageViewed", {"page__location": None}, {"page.location.missing"}),
    ("pageViewed", {"page__location": " \t\u00a0"}, {"page.location.missing"}),
    ("productViewed", {"product__productId": None}, {"product.productId.missing"}),
    ("productViewed", {"product__productId": ""}, {"product.productId.missing"}),
    ("productViewed", {"product__price": None}, {"product.price.missing"}),
    ("productViewed", {"product__price": NAN}, {"product.price.missing"}),
    ("productViewed", {"product__price": INF}, {"product.price.not_a_number"}),
    ("productViewed", {"product__price": -INF}, {"product.price.not_a_number"}),
    ("productViewed", {"product__isInStock": 2}, {"product.isInStock.not_0_or_1"}),
    ("productViewed", {"product__isInStock": -1}, {"product.isInStock.not_0_or_1"}),
    ("productViewed", {"product__isInStock": None, "currencyCode": None, "product__colour": None}, set()),
    ("productViewed", {"currencyCode": "usd"}, {"currencyCode.not_iso4217"}),
    ("productViewed", {"currencyCode": "BYR"}, {"currencyCode.not_iso4217"}),
    ("productViewed", {"currencyCode": "$"}, {"currencyCode.not_iso4217"}),
    ("productCategoryViewed", {"category__productCategoryId": None}, {"category.productCategoryId.missing"}),
    ("cartUpdated", {"products__productId": None}, {"products.productId.missing"}),
    ("cartUpdated", {"products__quantity": None}, {"products.quantity.missing"}),
    ("cartUpdated", {"products__price": None}, {"products.price.missing"}),
    ("cartUpdated", {"products__name": None, "products__category": None, "products__discount": None}, set()),
    ("cartUpdated", {"recycleStateId": None}, {"recycleStateId.missing"}),
    ("cartUpdated", {"recycleStateId": None, "cleared": True}, {"recycleStateId.missing"}),
    ("productImpressions", {"recomVariantId": None}, {"recomVariantId.missing"}),
    ("productImpressions", {"recomVariantId": "r1"}, {"recomVariantId.shape"}),
    ("productImpressions", {"recomVariantId": "R1v2"}, {"recomVariantId.shape"}),
    ("productImpressions", {"recomVariantId": "r1v2 "}, {"recomVariantId.shape"}),
    ("productImpressions", {"products__productId": None}, {"products.productId.missing"}),
    ("productAddedToWishlist", {"product__productId": None}, {"product.productId.missing"}),
    ("productAddedToWishlist", {"product__price": None}, {"product.price.missing"}),
    ("productAddedToWishlist", {"product__isInStock": 5}, {"product.isInStock.not_0_or_1"}),
    ("productAddedToWishlist", {"currencyCode": "EURO"}, {"currencyCode.not_iso4217"}),
    ("searchRequest", {"search": None}, {"search.missing"}),
    ("searchRequest", {"isFound": 7}, {"isFound.not_0_or_1"}),
    ("searchRequest", {"isFound": None}, set()),
    ("couponSeen", {"key": None}, {"no_contact"}),
    ("couponSeen", {"key": "k" * 300}, set()),
    ("couponSeen", {"key": "ї" * 300}, set()),
    ("couponSeen", {"key": "ї" * 301}, {"key.too_long"}),
    ("couponSeen", {"key": "o’neil"}, {"key.forbidden_character"}),
    ("couponSeen", {"key": "a,b" * 101}, {"key.forbidden_character", "key.too_long"}),
    ("couponSeen", {"contact__contactId": "4;2"}, {"contact.contactId.forbidden_character"}),
    ("couponSeen", {"contact__externalCustomerId": "4/2"}, {"contact.externalCustomerId.forbidden_character"}),
    ("couponSeen", {"contact__pushToken": "x" * 301}, {"contact.pushToken.too_long"}),
    ("couponSeen", {"contact__email": "example@email"}, {"contact.email.shape"}),
    ("couponSeen", {"contact__email": "o'neil@email.com"}, {"contact.email.forbidden_character"}),
    ("couponSeen", {"contact__phone": "0501234567"}, {"contact.phone.shape"}),
    ("couponSeen", {"contact__phone": "+380501234567"}, {"contact.phone.shape"}),
    ("couponSeen", {"contact__phone": None, "contact__email": None}, set()),
    ("couponSeen", {"instant": None}, set()),
]


@pytest.mark.parametrize(("name", "changes", "expected"), FAULTS)
def test_a_broken_rule_is_a_reason_of_its_row_alone(name: str, changes: dict[str, Any], expected: set[str]) -> None:
    rows = [match(name), match(name, **changes), match(name)]
    assert reasons_by_row(validate_lines(name, table(rows))) == [set(), expected, set()]


def test_a_match_with_several_faults_has_as_many_reasons() -> None:
    bad = match("productViewed", product__productId=None, product__price=INF, currencyCode="x", contact__phone="1")
    assert reasons_by_row(validate_lines("productViewed", table([bad]))) == [
        {"product.productId.missing", "product.price.not_a_number", "currencyCode.not_iso4217", "contact.phone.shape"}
    ]


@pytest.mark.parametrize(("column", "reason"), [("product.price", "product.price.missing"), ("key", "no_contact")])
def test_a_required_column_that_is_not_there_is_missing_in_every_row(column: str, reason: str) -> None:
    verdict = validate_lines("productViewed", table([match("productViewed")] * 3).drop_columns([column]))
    assert reasons_by_row(verdict) == [{reason}] * 3


def test_an_instant_may_be_missing_unless_the_job_has_a_time() -> None:
    rows = table([match("searchRequest"), match("searchRequest", instant=None)])
    assert validate_lines("searchRequest", rows).good.all()
    assert reasons_by_row(validate_lines("searchRequest", rows, timed=True)) == [set(), {"time"}]
    untimed = rows.drop_columns(["instant"])
    assert reasons_by_row(validate_lines("searchRequest", untimed, timed=True)) == [{"time"}] * 2


class TestFaultsOfMapping:
    """What mapping found stands beside what the model finds, and one fault is one reason."""

    def test_a_fault_column_is_a_reason(self) -> None:
        rows = [match("searchRequest"), {**match("searchRequest"), "fault:future": True}]
        assert reasons_by_row(validate_lines("searchRequest", table(rows))) == [set(), {"future"}]

    def test_a_value_that_could_not_be_read_is_not_missing_as_well(self) -> None:
        unread = {**match("productViewed", product__price=None), "fault:product.price.not_a_number": True}
        rows = [unread, match("productViewed", product__price=None)]
        found = reasons_by_row(validate_lines("productViewed", table(rows)))
        assert found == [{"product.price.not_a_number"}, {"product.price.missing"}]

    def test_the_same_reason_of_both_holds_for_the_rows_of_both(self) -> None:
        unread = {**match("productViewed", product__isInStock=None), "fault:product.isInStock.not_0_or_1": True}
        rows = [unread, match("productViewed", product__isInStock=3), match("productViewed")]
        found = reasons_by_row(validate_lines("productViewed", table(rows)))
        assert found == [{"product.isInStock.not_0_or_1"}] * 2 + [set()]

    def test_a_locator_that_failed_is_why_there_is_no_contact(self) -> None:
        none = {name: None for name in CONTACT if name != "instant"}
        rows = [
            {**match("searchRequest"), **none, "fault:contact.email.failed": True},
            {**match("searchRequest"), **none, "fault:key_value.failed": True},
            {**match("searchRequest"), **none, "fault:search.failed": True},
        ]
        assert reasons_by_row(validate_lines("searchRequest", table(rows))) == [
            {"contact.email.failed"},
            {"key_value.failed"},
            {"search.failed", "no_contact"},
        ]


class TestClearedCarts:
    """A line that clears a cart needs no products."""

    NOTHING: ClassVar[dict[str, Any]] = {name: None for name in GOOD["cartUpdated"] if name.startswith("products.")}

    def test_a_cleared_line_needs_no_products_and_others_do(self) -> None:
        rows = [{**match("cartUpdated"), **self.NOTHING, "cleared": cleared} for cleared in (True, False, None)]
        rows.append(match("cartUpdated"))
        missing = {f"products.{name}.missing" for name in ("productId", "quantity", "price")}
        assert reasons_by_row(validate_lines("cartUpdated", table(rows))) == [set(), missing, missing, set()]

    def test_bad_products_of_a_cleared_line_are_nobody_s_business(self) -> None:
        line = match("cartUpdated", products__price=INF, cleared=True)
        rows = [{**line, "fault:products.quantity.not_a_number": True, "fault:products.missing": True}]
        assert validate_lines("cartUpdated", table(rows)).good.all()

    def test_the_rest_of_a_cleared_line_is_checked(self) -> None:
        line = {**match("cartUpdated", currencyCode="x", cleared=True), **self.NOTHING, "fault:time": True}
        rows = [line, match("cartUpdated", products__price=None)]
        assert reasons_by_row(validate_lines("cartUpdated", table(rows))) == [
            {"currencyCode.not_iso4217", "time"},
            {"products.price.missing"},
        ]

    def test_a_rule_that_only_clears_carts_maps_no_products(self) -> None:
        lines = table([match("cartUpdated", cleared=True)] * 2).drop_columns(list(self.NOTHING))
        assert validate_lines("cartUpdated", lines).good.all()

    def test_a_column_of_that_name_means_nothing_to_a_type_without_lines(self) -> None:
        row = match("productViewed", product__price=None, cleared=True)
        assert reasons_by_row(validate_lines("productViewed", table([row]))) == [{"product.price.missing"}]


class TestArrowTypes:
    """Tables come from DuckDB and Arrow: what means the same is taken, what does not is a bug of ours."""

    def test_a_table_as_duckdb_gives_it(self) -> None:
        rows = duckdb.sql(
            "SELECT 'a@b.co' AS key, '1' AS \"product.productId\", 1.5::DOUBLE AS \"product.price\", "
            '[\'x\', NULL] AS "product.colour", NULL AS currencyCode, 1::BIGINT AS "product.isInStock"'
        ).to_arrow_table()
        assert validate_lines("productViewed", rows).good.tolist() == [True]

    @pytest.mark.parametrize(
        ("column", "values"),
        [
            ("product.productId", pa.array(["1"], pa.large_string())),
            ("product.price", pa.array([1], pa.float32())),
            ("product.isInStock", pa.array([1], pa.int32())),
            ("product.isInStock", pa.nulls(1)),
            ("product.colour", pa.array([["x"]], pa.large_list(pa.large_string()))),
            ("contact.email", pa.nulls(1)),
        ],
    )
    def test_a_type_that_means_the_same_is_taken(self, column: str, values: pa.Array) -> None:
        rows = table([match("productViewed")])
        rows = rows.set_column(rows.column_names.index(column), column, values)
        assert validate_lines("productViewed", rows).good.tolist() == [True]

    @pytest.mark.parametrize(
        ("column", "values"),
        [
            ("product.productId", pa.array([1])),
            ("product.price", pa.array(["1"])),
            ("product.price", pa.array([1])),
            ("product.isInStock", pa.array([True])),
            ("product.colour", pa.array(["x"])),
            ("instant", pa.array([0])),
        ],
    )
    def test_another_type_is_never_coerced(self, column: str, values: pa.Array) -> None:
        rows = table([match("productViewed")])
        rows = rows.set_column(rows.column_names.index(column), column, values)
        with pytest.raises(DisagreementError, match=column):
            validate_lines("productViewed", rows)

    def test_a_table_of_many_chunks_is_judged_by_row(self) -> None:
        rows = table([match("productViewed", product__price=None if i % 7 == 3 else 1.0) for i in range(1001)])
        chunked = pa.concat_tables([rows.slice(at, 13) for at in range(0, 1001, 13)])
        assert np.flatnonzero(~validate_lines("productViewed", chunked).good).tolist() == list(range(3, 1001, 7))

    def test_an_empty_table_has_an_empty_verdict(self) -> None:
        verdict = validate_lines("cartUpdated", table([match("cartUpdated")]).slice(0, 0))
        assert (len(verdict.good), verdict.reasons) == (0, {})


#: Values of a productViewed, each with the reason it gives on its own.
POOLS: dict[str, list[tuple[Any, str | None]]] = {
    "product.productId": [("1", None), ("", "missing"), (None, "missing"), ("ї", None)],
    "product.price": [(1.0, None), (None, "missing"), (NAN, "missing"), (INF, "not_a_number"), (-2.5, None)],
    "product.isInStock": [(0, None), (1, None), (2, "not_0_or_1"), (None, None)],
    "currencyCode": [("USD", None), (None, None), ("usd", "not_iso4217"), ("", "not_iso4217")],
    "contact.email": [("a@b.co", None), (None, None), ("a@b", "shape"), ("", "shape")],
    "contact.phone": [("1234567", None), (None, None), ("123", "shape")],
    "contact.contactId": [("1", None), (None, None), ("a|b", "forbidden_character"), ("1" * 301, "too_long")],
    "cleared": [(True, None), (False, None)],
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({n: st.sampled_from(p) for n, p in POOLS.items()}), min_size=1, max_size=30))
def test_any_mixture_of_rows_gets_exactly_the_reasons_of_its_values(
    rows: list[dict[str, tuple[Any, str | None]]],
) -> None:
    values = [{"key": "k", **{name: value for name, (value, _) in row.items()}} for row in rows]
    expected = [{f"{name}.{fault}" for name, (_, fault) in row.items() if fault} for row in rows]
    assert reasons_by_row(validate_lines("productViewed", table(values))) == expected


def test_a_batch_that_is_all_bad_takes_no_time_out_of_proportion() -> None:
    bad = {"product.productId": None, "product.price": INF, "product.isInStock": 2, "currencyCode": "x", "key": "a,b"}
    rows = pa.concat_tables([table([match("productViewed", **bad)])] * 1000).combine_chunks()
    rows = pa.concat_tables([rows] * 100)
    start = time.perf_counter()
    verdict = validate_lines("productViewed", rows)
    assert not verdict.good.any()
    assert len(verdict.reasons) == 5
    assert time.perf_counter() - start < 20  # measured: 0.3 s; the bound is for slow machines under load
