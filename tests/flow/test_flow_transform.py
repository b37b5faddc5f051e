"""`transform`: a function of the user's over each batch; rows keep their places, and its mistakes are told as such."""

from __future__ import annotations

from pathlib import Path

import pytest
from planned import HEAD, Planned, csv_text, plan

from etl.errors import JobError
from etl.flow.inputs import describe
from etl.job.fingerprint import mapping_hash
from etl.job.read import JobMistakes, read_text
from etl.source.chunk import Limits

RULE = """
transform: clean.py:clean
events:
  - type: productViewed
    product: {productId: sku, price: price}
"""
ROWS = [
    {"user": f"u{n % 3}", "time": f"2026-11-20T10:00:{n:02d}Z", "sku": f"SKU-{n:03d}", "price": str(n % 4)}
    for n in range(40)
]


def with_code(folder: Path, code: str, *, limits: Limits | None = None, rule: str = RULE, rows=ROWS) -> Planned:
    (folder / "clean.py").write_text(f"import pandas as pd\n\n{code}\n", "utf-8")
    return plan(folder, rule, {"a.csv": csv_text(rows)}, limits=limits)


@pytest.mark.parametrize("block", [100, 700, 1 << 20])
def test_it_may_drop_rows_and_change_columns_and_rows_keep_their_places(tmp_path: Path, block: int) -> None:
    code = """def clean(rows):
    rows = rows[rows["price"].astype("int64[pyarrow]") > 0]
    rows = rows.assign(sku=rows["sku"].str.removeprefix("SKU-"))
    return rows.sort_values("sku", ascending=False)"""
    found = with_code(tmp_path, code, limits=Limits(block=block))
    assert found.books.balance == 0
    assert (found.books.rows, found.books.filtered, found.books.events) == (40, {"transform": 10}, 30)
    kept = [n for n in range(40) if n % 4]
    assert [row["row"] for row in found.outbox] == [n + 2 for n in kept]
    assert found.params("product")[0] == '{"productId":"001","price":1}'


def test_new_columns_can_be_used_and_text_keeps_every_character(tmp_path: Path) -> None:
    code = """def clean(rows):
    return rows.assign(name=rows["sku"].str[-3:], dear=rows["price"] == "3")"""
    rule = RULE.replace("productId: sku", "productId: name") + "    where: dear\n"
    found = with_code(tmp_path, code, rule=rule)
    assert (found.books.events, found.books.filtered) == (10, {"no_rule": 30})
    assert found.params("product")[0] == '{"productId":"003","price":3}'


def test_what_is_invalid_shows_the_row_as_it_stands_in_the_input(tmp_path: Path) -> None:
    code = 'def clean(rows):\n    return rows.assign(price="n/a")'
    found = with_code(tmp_path, code, rows=ROWS[:1])
    assert found.quarantine[0]["reasons"] == ["product.price.not_a_number"]
    assert '"price":"0"' in found.quarantine[0]["original"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def clean(rows):\n    return rows['no such column']", "line 4: KeyError"),
        (
            "def clean(rows):\n    return rows.head(1).iloc[0] if len(rows) else rows",
            "gives back Series, not a DataFrame",
        ),
        ("def clean(rows):\n    return None", "gives back NoneType, not a DataFrame"),
        ("def clean(rows):\n    return pd.concat([rows, rows])", "rows that it did not get"),
        ("def clean(rows):\n    return rows.set_index(rows.index + 1)", "rows that it did not get"),
        ("def clean(rows):\n    return rows.assign(a=1) if len(rows) == 0 else rows", "has no column 'a'"),
        (
            "def clean(rows):\n    return rows.assign(a=rows['price'].astype('int64') if len(rows) == 0 else 'x')",
            "column 'a' holds",
        ),
        ("def tidy(rows):\n    return rows", "no function 'clean'"),
        ("def clean(rows:\n    return rows", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_its_mistakes_are_told_with_file_and_function_and_stop_before_anything_is_sent(
    tmp_path: Path, code: str, words: str
) -> None:
    with pytest.raises(JobError) as caught:
        with_code(tmp_path, code)
    assert words in str(caught.value)
    assert "clean.py" in str(caught.value)


def test_a_file_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no Python file"):
        plan(tmp_path, RULE, ROWS)


def test_expressions_are_checked_against_what_comes_out_of_it(tmp_path: Path) -> None:
    with pytest.raises(JobMistakes, match="no column `sku`"):
        with_code(tmp_path, 'def clean(rows):\n    return rows.rename(columns={"sku": "product"})')
    job = read_text(HEAD + RULE, tmp_path / "job.yaml")
    columns = describe(job, None).columns
    assert columns is not None
    assert columns.names == ["user", "time", "product", "price"]


def test_its_code_is_part_of_the_mapping(tmp_path: Path) -> None:
    job = read_text(HEAD + RULE, tmp_path / "job.yaml")
    hashes = set()
    for code in ("def clean(rows): return rows", "def clean(rows): return rows[:1]"):
        (tmp_path / "clean.py").write_text(code)
        hashes.add(mapping_hash(job))
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('rows["user"].astype(str).map(int)\n    return rows', "***17"),
        ('rows["price"].astype(str).map({}.__getitem__)\n    return rows', "'12,5'"),
        ('raise ValueError(f"cannot use {list(rows.user)[0]} of ann@shop")', "cannot use ***17 of a***@***"),
        ('return rows.assign(n=rows["missing"])', "'missing'"),
    ],
)
def test_its_errors_show_no_contact_and_what_else_is_wrong(tmp_path: Path, body: str, told: str) -> None:
    rows = [{**ROWS[0], "user": "cust-0017", "price": "12,5"}]
    with pytest.raises(JobError) as error:
        with_code(tmp_path, f"def clean(rows):\n    if not len(rows):\n        return rows\n    {body}", rows=rows)
    assert told in error.value.message
    assert "cust" not in error.value.message
    assert "clean.py:clean: line " in error.value.message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("pd.concat([rows, rows[['sku']]], axis=1)", "'sku' twice"),
        ("rows.assign(SKU=rows['sku'])", "'sku' and 'SKU'"),
        ("rows.assign(_row=1)", "'_row', a name that is kept"),
        ("rows.assign(_Ordinal=1)", "'_Ordinal', a name that is kept"),
        ("rows.rename(columns={'sku': '!sku'})", "'!sku', a name that is kept"),
    ],
)
def test_columns_that_are_one_or_that_places_have_are_a_mistake_with_its_line(
    tmp_path: Path, given: str, told: str
) -> None:
    with pytest.raises(JobError) as error:
        with_code(tmp_path, f"def clean(rows):\n    return {given}")
    assert "clean.py:clean: line 3: it gives" in str(error.value)
    assert told in str(error.value)
