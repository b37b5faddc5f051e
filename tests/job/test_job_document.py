"""YAML 1.2 as people write it: what YAML passes over in silence is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_example import DESIGN, PATH, changed, event, job, mistakes, small

from etl.job.document import read_document
from etl.job.read import JobMistakes, read_text


def test_words_that_older_yaml_reads_as_booleans_are_text():
    assert read_document("on: yes\noff: no").values == {"on": "yes", "off": "no"}


def test_numbers_stand_in_expressions_as_the_file_writes_them():
    read = job(small(let="{a: 1.10, b: 1, c: true, d: 00123, e: 1e3, f: 0x1F, g: 2026-11-22}"))
    assert read.let == {"a": "1.10", "b": "1", "c": "true", "d": "00123", "e": "1e3", "f": "0x1F", "g": "2026-11-22"}


def test_a_key_that_comes_twice_is_told_with_the_line_of_the_first():
    text = changed("keep: 30d", "keep: 30d\nkeep: 40d")
    with pytest.raises(JobMistakes, match=r"shop\.yaml:78: keep: comes twice; it stands in line 77 already"):
        read_text(text, PATH)


def test_the_second_of_two_keys_hides_no_other_mistake():
    text = changed("rate: 50/s", "rate: 50/s\n  rate: 60/s\n  batch: 501")
    assert set(mistakes(text)) == {"delivery.rate", "delivery.batch"}


@pytest.mark.parametrize(
    "expression",
    ["round(price, 2)", "coalesce(round(price, 2), 1)", "f(a, b, c, d)", "f(a, b: c)"],
)
def test_an_expression_that_a_comma_cuts_in_braces_is_told_once_and_whole(expression):
    text = event(f"type: productViewed\nproduct: {{productId: sku, price: {expression}, brand: brand}}")
    found = mistakes(text)
    assert list(found) == ["events[0].product.price"]
    assert f"cuts `{expression}` in pieces; put the whole expression in quotes" in found["events[0].product.price"]


def test_the_same_expression_is_welcome_in_quotes_and_in_block_style():
    quoted = job(event('type: productViewed\nproduct: {productId: sku, price: "round(price, 2)"}'))
    block = job(event("type: productViewed\nproduct:\n  productId: sku\n  price: round(price, 2)"))
    assert quoted.events == block.events
    assert quoted.events[0].part == {"productId": "sku", "price": "round(price, 2)"}


def test_an_expression_that_a_comma_cuts_in_a_list_is_told():
    found = mistakes(changed("lines: [cart_id, event_time]", "lines: [cart_id, date_trunc('day', t)]"))
    assert list(found) == ["events[3].lines"]
    assert "cuts `cart_id, date_trunc('day', t)` in pieces" in found["events[3].lines"]


def test_brackets_within_sql_strings_cut_nothing():
    assert job(small(let="{a: replace(x, '(', ')')}".replace(", ", "; "))).let == {"a": "replace(x; '('; ')')"}


def test_a_bare_word_between_commas_in_braces_is_told():
    found = mistakes(event("type: productViewed\nproduct: {productId: sku, price: price, brand}"))
    assert found["events[0].product.brand"].startswith("has no value; in { } a comma ends the value before it")


def test_a_path_that_starts_with_a_template_must_be_quoted():
    whole = mistakes(changed("path: exports/{{ date }}/*.csv.gz", "path: {{ date }}"))
    assert whole == {"source.path": "a value that starts with {{ reads as a mapping; put it in quotes"}
    assert "needs quotes" in mistakes(changed("path: exports/", "path: {{ date }}/"))[""]
    assert "needs quotes" in mistakes(changed("path: exports/{{ date }}/*.csv.gz", "path: [a/{{ date }}.csv]"))[""]
    assert job(changed("path: exports/{{ date }}/*.csv.gz", 'path: "{{ date }}.csv"')).source.path == (
        "{{ date }}.csv",
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("job: x\nsource: 'a", 2, "a quote is opened and never closed"),
        ("job: x\n\tsource: a", 2, "indent with blanks, not with tabs"),
        ("job: x\nlet:\n  a: b: c\n", 3, "needs quotes"),
        ("job: x\nlet:\n  a: 'x' = b\n", 3, "put the whole value in quotes"),
        ("job: x\nlet: {a: e in ('a', 'b')}\n", 2, "put expressions in quotes"),
        ("job: x\nlet:\n  a: @x\n", 3, "starts with @"),
        ("job: x\n---\njob: y\n", 2, "expected one document"),
        ("job: *x\n", 1, "has no anchor"),
        ("job: a\x02b\n", 1, "found U+0002"),
        ("- " * 5000 + "a", 1, "nested too deeply"),
    ],
)
def test_a_syntax_error_says_its_line_and_the_usual_reason(text, line, words):
    with pytest.raises(JobMistakes) as caught:
        read_text(text, PATH)
    assert str(caught.value).startswith(f"jobs/shop.yaml:{line}: ")
    assert words in str(caught.value)


def test_tags_and_merge_keys_are_refused_with_words():
    found = mistakes(small(let="{a: !sql x}", filters="{<<: {a: b}}"))
    assert "tags such as `!sql`" in found["let.a"]
    assert "no merge keys" in found["filters.<<"]


def test_an_alias_repeats_a_value_but_not_itself():
    assert job(small(let="{a: &x price, b: *x}")).let == {"a": "price", "b": "price"}
    assert "repeat themselves without end" in mistakes(small(let="&x {a: *x}"))["let.a"]


def test_aliases_that_grow_without_bound_are_refused_quickly():
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
    found = read_document("l0: &l0 [a]\n" + levels)
    assert any("without end" in mistake.message for mistake in found.mistakes)


@given(st.text())
def test_no_text_at_all_brings_more_than_a_mistake(text):
    try:
        read_text(text, PATH)
    except JobMistakes as error:
        assert error.mistakes  # noqa: PT017 - most texts are no job, and none may end otherwise


@given(st.data())
def test_no_damage_to_a_job_file_brings_more_than_a_mistake(data):
    at = data.draw(st.integers(0, len(DESIGN)))
    cut = data.draw(st.integers(0, 12))
    piece = data.draw(st.text("{}[]:,'\"#&*!|>-?@ \n\tab1.%", max_size=6))
    try:
        read_text(DESIGN[:at] + piece + DESIGN[at + cut :], PATH)
    except JobMistakes as error:
        assert all(m.message for m in error.mistakes)  # noqa: PT017 - it may also still be a job
