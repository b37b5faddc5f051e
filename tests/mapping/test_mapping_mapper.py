"""Rows become matches: every `where` that is true makes one, and what fails costs a match and not the run."""

from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from mapping_job import HEAD, NOW, batch_of, failures, faults, job_of, map_rows, values

from etl.job.read import JobMistakes, read_text
from etl.mapping.mapper import Mapper

PAGE = "  - {type: pageViewed, where: kind = 'page', page: {location: url}}\n"


def test_a_row_makes_an_event_of_every_rule_that_takes_it_and_the_books_count_matches() -> None:
    job = job_of("events:\n" + PAGE + "  - {type: searchRequest, where: q is not null, search: q}\n")
    rows = [
        {"user": "u", "kind": "page", "url": "/a", "q": "mug"},
        {"user": "u", "kind": "page", "url": "/b", "q": ""},
        {"user": "u", "kind": "other", "url": "/c", "q": None},
    ]
    mapped = map_rows(job, rows)
    assert (mapped.rows, mapped.matches, mapped.matched) == (3, 3, 2)
    assert mapped.filtered == Counter(no_rule=1)
    assert values(mapped, "page.location") == ["/a", "/b"]
    assert values(mapped, "search", rule=1) == ["mug"]


def test_filters_take_rows_out_in_their_order_before_any_rule_sees_them() -> None:
    job = job_of("filters: {internal: user like 'x%', odd: url = '/a'}\nevents:\n" + PAGE)
    rows = [
        {"user": "x1", "kind": "page", "url": "/a"},
        {"user": "u", "kind": "page", "url": "/a"},
        {"user": "u", "kind": "page", "url": "/b"},
        {"user": None, "kind": "page", "url": "/b"},
    ]
    mapped = map_rows(job, rows)
    assert mapped.filtered == Counter(internal=1, odd=1)
    assert mapped.matches == 2


def test_an_expression_that_fails_on_a_value_costs_that_match_only() -> None:
    job = job_of("events:\n  - {type: pageViewed, page: {location: url}, params: {n: 'n::int + 1'}}\n")
    rows = [{"user": "u", "url": "/a", "n": n} for n in ("1", "x", None, "3")]
    mapped = map_rows(job, rows)
    assert faults(mapped) == [[], ["params.n.failed"], [], []]
    assert values(mapped, "params.n") == ["2", None, None, "4"]


def test_a_failing_where_is_one_invalid_match_and_a_failing_filter_one_invalid_row() -> None:
    job = job_of(
        "filters: {big: 'n::int > 5'}\nevents:\n  - {type: pageViewed, where: 'm::int > 0', page: {location: url}}\n"
    )
    rows = [
        {"user": "u", "url": "/a", "n": n, "m": m}
        for n, m in (("1", "1"), ("x", "1"), ("1", "y"), ("9", "z"), ("1", "0"))
    ]
    mapped = map_rows(job, rows)
    assert failures(mapped) == [(3, None, "filters.big.failed"), (4, 0, "where.failed")]
    assert mapped.filtered == Counter(big=1, no_rule=1)
    assert (mapped.rows, mapped.matches, mapped.matched) == (5, 2, 2)


def test_a_failure_in_let_or_types_spreads_to_the_matches_that_use_it_and_to_no_other() -> None:
    job = job_of(
        "let: {half: 'n::int / 2'}\nevents:\n  - {type: pageViewed, page: {location: url}, params: {half: half}}\n"
        "  - {type: searchRequest, search: q, isFound: hits > 0}\n  - {type: pageViewed, page: {location: url}}\n",
        HEAD.replace("path: in.csv", "path: in.csv, types: {hits: int}"),
    )
    mapped = map_rows(job, [{"user": "u", "url": "/a", "n": "x", "q": "s", "hits": "many"}])
    assert faults(mapped, 0) == [["params.half.failed"]]
    assert faults(mapped, 1) == [["isFound.failed"]]
    assert faults(mapped, 2) == [[]]


@pytest.mark.parametrize(
    ("text", "fits"), [("5", True), ("5.0", True), ("5.7", False), ("1e3", False), ("", True), (" 7 ", True)]
)
def test_an_int_is_never_rounded(text: str, fits: bool) -> None:
    head = HEAD.replace("path: in.csv", "path: in.csv, types: {n: int}")
    mapped = map_rows(
        job_of("events:\n  - {type: searchRequest, search: \"'s'\", params: {n: n}}\n", head),
        [{"user": "u", "n": text}],
    )
    assert faults(mapped) == ([[]] if fits else [["params.n.failed"]])


def test_an_error_that_try_does_not_catch_costs_one_row() -> None:
    job = job_of(
        "events:\n  - {type: searchRequest, search: \"timezone(zone, timestamptz '2026-01-01 00:00:00+00')\"}\n"
    )
    rows = [{"user": "u", "zone": zone} for zone in ["UTC"] * 37 + ["Atlantis"] + ["Europe/Kyiv"] * 12]
    mapped = map_rows(job, rows)
    assert mapped.rows == 50
    assert failures(mapped) == [(39, 0, "expression.failed")]
    assert sum(found.table.num_rows for found in mapped.by_rule) == 49


def test_text_keeps_every_character_and_blank_is_null() -> None:
    job = job_of("events:\n  - {type: productCategoryViewed, category: {productCategoryId: c}}\n")
    mapped = map_rows(job, [{"user": u, "c": c} for u, c in (("007", "00123"), ("+380", "1e5"), (" ", " \t"))])
    assert values(mapped, "category.productCategoryId") == ["00123", "1e5", None]
    assert values(mapped, "key") == ["007", "+380", None]


def test_a_whole_number_in_a_floating_column_used_as_an_id_has_no_point() -> None:
    schema = pa.schema([("user", pa.float64()), ("c", pa.decimal128(10, 2))])
    job = job_of("events:\n  - {type: productCategoryViewed, category: {productCategoryId: c}}\n")
    mapped = map_rows(
        job, [{"user": 17850.0, "c": 12}, {"user": 0.5, "c": None}, {"user": float("nan"), "c": 3}], schema
    )
    assert values(mapped, "key") == ["17850", "0.5", None]
    assert values(mapped, "category.productCategoryId") == ["12", None, "3"]


def test_a_short_float_of_an_expression_is_the_number_that_it_is_written_as() -> None:
    job = job_of("events:\n  - type: productViewed\n    product: {productId: user, price: p::float}\n")
    assert values(map_rows(job, [{"user": "u", "p": "19.99"}]), "product.price") == [19.99]


def test_booleans_become_flags_and_properties_lists_of_texts() -> None:
    job = job_of(
        "events:\n  - type: productViewed\n    product: {productId: user, price: p, isInStock: s, colour: c, tags: t}\n"
    )
    schema = pa.schema(
        [("user", pa.string()), ("p", pa.string()), ("s", pa.bool_()), ("c", pa.string()), ("t", pa.list_(pa.string()))]
    )
    rows = [
        {"user": "u", "p": "45.50", "s": True, "c": "red, blue", "t": ["a", "", "b"]},
        {"user": "u", "p": "x", "s": False, "c": "", "t": []},
    ]
    mapped = map_rows(job, rows, schema)
    assert values(mapped, "product.price") == [45.5, None]
    assert values(mapped, "product.isInStock") == [1, 0]
    assert values(mapped, "product.colour") == [["red, blue"], None]
    assert values(mapped, "product.tags") == [["a", "b"], None]
    assert faults(mapped) == [[], ["product.price.not_a_number"]]


def test_each_makes_an_event_of_every_element_with_item_in_its_expressions() -> None:
    items = pa.list_(pa.struct([("id", pa.string()), ("n", pa.int64())]))
    job = job_of("events:\n  - {type: productCategoryViewed, each: items, category: {productCategoryId: item.id}}\n")
    rows = [
        {"user": "u", "items": [{"id": "a", "n": 1}, {"id": "b", "n": 2}]},
        {"user": "u", "items": []},
        {"user": "u", "items": None},
    ]
    mapped = map_rows(job, rows, pa.schema([("user", pa.string()), ("items", items)]))
    assert values(mapped, "category.productCategoryId") == ["a", "b"]
    assert values(mapped, "_item") == [0, 1]
    assert (mapped.matches, mapped.matched, mapped.filtered) == (2, 1, Counter(no_rule=2))


def test_the_key_is_the_first_locator_in_the_apis_order_whatever_the_jobs() -> None:
    head = HEAD.replace(
        "{externalCustomerId: user}", "{pushToken: t, phone: p, email: e, externalCustomerId: user, contactId: c}"
    )
    job = job_of("events:\n" + PAGE, head)
    row = {"kind": "page", "url": "/", "c": "1", "user": "u", "e": "a@b.c", "p": "+380 (50) 123-45-67", "t": "tok"}
    rows = [row, {**row, "c": ""}, {**row, "c": "", "user": "NULL"}, {**row, "c": "", "user": " ", "e": ""}]
    mapped = map_rows(job, [*rows, {"kind": "page", "url": "/", "t": "tok"}])
    assert values(mapped, "key") == ["1", "u", "a@b.c", "380501234567", "tok"]


def test_bad_locators_are_left_out_only_where_another_is_there() -> None:
    head = HEAD.replace("{externalCustomerId: user}", "{email: e, phone: p}\ndrop_bad_locators: true")
    rows = [
        {"kind": "page", "url": "/", "e": e, "p": p}
        for e, p in (("bad", "+380501234567"), ("a@b.cd", "12"), ("bad", "12"), ("bad", ""))
    ]
    mapped = map_rows(job_of("events:\n" + PAGE, head), rows)
    assert values(mapped, "key") == ["380501234567", "a@b.cd", "bad", "bad"]
    assert values(mapped, "contact.phone") == ["380501234567", None, "12", None]


def test_anonymous_visitors_and_those_not_asked_for_fall_out_as_matches() -> None:
    job = job_of("filters: {anonymous: true}\nevents:\n" + PAGE + PAGE)
    rows = [{"user": u, "kind": "page", "url": "/"} for u in ("a", "", "b")]
    mapped = map_rows(job, rows, only=frozenset({"a"}))
    assert mapped.filtered == Counter(anonymous=2, only=2)
    assert mapped.matches == 6


@pytest.mark.parametrize("phone", ["-", " + ", "( )", "."])
def test_a_phone_of_nothing_but_separators_is_no_phone(phone: str) -> None:
    head = HEAD.replace("{externalCustomerId: user}", "{phone: p, pushToken: t}")
    job = job_of("filters: {anonymous: true}\nevents:\n" + PAGE, head)
    mapped = map_rows(job, [{"kind": "page", "url": "/", "p": phone, "t": t} for t in ("", "tok")])
    assert mapped.filtered == Counter(anonymous=1)
    assert (values(mapped, "key"), values(mapped, "contact.phone"), faults(mapped)) == (["tok"], [None], [[]])


def test_comparing_text_with_a_number_is_a_mistake_that_says_how_to_cast() -> None:
    job = job_of(
        "events:\n  - {type: pageViewed, where: n = 1, page: {location: url}}\n"
        "  - {type: pageViewed, where: 'n in (1, 2)', page: {location: url}}\n"
    )
    with pytest.raises(JobMistakes) as error:
        map_rows(job, [{"user": "u", "n": "1", "url": "/"}])
    assert str(error.value).count("try_cast") == 2


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    text = "events:\n  - type: pageViewed\n    where: kinnd = 'page'\n    page: {location: urrl}\n    params: {a: 'sum(url)'}\n"
    with pytest.raises(JobMistakes) as error:
        map_rows(job_of(text), [{"user": "u", "kind": "page", "url": "/"}])
    lines = str(error.value).splitlines()
    assert [line.split()[0] for line in lines] == ["job.yaml:8:", "job.yaml:9:", "job.yaml:10:"]
    assert "did you mean `kind`?" in lines[0]
    assert "did you mean `url`?" in lines[1]


def test_unused_columns_of_any_name_or_type_do_not_matter() -> None:
    schema = pa.schema(
        [("user", pa.string()), ("url", pa.string()), ("key", pa.string()), ("item", pa.binary()), ("", pa.int8())]
    )
    rows = [{"user": "u", "url": "/", "key": "k", "item": b"\xff", "": 1}]
    mapped = map_rows(job_of("events:\n  - {type: pageViewed, page: {location: url}}\n"), rows, schema)
    assert values(mapped, "key") == ["u"]


def test_columns_may_have_the_names_of_fields() -> None:
    rows = [
        {"user": "u", "search": "mug", "isFound": "1", "key": "other", "id": "7", "instant": "x", "email": "a@b.cd"}
    ]
    job = job_of(
        "events:\n  - {type: searchRequest, search: search, isFound: isFound, params: {k: key, id: id, instant: instant}}\n"
    )
    mapped = map_rows(job, rows)
    assert (values(mapped, "search"), values(mapped, "key"), values(mapped, "params.k")) == (
        ["mug"],
        ["u"],
        ['"other"'],
    )


def test_expressions_see_the_batch_and_nothing_else(tmp_path: Path) -> None:
    """The connection itself refuses files, the network, extensions and settings: the second wall behind the parser."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n", "utf-8")
    job = job_of("events:\n  - {type: pageViewed, page: {location: url}}\n")
    batch = batch_of([{"user": "u", "url": "/"}])
    connection = Mapper(job, pa.schema([("user", pa.string()), ("url", pa.string())]), NOW)._connection
    for attempt in (
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_text('{secret}')",
        f"SELECT * FROM glob('{tmp_path}/*')",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        f"ATTACH '{tmp_path}/x.db'",
        "SELECT * FROM read_csv('https://example.com/x.csv')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '10GB'",
        "SELECT * FROM batch_of_python",
    ):
        batch_of_python = batch  # a replacement scan would find it
        with pytest.raises(duckdb.Error):
            connection.execute(attempt).fetchall()
        del batch_of_python
    assert not (tmp_path / "out.csv").exists()


def test_a_job_file_cannot_smuggle_a_file_read_into_an_expression() -> None:
    text = (
        HEAD
        + "events:\n  - {type: pageViewed, page: {location: \"(select content from read_text('/etc/hostname'))\"}}\n"
    )
    with pytest.raises(JobMistakes, match="subquery"):
        map_rows(read_text(text, Path("job.yaml")), [{"user": "u"}])
