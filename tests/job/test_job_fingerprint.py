"""The hash of a mapping changes when other events would come out, and only then."""

import pytest
from job_example import DESIGN, PATH, SMALL, changed, job, small

from etl.job.fingerprint import mapping_hash
from etl.job.read import read_text


def test_it_is_pinned_since_unfinished_runs_are_known_by_it():
    assert mapping_hash(job(SMALL)) == "fafd36d45d9e4d6a"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate: 50/s", "rate: 60/s"),
        ("api: https://esputnik.com/api", "api: sandbox"),
        ("max_invalid: 5%", "max_invalid: 6%"),
        ("keep: 30d", "keep: 31d"),
        ("expect: {rows: 1000, events: 100}", "expect: {rows: 1}\nchanged: send"),
        ("# file, folder", "# another comment"),
        ("{hits: int, price: decimal}", "{price: decimal, hits: int}"),
        ("{productId: sku, price: price, isInStock", "{price: price, productId: sku, isInStock"),
        ("window: 30m", "window: 1800s"),
        ("where: event = 'wish'", "where: \"event = 'wish'\""),
        ("default: exact", "default: {kind: exact}"),
        ("zone: Europe/Kyiv", "zone: Europe/Kyiv\n  format: null"),
    ],
)
def test_it_stays_when_the_events_would_be_the_same(old, new):
    assert mapping_hash(job(changed(old, new))) == mapping_hash(job(DESIGN))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("where: event = 'wish'", "where: event = 'wished'"),
        ("colour: colour", "colour: color"),
        ("zone: Europe/Kyiv", "zone: UTC"),
        ("window: 30m", "window: 31m"),
        ("hits: int", "hits: float"),
        ("anonymous: true", "anonymous: false"),
        ("key_value: null", "key_value: visitor"),
        ("path: exports/", "path: export/"),
        ("keep: last", "keep: first"),
    ],
)
def test_it_changes_when_the_mapping_does(old, new):
    assert mapping_hash(job(changed(old, new))) != mapping_hash(job(DESIGN))


@pytest.mark.parametrize("key", ["let", "filters"])
def test_the_order_of_what_is_taken_in_turn_counts(key):
    one, other = small(**{key: "{a: x = 1, b: y = 2}"}), small(**{key: "{b: y = 2, a: x = 1}"})
    assert mapping_hash(job(one)) != mapping_hash(job(other))


def test_the_order_of_the_rules_counts():
    rules = "  - type: pageViewed\n    page: {location: url}\n", "  - type: searchRequest\n    search: q\n"
    both = [changed(rules[0], a + b, SMALL) for a, b in (rules, rules[::-1])]
    assert len({mapping_hash(job(text)) for text in both}) == 2


def test_where_a_job_file_stands_and_what_set_says_of_delivery_count_nothing(tmp_path):
    other = read_text(DESIGN, tmp_path / "else.yaml", ["delivery.rate=5/s"])
    assert mapping_hash(other) == mapping_hash(read_text(DESIGN, PATH))


def test_a_link_that_is_signed_anew_is_the_same_mapping():
    def link(query):
        return job(changed("visits.csv", f'"https://example.com/visits.csv?{query}"', SMALL))

    assert mapping_hash(link("X-Amz-Signature=aa&X-Amz-Date=1")) == mapping_hash(
        link("X-Amz-Signature=bb&X-Amz-Date=2")
    )
    assert mapping_hash(link("shop=1")) != mapping_hash(link("shop=2"))
