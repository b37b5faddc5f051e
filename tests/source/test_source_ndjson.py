"""NDJSON: the columns are the union of all lines; nothing that was written is changed."""

from __future__ import annotations

import gzip
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import InputError, JobError
from etl.source import Source, SourceSettings, Unread, open_source
from etl.source.chunk import BATCH_ROWS, Limits


def source(folder: Path, *blobs: str | bytes, limits: Limits | None = None, **options: Any) -> Source:
    names = []
    for number, blob in enumerate(blobs):
        (folder / f"{number}.ndjson").write_bytes(blob if isinstance(blob, bytes) else blob.encode())
        names.append(f"{number}.ndjson")
    return open_source(SourceSettings(paths=tuple(names), **options), folder, limits)


def read(opened: Source, columns: list[str] | None = None) -> tuple[list[dict[str, Any]], list[Unread]]:
    rows: list[dict[str, Any]] = []
    unread: list[Unread] = []
    ordinal = -1
    for batch in opened.batches(columns):
        for row in batch.table.to_pylist():
            assert row["_ordinal"] > ordinal
            ordinal = row["_ordinal"]
            rows.append(row)
        unread += batch.unread
    return rows, unread


def values(opened: Source, name: str = "a") -> list[Any]:
    return [row[name] for row in read(opened)[0]]


def lines(*items: str) -> str:
    return "\n".join(items) + "\n"


def test_shapes_that_differ_are_united(tmp_path: Path) -> None:
    opened = source(
        tmp_path,
        lines('{"index": {"_id": "x"}}', '{"q": "shoes", "n": 1, "ok": true}'),
        lines('{"user": {"id": 7, "tags": ["a", null]}}', '{"user": {"name": "é"}, "n": null}'),
    )
    assert opened.schema.field("user").type == pa.struct(
        [("id", pa.int64()), ("tags", pa.list_(pa.string())), ("name", pa.string())]
    )
    rows, unread = read(opened)
    assert not unread
    assert [row["q"] for row in rows] == [None, "shoes", None, None]
    assert rows[0]["index"] == {"_id": "x"}
    assert rows[2]["user"] == {"id": 7, "tags": ["a", None], "name": None}
    assert rows[3]["user"] == {"id": None, "tags": None, "name": "é"}
    assert [(row["_file"], row["_row"]) for row in rows] == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_text_that_looks_like_something_else_stays_text(tmp_path: Path) -> None:
    texts = ["2026-01-01", "00123", "1e5", "true", "null", "\0", ' "quoted" ', "𝒳 é"]
    opened = source(tmp_path, lines(*(json.dumps({"a": text}) for text in texts)))
    assert values(opened) == texts


@pytest.mark.parametrize(
    ("written", "kind", "expected"),
    [
        (["1", "2.5"], pa.float64(), [1.0, 2.5]),
        (["1", "-9223372036854775808"], pa.int64(), [1, -9223372036854775808]),
        (["1", "9223372036854775808"], pa.string(), ["1", "9223372036854775808"]),
        (["123456789012345678901234567890"], pa.string(), ["123456789012345678901234567890"]),
        (["9007199254740993", "1.50"], pa.string(), ["9007199254740993", "1.50"]),
        (["1234567890123456", "1.5"], pa.float64(), [1234567890123456.0, 1.5]),
        (['"x"', "1.10", "1e5", "-0.0", "7"], pa.string(), ["x", "1.10", "1e5", "-0.0", "7"]),
        (["true", "1", '"x"', "null"], pa.string(), ["true", "1", "x", None]),
        (['"x"', '{"b": 1.10, "c": [1, "é"]}'], pa.string(), ["x", '{"b":1.10,"c":[1,"é"]}']),
        (["[1]", "2"], pa.string(), ["[1]", "2"]),
        (['[1, "x", 2.50, null, true]'], pa.list_(pa.string()), [["1", "x", "2.50", None, "true"]]),
        (["{}", "{}"], pa.string(), ["{}", "{}"]),
        (["{}", '{"b": 1}'], pa.struct([("b", pa.int64())]), [{"b": None}, {"b": 1}]),
        (["[{}]", '[{"b": 1}]'], pa.list_(pa.struct([("b", pa.int64())])), [[{"b": None}], [{"b": 1}]]),
        (["[]", "null"], pa.list_(pa.string()), [[], None]),
        (["null"], pa.string(), [None]),
        (["[[1], [], null]"], pa.list_(pa.list_(pa.int64())), [[[1], [], None]]),
        (['[{"b": 1.10}, {"b": "x"}]'], pa.list_(pa.struct([("b", pa.string())])), [[{"b": "1.10"}, {"b": "x"}]]),
    ],
)
def test_a_path_has_the_type_that_holds_all_it_was_given(
    tmp_path: Path, written: list[str], kind: pa.DataType, expected: list[Any]
) -> None:
    opened = source(tmp_path, lines(*(f'{{"a": {value}}}' for value in written)))
    assert opened.schema.field("a").type == kind
    assert values(opened) == expected


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    ("written", "kind", "expected"),
    [
        ('"00123"', pa.string(), "00123"),
        ("7", pa.int64(), 7),
        ("9007199254740993", pa.int64(), 9007199254740993),
        ("1.5", pa.float64(), 1.5),
        ("true", pa.bool_(), True),
        ('{"b": "x"}', pa.struct([("b", pa.string())]), {"b": "x"}),
        ("[1, 2]", pa.list_(pa.int64()), [1, 2]),
    ],
)
def test_nan_and_infinity_are_null_and_say_nothing_of_a_column(
    tmp_path: Path, constant: str, written: str, kind: pa.DataType, expected: Any
) -> None:
    opened = source(tmp_path, lines(f'{{"a": {constant}}}', f'{{"a": {written}}}', f'{{"a":{constant},"a2": 1}}'))
    assert opened.schema.field("a").type == kind
    assert values(opened) == [None, expected, None]


def test_nan_is_null_inside_and_text_where_it_is_text(tmp_path: Path) -> None:
    texts = ["NaN", '"NaN', "a\\", ":NaN,", "Infinity", ""]
    written = "".join(json.dumps(text) + ",NaN," for text in texts)
    opened = source(
        tmp_path, lines(f'{{"a": [{written}-Infinity], "b": {{"NaN": NaN, "c": 1}}}}', '{"b": {"NaN": "x"}}')
    )
    rows, unread = read(opened)
    assert not unread
    assert rows[0]["a"] == [item for text in texts for item in (text, None)] + [None]
    assert [row["b"] for row in rows] == [{"NaN": None, "c": 1}, {"NaN": "x", "c": None}]


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.decimals(-1000, 1000, places=2), st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["k", "K", "v", "", 'q"', "я"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def text_of(value: Any) -> str:
    """Write JSON with decimals as they stand (1.10)."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{text_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    return json.dumps(value)


def is_json_of(got: str, plain: str) -> bool:
    try:
        return bool(json.loads(got) == json.loads(plain))
    except ValueError:
        return False  # the text of another field


def says_nothing(value: Any) -> bool:
    """Say whether a value is null, or a list of nothing, which is null where other rows have an object."""
    return value is None or (isinstance(value, list) and all(inner is None for inner in value))


def is_text_of_nothing(value: Any) -> bool:
    """Say whether a text is that of a list of nothing, at a path of text."""
    return isinstance(value, str) and re.fullmatch(r"\[(null)?(,null)*\]", value) is not None


def agrees(got: Any, value: Any) -> bool:
    """Return whether a value came back: itself, or its text where the path is mixed; a list of nothing may be null."""
    if value is None or (got is None and says_nothing(value)):
        return got is None
    if isinstance(value, dict) and isinstance(got, dict):
        left = [inner for inner in value.values() if not says_nothing(inner)]
        found = [inner for inner in got.values() if not says_nothing(inner) and not is_text_of_nothing(inner)]
        return len(left) == len(found) and all(any(agrees(one, inner) for one in found) for inner in left)
    if isinstance(value, list) and isinstance(got, list):
        return len(got) == len(value) and all(map(agrees, got, value))
    if isinstance(value, float | Decimal | int) and not isinstance(value, bool) and isinstance(got, float | int):
        return float(got) == float(value)
    if isinstance(got, str):
        if isinstance(value, str):
            return got == value
        plain = text_of(value)
        return got == plain or (isinstance(value, dict | list) and is_json_of(got, plain))
    return bool(got == value)


@given(items=st.lists(VALUES, min_size=1, max_size=6), block=st.sampled_from([1, 9, 1 << 20]))
@settings(max_examples=150, deadline=None)
def test_any_value_comes_back_as_itself_or_as_its_text(
    tmp_path_factory: pytest.TempPathFactory, items: list[Any], block: int
) -> None:
    folder = tmp_path_factory.mktemp("json")
    opened = source(folder, lines(*(text_of({"a": item}) for item in items)), limits=Limits(block=block))
    got, unread = read(opened)
    assert not unread
    assert len(got) == len(items)
    for row, item in zip(got, items, strict=True):
        assert agrees(row["a"], item), (row["a"], item)


def test_an_empty_list_where_other_rows_have_an_object_is_null(tmp_path: Path) -> None:
    rows, unread = read(
        source(tmp_path, lines('{"p": {"a": 1, "b": {"c": "x"}}}', '{"p": []}', '{"p": {"b": []}}', '{"p": {}}'))
    )
    assert not unread
    assert [row["p"] for row in rows] == [
        {"a": 1, "b": {"c": "x"}},
        None,
        {"a": None, "b": None},
        {"a": None, "b": None},
    ]


def test_a_list_with_elements_where_other_rows_have_an_object_stays_text(tmp_path: Path) -> None:
    rows, _ = read(source(tmp_path, lines('{"p": {"a": 1}}', '{"p": [2]}', '{"p": []}')))
    assert [row["p"] for row in rows] == ['{"a":1}', "[2]", "[]"]


def test_the_list_to_explode_may_be_missing_in_every_row(tmp_path: Path) -> None:
    for row in ('{"u": 1}', '{"u": 1, "order": null}', '{"u": 1, "order": {}}', '{"u": 1, "order": {"items": null}}'):
        rows, unread = read(source(tmp_path, lines(row), explode="order.items"))
        assert (len(rows), unread) == (1, [])


def test_keys_that_differ_only_in_case_both_survive(tmp_path: Path) -> None:
    opened = source(
        tmp_path,
        lines(
            '{"userId": 1, "userid": 2, "in": {"X": 1, "x": 2.50}}', '{"userid": 3}', '{"userId": 4, "": 5, "_row": 6}'
        ),
    )
    assert opened.schema.names == ["userId", "userid_2", "in", "column", "_row_2"]
    rows, _ = read(opened)
    assert [(row["userId"], row["userid_2"]) for row in rows] == [(1, 2), (None, 3), (4, None)]
    assert rows[0]["in"] == {"X": 1, "x_2": 2.5}
    assert rows[2]["column"] == 5
    assert rows[2]["_row_2"] == 6


def test_lines_that_are_no_objects_are_unread_with_line_and_text(tmp_path: Path) -> None:
    blob = b'\n{"a": 1}\r\n{"a": \n[1]\n \t \n{"a": 2} {"a": \n"x"\n{"a": "caf\xe9"}\n  {"a": 4}\n'
    blob += b'null\n{"a":"\\ud83d"\n{"a": 5}'
    rows, unread = read(source(tmp_path, blob, limits=Limits(block=5)))
    assert [row["a"] for row in rows] == [1, 4, 5]
    assert [row["_row"] for row in rows] == [2, 9, 12]
    assert [(item.row, item.reason, item.text) for item in unread] == [
        (3, "json", '{"a": '),
        (4, "json", "[1]"),
        (6, "json", '{"a": 2} {"a": '),
        (7, "json", '"x"'),
        (8, "utf8", '{"a": "caf\\xe9"}'),
        (10, "json", "null"),
        (11, "json", '{"a":"\\ud83d"'),
    ]
    assert [row["_ordinal"] for row in rows] == [0, 6, 9]


def test_a_json_document_that_is_not_lines_says_how_to_make_it_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one JSON document") as caught:
        source(tmp_path, '[\n {"a": 1},\n {"a": 2}\n]\n')
    assert "jq" in (caught.value.hint or "")


def test_packed_and_recoded_files_are_read(tmp_path: Path) -> None:
    text = lines('{"a": "ї"}', '{"a": "б"}')
    assert values(source(tmp_path, gzip.compress(text.encode()))) == ["ї", "б"]
    assert values(source(tmp_path, text.encode("utf-16"))) == ["ї", "б"]
    assert values(source(tmp_path, text.encode("cp1251"), encoding="cp1251")) == ["ї", "б"]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    opened = source(tmp_path, "", "\n\n")
    assert opened.schema.names == []
    assert read(opened) == ([], [])


def test_deep_nesting_is_json_text_and_no_crash(tmp_path: Path) -> None:
    deep = "[" * 500 + "]" * 500
    opened = source(tmp_path, lines('{"a": 1}', f'{{"b": {deep}}}', '{"a": 2}'))
    rows, unread = read(opened)
    assert [row["a"] for row in rows] == [1, None, 2]
    assert not unread
    assert json.dumps(rows[1]["b"]).count("[") >= 32


def test_an_object_with_very_many_keys_is_json_text(tmp_path: Path) -> None:
    wide = {"m": {f"user {i}": i for i in range(1_500)}}
    opened = source(tmp_path, lines(json.dumps(wide), '{"m": {"x": 1}}'))
    assert opened.schema.field("m").type == pa.string()
    assert json.loads(values(opened, "m")[0]) == wide["m"]


def test_a_line_of_many_megabytes_is_read(tmp_path: Path) -> None:
    text = "x" * (20 << 20)
    rows, unread = read(source(tmp_path, lines('{"a": "y"}', json.dumps({"a": text}))))
    assert [len(row["a"]) for row in rows] == [1, len(text)]
    assert not unread


def test_a_line_beyond_the_limit_is_unread(tmp_path: Path) -> None:
    blob = lines('{"a": 1}', '{"a": "' + "x" * 5_000 + '"}', '{"a": 2}')
    rows, unread = read(source(tmp_path, blob, limits=Limits(block=100, line=1_000)))
    assert [(row["a"], row["_row"]) for row in rows] == [(1, 1), (2, 3)]
    assert [(item.row, item.reason) for item in unread] == [(2, "too_long")]


def test_explode_makes_a_row_of_each_element_and_one_of_none(tmp_path: Path) -> None:
    blob = lines(
        '{"s": 1, "events": [{"t": 1}, {"t": 2}]}',
        '{"s": 2, "events": []}',
        "oops",
        '{"s": 3}',
        '{"s": 4, "events": [null]}',
    )
    rows, unread = read(source(tmp_path, blob, explode="events"))
    assert [(r["s"], r["events"] and r["events"]["t"], r["_row"], r["_element"], r["_ordinal"]) for r in rows] == [
        (1, 1, 1, 0, 0),
        (1, 2, 1, 1, 1),
        (2, None, 2, None, 2),
        (3, None, 4, None, 4),
        (4, None, 5, 0, 5),
    ]
    assert [item.row for item in unread] == [3]


def test_explode_follows_dots_into_objects(tmp_path: Path) -> None:
    opened = source(tmp_path, lines('{"a": {"b": 1, "items": [5, 6]}}', '{"a": null}', '{"c": 1}'), explode="a.items")
    assert opened.schema.field("a").type == pa.struct([("b", pa.int64()), ("items", pa.int64())])
    rows, _ = read(opened, ["a"])
    assert [row["a"] for row in rows] == [{"b": 1, "items": 5}, {"b": 1, "items": 6}, None, None]
    assert [row["_element"] for row in rows] == [0, 1, None, None]
    without, _ = read(opened, ["c"])
    assert [row["c"] for row in without] == [None, None, None, 1]


def test_explode_of_what_is_no_list_is_a_mistake_in_the_job(tmp_path: Path) -> None:
    blob = lines('{"events": [1], "s": 1, "m": [1]}', '{"m": {"x": 1}}')
    with pytest.raises(JobError, match="no column `event`") as caught:
        source(tmp_path, blob, explode="event")
    assert caught.value.hint == "Did you mean `events`?"
    with pytest.raises(JobError, match="not a list"):
        source(tmp_path, blob, explode="s")
    with pytest.raises(JobError, match="`m` is not a list in every row, but text"):
        source(tmp_path, blob, explode="m")


def test_a_long_list_is_cut_into_batches(tmp_path: Path) -> None:
    blob = lines(*(json.dumps({"s": s, "e": list(range(1_000))}) for s in range(200)))
    sizes, ordinals = [], []
    for batch in source(tmp_path, blob, explode="e").batches():
        sizes.append(batch.table.num_rows)
        ordinals += batch.table["_ordinal"].to_pylist()
    assert ordinals == list(range(200_000))
    assert max(sizes) <= BATCH_ROWS


def test_the_first_row_hash_knows_a_longer_or_recompressed_copy(tmp_path: Path) -> None:
    text = lines('{"a": 1}', '{"a": 2}')
    opened = source(tmp_path, text, gzip.compress((text + '{"a": 3}').encode()), lines('{"a": 2}'))
    assert opened.first_rows_hash(0) == opened.first_rows_hash(1) != opened.first_rows_hash(2)


def test_lines_that_are_all_different_in_what_is_null_are_united(tmp_path: Path) -> None:
    picked = [[f"k{bit}" for bit in range(12) if number >> bit & 1] for number in range(4_096)]
    opened = source(
        tmp_path,
        lines(
            *(json.dumps({key: None if n % 3 == 0 else [{"v": n}] for key in keys}) for n, keys in enumerate(picked))
        ),
    )
    assert sorted(opened.schema.names) == sorted(f"k{bit}" for bit in range(12))
    assert set(opened.schema.types) == {pa.list_(pa.struct([("v", pa.int64())]))}
    assert values(opened, "k11")[-4:] == [None if n % 3 == 0 else [{"v": n}] for n in range(4_092, 4_096)]


def test_many_different_structures_with_an_empty_object_in_a_list_are_read_by_hand(tmp_path: Path) -> None:
    items = [{f"k{bit}": 1 for bit in range(10) if number >> bit & 1} | {"l": [{}, 1.10]} for number in range(1_024)]
    opened = source(tmp_path, lines(*map(json.dumps, items)))
    assert opened.schema.field("l").type == pa.list_(pa.string())
    assert values(opened, "l") == [["{}", "1.1"]] * 1_024


@pytest.mark.parametrize(
    "bad",
    [
        '{"a":' + '{"x":' * 900 + "1" + "}" * 901,
        '{"a":' + "[" * 900 + "]" * 900 + "}",
        r'{"a": 1, "b\u0000c": 2}',
        r'{"a": {"\u0000": 2}}',
    ],
)
def test_a_line_too_deep_or_with_nul_in_a_key_is_unread_and_the_rest_goes_on(tmp_path: Path, bad: str) -> None:
    rows, unread = read(source(tmp_path, lines('{"a": "x"}', bad, r'{"a": "y: {\u0000"}')))
    assert [(item.row, item.reason) for item in unread] == [(2, "json")]
    assert [row["_row"] for row in rows] == [1, 3]


@pytest.mark.parametrize("depth", [90, 200, 330, 499, 500, 501])
def test_objects_at_any_depth_are_text_or_unread_and_stop_nothing(tmp_path: Path, depth: int) -> None:
    deep = '{"x":' * depth + "1.5" + "}" * depth
    rows, unread = read(source(tmp_path, lines('{"a": "x"}', f'{{"a":{deep}}}', '{"a": "y"}')))
    assert len(rows) + len(unread) == 3
    assert rows[0]["a"] == "x"
