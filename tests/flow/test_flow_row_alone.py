"""An event's id and body say what its row says, whatever other rows the input holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from etl.flow.inputs import settings_of
from etl.flow.prepare import Preparer
from etl.job.read import read_text
from etl.source.chunk import Limits
from etl.source.reader import open_source

HEAD = """
job: small
source: {path: in.ndjson, decimal: ","}
contact: {externalCustomerId: user}
time: {column: t}
delivery: {api: sandbox, stale: send}
"""
JOB = """
let: {same: p, inner: box.v}
events:
  - type: pageViewed
    page: {location: "'/x'"}
    params: {p: p, same: same, box: box, v: box.v, w: "box['w']", inner: inner}
  - type: productViewed
    product: {productId: box.v, price: p, colour: box.w}
  - type: searchRequest
    each: items
    search: item.v
    isFound: item.f
    params: {whole: item, v: item.v, p: p}
"""

NUMBERS = st.one_of(
    st.integers(-3, 12),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**30]),
    st.floats(allow_nan=False, allow_infinity=False),
    # Not 1e400: as a price it is `not_a_number` alone and `missing` in a column of several types, invalid in both.
    st.sampled_from([Decimal("1.50"), Decimal("5.0"), Decimal("1E+3"), Decimal("-0.0"), Decimal("1E-7")]),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.sampled_from(["5", "5.0", "1,5", "true", "{}", "[1]", "null", " ", "\t", "\0", "a\0", '"q"', "é\\", "\x1f"]),
)
KEYS = st.sampled_from(["a", "b", "c", "A", "", 'k"', "x y", "я"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
ITEMS = st.lists(st.fixed_dictionaries({"v": VALUES, "f": SCALARS}), min_size=1, max_size=3)
ROWS = st.fixed_dictionaries(
    {"p": VALUES, "box": st.fixed_dictionaries({"v": VALUES, "w": VALUES}, optional={"more": VALUES}), "items": ITEMS},
    optional={"other": VALUES},
)


def text_of(value: Any) -> str:
    """JSON with decimals as they stand."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{text_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def line_of(row: dict[str, Any], number: int) -> str:
    return text_of({"user": f"u{number}", "t": "2026-11-24T10:00:00Z", **row})


def events(folder: Path, lines: list[str], job: str = HEAD + JOB, block: int = 1 << 20) -> set[tuple[Any, ...]]:
    """What the lines become: (user or reasons, rule, id, body) of each event and refused match."""
    (folder / "in.ndjson").write_text("\n".join(lines) + "\n", "utf-8")
    found = read_text(job, folder / "job.yaml")
    source = open_source(settings_of(found, None), found.folder, Limits(block=block))
    preparer = Preparer(
        found, source.schema, source.files, None, datetime(2026, 11, 24, 12, tzinfo=UTC), own=source.own
    )
    made: set[tuple[Any, ...]] = set()
    for number, batch in enumerate(source.batches(preparer.columns)):
        prepared = preparer.prepare(preparer.begin(number, batch))
        for table in prepared.events:
            made |= {(row["key"], row["rule"], row["item"], row["id"], row["body"]) for row in table.to_pylist()}
        for table in prepared.quarantine:
            rows = lines_of(folder)
            made |= {
                (json.loads(rows[row["row"] - 1])["user"], row["rule"], *sorted(row["reasons"]))
                for row in table.to_pylist()
            }
    return made


def lines_of(folder: Path) -> list[str]:
    return (folder / "in.ndjson").read_text("utf-8").split("\n")


@given(rows=st.lists(ROWS, min_size=2, max_size=3), block=st.sampled_from([1, 200, 1 << 20]))
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_a_row_of_a_file_becomes_the_events_that_it_becomes_alone(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], block: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    lines = [line_of(row, number) for number, row in enumerate(rows)]
    alone: set[tuple[Any, ...]] = set()
    for line in lines:
        alone |= events(folder, [line])
    assert events(folder, lines, block=block) == alone


def bodies(folder: Path, *written: str, job: str, key: str = "p") -> list[Any]:
    """The parameters of each row's event, in the order of the rows."""
    lines = [f'{{"user":"u{n}","t":"2026-11-24T10:00:00Z","{key}":{value}}}' for n, value in enumerate(written)]
    made = sorted(events(folder, lines, HEAD + job), key=str)
    return [{p["name"]: p["value"] for p in json.loads(row[-1])["params"]} for row in made]


WHOLE = """
events:
  - {type: pageViewed, page: {location: "'/x'"}, params: {p: p}}
"""
MIXED = ["5", '"5"', "5.50", "true", '{"b": 1, "a": null}', "[1, null]", "1e3", "9007199254740993", "{}", '{"B": 2}']


def test_a_parameter_of_a_mixed_column_is_what_the_row_holds(tmp_path: Path) -> None:
    values = [body.get("p") for body in bodies(tmp_path, *MIXED, job=WHOLE)]
    assert values == [5, "5", 5.5, True, {"b": 1}, [1, None], 1000, 9007199254740993, {}, {"B": 2}]
    assert [type(value) for value in values[:3]] == [int, str, float]


def test_integers_beyond_64_bits_are_text_and_numbers_beyond_a_float_are_null(tmp_path: Path) -> None:
    values = [body.get("p") for body in bodies(tmp_path, "7", str(2**63), "1e400", '" "', '"\\u0000"', job=WHOLE)]
    assert values == [7, str(2**63), None, None, None]


def test_a_product_number_is_the_same_beside_rows_with_fractions_and_texts(tmp_path: Path) -> None:
    job = """
events:
  - {type: productViewed, product: {productId: p, price: "'1,5'", colour: p}}
"""
    for others in ([], ["5.5"], ["5.5", '"x"'], ['["x", 5]', "{}"]):
        body = bodies(tmp_path, "5", *others, job=job)[0]
        assert json.loads(body["product"]) == {"productId": "5", "price": 1.5, "colour": ["5"]}


def test_a_list_is_a_list_of_texts_where_other_rows_hold_one_text(tmp_path: Path) -> None:
    job = """
events:
  - {type: productViewed, product: {productId: "'x'", price: "'1,5'", colour: p}}
"""
    products = [json.loads(body["product"]) for body in bodies(tmp_path, '["red", 5, null]', '"blue"', "7", job=job)]
    assert [product["colour"] for product in products] == [["red", "5"], ["blue"], ["7"]]


def test_an_exploded_element_is_what_the_row_holds(tmp_path: Path) -> None:
    job = WHOLE.replace("params: {p: p}", "params: {p: o.list}")
    head = HEAD.replace('decimal: ","', "explode: o.list")
    lines = [
        f'{{"user":"u{n}","t":"2026-11-24T10:00:00Z","o":{{"x":1,"list":{value}}}}}'
        for n, value in enumerate(['[5, "5"]', '["x", {"k": null}]', "[]", "null"])
    ]
    made = sorted(events(tmp_path, lines, head + job), key=lambda row: (row[0], str(row[-1])))
    values = [{p["name"]: p["value"] for p in json.loads(row[-1])["params"]}.get("p") for row in made]
    assert sorted(values, key=repr) == sorted([5, "5", "x", {}, None, None], key=repr)


def test_a_column_typed_as_text_is_the_same_beside_rows_with_fractions(tmp_path: Path) -> None:
    head = HEAD.replace('decimal: ","', "types: {p: text}")
    lines = [f'{{"user":"u{n}","t":"2026-11-24T10:00:00Z","p":{value}}}' for n, value in enumerate(["5", "5.5", "7.0"])]
    made = sorted(events(tmp_path, lines, head + WHOLE), key=str)
    assert [json.loads(row[-1])["params"][-1]["value"] for row in made] == ["5", "5.5", "7"]
