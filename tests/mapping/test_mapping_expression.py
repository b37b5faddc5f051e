"""What an expression may be, and what is refused before any row is read (RULES §11)."""

from collections.abc import Iterator

import duckdb
import pytest

from etl.mapping.allowed import ALLOWED
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


@pytest.mark.parametrize(
    "call",
    [
        "json_serialize_plan('select 1')",
        "json_serialize_sql('select 1')",
        "json_deserialize_sql(sku)",
        "main.json_serialize_plan(sku)",
        "sku.json_serialize_plan()",
        "sleep_ms(1000)",
        "pg_sleep(1)",
        "write_log('x')",
        "nextval('s')",
        "setseed(0.5)",
        "current_user()",
        "inet_server_addr()",
        "version()",
        "has_table_privilege('t', 'select')",
        "error('x')",
        "getenv('HOME')",
        "read_blob('/etc/passwd')",
        "query('select 1')",
        "json_group_array(sku)",
        "list_transform(items, lambda x: json_serialize_plan(x))",
    ],
)
def test_a_function_that_is_not_on_the_list_is_refused(call: str, sql: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ExpressionError, match=r"not possible here|no function|an expression sees one row"):
        parse(call, SCOPE, sql)


@pytest.mark.parametrize(
    "text",
    [
        "extract(year from price::date)",
        "sku like 'a!%' escape '!'",
        "sku similar to 'a.*'",
        "items[1]",
        "sku[1:2]",
        "[x.sku for x in items if x.sku is not null]",
        "{'a': sku, 'b': [1, 2]}",
        "map {'a': 1}['a']",
        "price::timestamp at time zone 'Europe/Kyiv'",
        "price::date + interval 1 day",
        "trim(both ' ' from sku) || position('a' in sku) || substring(sku from 2 for 1)",
        "case when sku is distinct from mail then if(true, 1, 2) else price ** 2 % 3 end",
        "sku ->> '$.a'",
        "formatReadableSize(1000)",
        "list_sum([1, 2]) + list_aggregate([1, 2], 'max') + days_in_month(price::date)",
    ],
)
def test_what_sql_writes_without_a_name_is_on_the_list(text: str, sql: duckdb.DuckDBPyConnection) -> None:
    assert parse(text, SCOPE, sql).sql


def test_every_function_on_the_list_is_one_of_duckdb_that_tells_the_same_twice(sql: duckdb.DuckDBPyConnection) -> None:
    rows = sql.execute(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
        "WHERE (function_type = 'scalar' AND stability = 'CONSISTENT') OR function_type = 'macro'"
    ).fetchall()
    assert {name for (name,) in rows} >= ALLOWED
