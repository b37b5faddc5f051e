"""What an expression may be, and what is refused before any row is read (RULES §11)."""

from collections.abc import Iterator

import duckdb
import pytest

from etl.mapping.expression import ExpressionError, Scope, parse
from etl.mapping.names import Names
from etl.sql import connect

SCOPE = Scope(Names(["sku", "price", "Customer ID", "user", "items"])).plus("mail")


@pytest.fixture(scope="module")
def sql() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(memory="100MB", threads=1) as connection:
        yield connection


def test_a_text_that_is_a_columns_name_is_that_column_even_if_sql_reserves_it(sql: duckdb.DuckDBPyConnection) -> None:
    assert parse("user", SCOPE, sql).sql == '"user"'
    assert parse("Customer ID", SCOPE, sql).sql == '"Customer ID"'


def test_names_are_found_through_functions_lambdas_and_snake_case(sql: duckdb.DuckDBPyConnection) -> None:
    assert parse("lower(customer_id) || mail", SCOPE, sql).uses == {"Customer ID", "mail"}
    assert parse("list_transform(items, lambda x: x.sku || sku)", SCOPE, sql).uses == {"items", "sku"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("skuu", "no column `skuu`; did you mean `sku`?"),
        ("USD", "text is written as SQL writes it: \"'USD'\""),
        ("current_date", "no column `current_date`"),
        ("batch.sku", "no column `batch`"),
        ("now()", "a plan must come out the same twice"),
        ("uuid()", "a plan must come out the same twice"),
        ("random() < 0.5", "a plan must come out the same twice"),
        ("age(price::timestamp)", "a plan must come out the same twice"),
        ("current_setting('threads')", "a plan must come out the same twice"),
        ("getvariable('x')", "a plan must come out the same twice"),
        ("(select max(price))", "a subquery"),
        ("price in (select price)", "a subquery"),
        ("sum(price)", "an expression sees one row"),
        ("row_number() over ()", "a window function"),
        ("unnest(items)", "use `each:`"),
        ("read_text('/etc/passwd')", "sees the row and nothing else"),
        ("lowwer(sku)", "no function `lowwer`; did you mean `lower`?"),
        ("sku, price", "expected one SQL expression"),
        ("sku as s", "expected one SQL expression"),
        ("sku from batch", "expected one SQL expression"),
        ("1) + (2", "not an SQL expression"),
        ("sku; drop table rows", "not an SQL expression"),
        ("", "not an SQL expression"),
        ("*", "name the columns"),
        ("$1", "a parameter"),
    ],
)
def test_what_cannot_be_is_refused_with_words(text: str, words: str, sql: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ExpressionError) as error:
        parse(text, SCOPE, sql)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "safe"),
    [("sku", True), ("lower(trim(mail))", True), ("sku in ('a', 'b')", True), ("try_cast(price as double)", True),
     ("price::double", False), ("strptime(sku, '%Y')", False), ("list_transform(items, lambda x: x::int)", False)],
)  # fmt: skip
def test_only_what_a_value_can_make_fail_needs_a_try(text: str, safe: bool, sql: duckdb.DuckDBPyConnection) -> None:
    assert parse(text, SCOPE, sql).safe is safe
