"""Lookups and lists of contacts in the job file: every mistake at once, at its key."""

import pytest
from job_example import job, mistakes, small

LOOKUP = "{crm: {path: crm.csv, key: id, on: visitor, as_of: since}}"


def test_what_a_lookup_leaves_open_has_its_default_and_the_zone_is_the_jobs():
    found = job(small(lookups=LOOKUP, time="{column: at, zone: Europe/Kyiv}")).lookups["crm"]
    assert (found.keep, found.where, found.encoding, found.decimal) == ("error", None, "utf-8", ".")
    assert (found.as_of.column, found.as_of.zone) == ("since", "Europe/Kyiv")


@pytest.mark.parametrize(
    ("lookups", "more", "key", "words"),
    [
        ("{crm: {path: a.csv, key: id}}", {}, "lookups.crm.on", "is missing; expected an SQL expression over the row"),
        ("{crm: {path: a, key: id, on: x, keep: all}}", {}, "lookups.crm.keep", "expected one of error, first, last"),
        ("{crm: {path: a, key: id, on: x, kee: all}}", {}, "lookups.crm.kee", "unknown key; did you mean `keep`?"),
        ("{crm: {path: a, key: id, on: x, format: parquet, delimiter: ;}}", {}, "lookups.crm.delimiter", "has no `delim"),
        ("{crm: crm.csv}", {}, "lookups.crm", "expected a mapping with `path`, `key` and `on`, found `crm.csv`"),
        ("{cr-m: {path: a, key: id, on: x}}", {}, "lookups.cr-m", "is not a name for a lookup"),
        ("{_crm: {path: a, key: id, on: x}}", {}, "lookups._crm", "is not a name for a lookup"),
        ("{item: {path: a, key: id, on: x}}", {}, "lookups.item", "`item` is the element of `each` already"),
        ("{crm: {path: a, key: id, on: x}}", {"let": "{CRM: url}"}, "lookups.crm", "is a name of `let` already"),
        (LOOKUP, {}, "lookups.crm.as_of", "needs the time of the event: give the job a `time`"),
        (LOOKUP.replace("crm.csv", "'{{ day }}.csv'"), {"time": "at"}, "lookups.crm.path", "expected {{ date }}"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_lookup_is_told_at_its_key(lookups, more, key, words):
    assert words in mistakes(small(lookups=lookups, **more))[key]


def test_two_lookups_of_one_name_in_sql_are_a_mistake():
    text = small(lookups="{crm: {path: a, key: id, on: x}, Crm: {path: a, key: id, on: x}}")
    assert "SQL does not tell case" in mistakes(text)["lookups.Crm"]


@pytest.mark.parametrize(
    ("contacts", "key", "words"),
    [
        ("{supress: a.csv}", "contacts.supress", "did you mean `suppress`?"),
        ("{known: []}", "contacts.known", "found an empty list"),
        ("list.csv", "contacts", "expected a mapping with `suppress` or `known`"),
    ],
)
def test_a_mistake_of_contacts_is_told_at_its_key(contacts, key, words):
    assert words in mistakes(small(contacts=contacts))[key]


def test_every_mistake_is_told_at_once():
    found = mistakes(small(lookups="{crm: {path: [], kee: 1}, b-c: {key: 1}}", contacts="{known: 5, all: x}"))
    assert {
        "lookups.crm.path",
        "lookups.crm.key",
        "lookups.crm.on",
        "lookups.crm.kee",
        "lookups.b-c",
        "contacts.all",
    } <= set(found)
