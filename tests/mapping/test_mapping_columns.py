"""A job decides what a column means: no name of a source's column can take the place of ours, or of another."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from mapping_job import HEAD, failures, faults, job_of, map_rows, values

from etl.job.read import JobMistakes

PAGE = "  - {type: pageViewed, page: {location: url}"


@pytest.mark.parametrize(
    "name", ["key_value", "contact.email", "id", "key", "_out", "_taken_0", "_item", "_group", "filters.x", "cleared"]
)
def test_a_column_with_a_name_of_ours_is_data_and_nothing_else(name: str) -> None:
    job = job_of(f"events:\n{PAGE}, params: {{p: '\"{name}\"'}}}}\n" + PAGE + "}\n")
    mapped = map_rows(job, [{"user": "u", "url": "/", name: "other@example.com"}])
    for rule in (0, 1):
        assert values(mapped, "key", rule) == ["u"]
        assert values(mapped, "contact.email", rule) == [None]
    assert values(mapped, "params.p") == ['"other@example.com"']


@pytest.mark.parametrize("name", ["group", "order", "select", "My Col", 'a "quoted" one', "where.x", "ціна", "1st"])
def test_a_value_that_is_exactly_a_columns_name_is_that_column(name: str) -> None:
    job = job_of("events:\n  - type: pageViewed\n    page:\n      location: '" + name + "'\n")
    assert values(map_rows(job, [{"user": "u", name: "x"}]), "page.location") == ["x"]


@pytest.mark.parametrize(
    ("column", "text"),
    [("Order", "order"), ("Group", "group"), ("SELECT", "select"), ("User Table", "user_table"), ("Ціна", "ціна"),
     ("ЦІНА", "Ціна"), ("Ціна Товару", "ціна_товару"), ("Ціна", "lower(ціна)"), ("Ціна", "upper(ЦІНА).lower()"),
     ("Customer ID", "lower(CUSTOMER_ID)"), ("DATE", "date")],
)  # fmt: skip
def test_a_column_is_found_by_its_snake_case_in_any_case_and_alphabet(column: str, text: str) -> None:
    job = job_of("events:\n  - type: pageViewed\n    page:\n      location: " + text + "\n")
    assert values(map_rows(job, [{"user": "u", column: "x"}]), "page.location") == ["x"]


def test_types_hold_for_a_column_by_whatever_name_it_is_called() -> None:
    head = HEAD.replace("path: in.csv", "path: in.csv, types: {ціна: int, order: timestamp}")
    texts = "{a: ціна + 1, b: ЦІНА + 1, c: Ціна, d: order}"
    job = job_of(f"events:\n{PAGE}, params: {texts}}}\n", head + "time: order\n")
    rows = [{"user": "u", "url": "/", "Ціна": price, "Order": "2026-11-20T10:00:00+02:00"} for price in ("1", "x")]
    mapped = map_rows(job, rows)
    assert [values(mapped, f"params.{name}")[0] for name in "abcd"] == ["2", "2", "1", '"2026-11-20T08:00:00"']
    assert values(mapped, "instant")[0].hour == 8
    assert faults(mapped) == [[], ["params.a.failed", "params.b.failed", "params.c.failed"]]


@pytest.mark.parametrize("constant", ["null", "true", "FALSE"])
def test_a_constant_is_no_column_in_another_case(constant: str) -> None:
    job = job_of(f"events:\n{PAGE}, params: {{p: '{constant}'}}}}\n")
    expected = {"null": None, "true": "true", "FALSE": "false"}[constant]
    assert values(map_rows(job, [{"user": "u", "url": "/", constant.title(): "x"}]), "params.p") == [expected]


def test_a_name_of_let_is_not_confused_with_a_column_in_another_case() -> None:
    job = job_of(
        f"let: {{Ціна: \"'let'\", Total: \"'let'\"}}\nevents:\n{PAGE}, params: {{a: Ціна, b: ціна, c: total}}}}\n"
    )
    mapped = map_rows(job, [{"user": "u", "url": "/", "ціна": "column", "TOTAL": "column"}])
    assert [values(mapped, f"params.{name}") for name in "abc"] == [['"let"'], ['"column"'], ['"let"']]


def test_a_name_that_a_file_has_in_two_spellings_must_be_told_apart() -> None:
    rows = [{"user": "u", "Price": "1", "price_2": "2", "url": "/"}]  # how the source gives `Price,price`
    for text, expected in (("Price", '"1"'), ("price_2", '"2"')):
        assert values(map_rows(job_of(f"events:\n{PAGE}, params: {{p: {text}}}}}\n"), rows), "params.p") == [expected]
    with pytest.raises(JobMistakes, match="`price` may be `Price` or `price_2`"):
        map_rows(job_of(f"events:\n{PAGE}, params: {{p: price}}}}\n"), rows)


def test_a_cart_with_a_line_that_fails_as_try_does_not_see_is_marked_as_not_whole() -> None:
    job = job_of(
        "events:\n  - type: cartUpdated\n    lines: [cart]\n    recycleStateId: cart\n    products:\n      productId: sku\n"
        "      quantity: \"'1'\"\n      price: \"'1'\"\n      at: \"timezone(tz, timestamptz '2026-01-01 00:00:00+00')\"\n"
        + PAGE
        + "}\n"
    )
    rows = [
        {"user": "u", "cart": "k", "sku": s, "tz": tz, "url": "/"}
        for s, tz in (("a", "UTC"), ("b", "Atlantis"), ("c", "UTC"))
    ]
    mapped = map_rows(job, rows)
    lines = pa.concat_tables([found.table for found in mapped.by_rule if found.rule == 0], promote_options="default")
    assert len(set(lines["_group"].to_pylist())) == 1
    assert lines["fault:expression.failed"].to_pylist().count(True) == 1
    assert (
        sum(found.table.num_rows for found in mapped.by_rule if found.rule == 1) == 3
    )  # the row's other match is whole
    assert failures(mapped) == []


def test_one_unreadable_time_at_the_top_does_not_spoil_the_column() -> None:
    job = job_of(f"events:\n{PAGE}}}\n", HEAD + "time: {column: t}\n")
    rows = [
        {"user": "u", "url": "/", "t": t} for t in ("unknown", "0", "1763900000", "1763900001", "0001-01-01 00:00:00")
    ]
    assert faults(map_rows(job, rows)) == [["time"], ["time"], [], [], ["time"]]


def test_large_whole_numbers_keep_their_digits_and_infinity_is_null() -> None:
    schema = pa.schema([("user", pa.float64()), ("url", pa.string())])
    numbers = [1234567890123456.0, float("inf"), 2.5]
    mapped = map_rows(job_of(f"events:\n{PAGE}}}\n"), [{"user": n, "url": "/"} for n in numbers], schema)
    assert values(mapped, "key") == ["1234567890123456", None, "2.5"]


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ([1.5, NAN, -INF], pa.list_(pa.float64()), "[1.5,null,null]"),
        ({"nan": INF, "t": "NaN"}, pa.struct([("nan", pa.float32()), ("t", pa.string())]), '{"t":"NaN"}'),
        ([{"x": [NAN]}], pa.list_(pa.struct([("x", pa.list_(pa.float64()))])), '[{"x":[null]}]'),
        ([("a", NAN)], pa.map_(pa.string(), pa.float64()), "{}"),
    ],
)
def test_nan_inside_a_nested_value_is_null_in_a_list_and_absent_in_an_object(
    value: object, kind: pa.DataType, expected: str
) -> None:
    job = job_of(f"events:\n{PAGE}, params: {{p: v}}}}\n")
    schema = pa.schema([("user", pa.string()), ("url", pa.string()), ("v", kind)])
    assert values(map_rows(job, [{"user": "u", "url": "/", "v": value}], schema), "params.p") == [expected]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"x": NaN, "y": "NaN, \\"Infinity"}', '{"x": null, "y": "NaN, \\"Infinity"}'),
        ("[-Infinity, inf, 1.50]", "[null, null, 1.50]"),
        ('{"finance": [1, 2,], "b": {"c": 1,},}', '{"finance":[1,2],"b":{"c":1}}'),
        ('{ "as": "written", "n": 1.10 }', '{ "as": "written", "n": 1.10 }'),
        (" NaN ", None),
        ("null", None),
    ],
)
def test_json_is_sent_as_it_is_written_where_it_is_json_at_all(written: str, expected: str | None) -> None:
    job = job_of(f"events:\n{PAGE}, params: {{p: 'v::json'}}}}\n")
    assert values(map_rows(job, [{"user": "u", "url": "/", "v": written}]), "params.p") == [expected]


def test_jsons_arrow_works_and_the_lambda_of_old_is_told_how_to_be_written() -> None:
    rows = [{"user": "u", "url": "/", "j": '{"a": {"b": "x"}}'}]
    mapped = map_rows(job_of("events:\n  - type: pageViewed\n    page:\n      location: j->'a'->>'b'\n"), rows)
    assert values(mapped, "page.location") == ["x"]
    with pytest.raises(JobMistakes, match="a lambda is written `lambda x: …`"):
        map_rows(
            job_of("events:\n  - type: pageViewed\n    page:\n      location: list_transform([url], x -> x)[1]\n"), rows
        )


def test_a_window_without_times_is_a_mistake() -> None:
    with pytest.raises(JobMistakes, match="a window needs times"):
        map_rows(
            job_of(f"events:\n{PAGE}}}\ndedupe: {{pageViewed: {{window: 5m, by: []}}}}\n"), [{"user": "u", "url": "/"}]
        )


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (
            {"b": None, "a": {"y": 5.0, "x": None}},
            pa.struct(
                [("b", pa.string()), ("a", pa.struct([("y", pa.float64()), ("x", pa.int64())])), ("c", pa.int64())]
            ),
            '{"a":{"y":5}}',
        ),
        (
            [{"b": 1, "a": None}, None, {}],
            pa.list_(pa.struct([("b", pa.int64()), ("a", pa.int64())])),
            '[{"b":1},null,{}]',
        ),
        ([("k", None), ('"q"', [2.0])], pa.map_(pa.string(), pa.list_(pa.float64())), '{"\\"q\\"":[2]}'),
        (
            [None, [datetime(2026, 1, 2, 3, tzinfo=UTC)]],
            pa.list_(pa.list_(pa.timestamp("us", tz="UTC"))),
            '[null,["2026-01-02T03:00:00.000000Z"]]',
        ),
        ({"a": "x\0", "b": " "}, pa.struct([("a", pa.string()), ("b", pa.string())]), '{"a":"x"}'),
    ],
)
def test_the_json_of_a_nested_value_names_what_the_row_has_in_the_order_of_names(
    value: object, kind: pa.DataType, expected: str
) -> None:
    job = job_of(f"events:\n{PAGE}, params: {{p: v}}}}\n")
    schema = pa.schema([("user", pa.string()), ("url", pa.string()), ("v", kind)])
    assert values(map_rows(job, [{"user": "u", "url": "/", "v": value}], schema), "params.p") == [expected]
