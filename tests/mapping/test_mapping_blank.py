"""Blank text is null at any depth, identifiers lose what surrounds them, NUL leaves texts."""

from __future__ import annotations

import json

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapping_job import job_of, map_rows, values

from etl.mapping import blank
from etl.mapping.contact_lists import read_lists
from etl.sql import literal

#: The characters with the property White_Space of Unicode 15, written down here once more.
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
UNSEEN = "\xad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
PAGE = "events:\n  - {type: pageViewed, page: {location: url}}\n"
HEAD_WITHOUT_CONTACT = "job: small\nsource: {path: in.csv}\ndelivery: {api: sandbox}\n"
CATEGORY = "events:\n  - {type: productCategoryViewed, category: {productCategoryId: c}, params: {p: p}}\n"


@pytest.fixture(scope="module")
def sql() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def value_of(connection: duckdb.DuckDBPyConnection, statement: str) -> object:
    found = connection.execute(f"SELECT {statement}").fetchone()
    assert found is not None
    return found[0]


TEXTS = st.text(st.sampled_from(SPACES + UNSEEN + "\x1c\x1f" + "a0é\U0001f600"), max_size=8)


@given(TEXTS)
def test_an_identifier_is_its_text_without_the_blanks_and_unseen_marks_around_it(sql, text: str) -> None:
    assert value_of(sql, blank.identifier(literal(text))) == (text.strip(SPACES + UNSEEN) or None)


@given(TEXTS)
def test_a_text_of_white_space_is_null_and_any_other_stays_as_it_is(sql, text: str) -> None:
    assert value_of(sql, blank.present(literal(text))) == (text if text.strip(SPACES) else None)
    assert value_of(sql, blank.stripped(literal(text))) == (text.strip(SPACES) or None)


@given(st.recursive(st.text(st.sampled_from('\0\\u0ab"\n'), max_size=6), lambda inner: st.lists(inner, max_size=3)))
def test_nul_leaves_the_strings_of_json_and_nothing_else_changes(sql, value: object) -> None:
    def cleaned(one: object) -> object:
        return one.replace("\0", "") if isinstance(one, str) else [cleaned(part) for part in one]

    written = value_of(sql, blank.without_json_nul(literal(json.dumps(value))))
    assert json.loads(str(written)) == cleaned(value)


def test_a_blank_result_of_an_expression_is_null_whatever_blanks_it_holds() -> None:
    job = job_of(PAGE.replace("{location: url}", "{location: url || chr(9)}"))
    mapped = map_rows(job, [{"user": "u", "url": "\n"}, {"user": "u", "url": "/a"}])
    assert values(mapped, "page.location") == [None, "/a\t"]


def test_blank_values_of_a_map_are_null() -> None:
    schema = pa.schema([("user", pa.string()), ("m", pa.map_(pa.string(), pa.string()))])
    job = job_of("events:\n  - {type: pageViewed, page: {location: \"m['url']\"}}\n")
    rows = [{"user": "u", "m": [("url", " \t")]}, {"user": "u", "m": None}, {"user": "u", "m": [("url", "/a")]}]
    assert values(map_rows(job, rows, schema), "page.location") == [None, None, "/a"]


@pytest.mark.parametrize("around", ["\t", "\r\n", "\xa0", "\u200b", "\ufeff", " \t "])
def test_blanks_around_a_locator_do_not_carry_it_past_the_list_of_suppressed_contacts(around: str) -> None:
    lists = read_lists([pa.array(["00123", "ann@example.com", "+380501234567"])], None)
    job = job_of("contact: {externalCustomerId: user, email: mail, phone: phone}\n" + PAGE, HEAD_WITHOUT_CONTACT)
    rows = [
        {"user": f"{around}00123{around}", "mail": "", "phone": "", "url": "/a"},
        {"user": "", "mail": f"Ann@example.com{around}", "phone": "", "url": "/a"},
        {"user": "", "mail": "", "phone": f"{around}+380 50\xa0123-45-67", "url": "/a"},
        {"user": "00124", "mail": "", "phone": "", "url": "/a"},
    ]
    mapped = map_rows(job, rows, contacts=lists)
    assert mapped.filtered["suppressed"] == 3
    assert values(mapped, "key") == ["00124"]


@pytest.mark.parametrize("entry", ["00123\t", "\ufeff00123", "\xa000123 "])
def test_blanks_around_an_entry_of_the_list_do_not_hide_it(entry: str) -> None:
    job = job_of(PAGE)
    lists = read_lists([pa.array([entry])], None)
    assert map_rows(job, [{"user": "00123", "url": "/a"}], contacts=lists).filtered["suppressed"] == 1


def test_the_keyvalue_of_the_job_loses_the_blanks_around_it_too() -> None:
    job = job_of("key_value: k\n" + PAGE)
    mapped = map_rows(job, [{"user": "u", "k": "\t7 ", "url": "/a"}, {"user": "u", "k": "\t", "url": "/a"}])
    assert values(mapped, "key") == ["7", "u"]


def test_nul_leaves_texts_and_parameters_and_stays_in_identifiers_which_are_then_refused() -> None:
    job = job_of(CATEGORY)
    rows = [
        {"user": "u", "c": "a\0b", "p": "x\0\0y"},
        {"user": "u", "c": "\0", "p": "\0"},
        {"user": "u\0v", "c": "c", "p": "p"},
    ]
    mapped = map_rows(job, rows)
    assert values(mapped, "category.productCategoryId") == ["ab", None, "c"]
    assert [json.loads(text or "null") for text in values(mapped, "params.p")] == ["xy", None, "p"]
    assert values(mapped, "key") == ["u", "u", "u\0v"]
