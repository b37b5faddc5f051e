"""Filters, dedupe, defaults: what a job means beyond its single values."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_example import DESIGN, SMALL, changed, event, job, mistakes, small
from pydantic import ValidationError

from etl.job.document import read_document
from etl.job.models import Dedupe, Delivery, Job


def test_the_defaults_are_those_of_the_rules():
    delivery = Delivery(api="sandbox")
    assert (delivery.method, delivery.rate, delivery.concurrency, delivery.batch) == ("event", 50, 16, 500)
    assert (delivery.timeout, delivery.give_up) == (timedelta(seconds=30), timedelta(hours=1))
    assert (delivery.on_unknown, delivery.max_age, delivery.stale) == ("resend", timedelta(days=3), "stop")
    assert (delivery.max_rejected, delivery.late_carts, delivery.sandbox) == (0.01, "drop", True)
    off = (delivery.bulk, delivery.window, delivery.max_per_contact, delivery.account, delivery.time_param)
    assert off == (None, None, None, None, None)
    read = job(SMALL)
    assert (read.max_invalid, read.keep, read.changed) == (0.05, timedelta(days=30), "stop")
    assert (read.drop_bad_locators, read.drops_anonymous, read.expect.rows, read.expect.events) == (
        False,
        False,
        None,
        None,
    )


def test_a_job_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        job(SMALL).job = "other"


def test_filters_keep_their_order_and_ready_ones_stand_apart():
    read = job(small(filters="{zebra: a = 1, anonymous: true, ape: b = 2}"))
    assert list(read.named_filters.items()) == [("zebra", "a = 1"), ("ape", "b = 2")]
    assert read.drops_anonymous
    assert not job(small(filters="{anonymous: false}")).drops_anonymous


@pytest.mark.parametrize(
    "name", ["no_rule", "only", "sample", "transform", "suppressed", "unknown_contact", "stale", "max_per_contact"]
)
def test_a_filter_has_no_name_that_the_books_have(name):
    assert "clickreplay counts itself" in mistakes(small(filters=f"{{{name}: a = 1}}"))[f"filters.{name}"]


def test_a_ready_filter_is_no_expression_and_an_expression_no_ready_filter():
    assert "ready-made" in mistakes(small(filters="{anonymous: email is null}"))["filters.anonymous"]
    assert "did you mean `anonymous`?" in mistakes(small(filters="{anonymus: true}"))["filters.anonymus"]


def test_ready_filters_of_rows_stand_in_the_files_order_among_the_others():
    read = job(small(filters="{status: 200, zebra: a = 1, bots: true, static: false, methods: [get, POST]}"))
    assert read.row_filters == {"status": (200,), "zebra": "a = 1", "bots": True, "methods": ("GET", "POST")}
    assert list(read.row_filters) == ["status", "zebra", "bots", "methods"]
    assert read.named_filters == {"zebra": "a = 1"}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("bots: ua like '%bot%'", "expected true or false"),
        ("static: [png]", "expected true or false"),
        ("methods: true", "expected a list of methods such as [GET, POST], found `true`"),
        ("methods: []", "every row would fall out"),
        ("methods: ['GET POST']", "found `GET POST`"),
        ("status: [2xx]", "expected a list of status numbers such as [200, 304], found `2xx`"),
        ("status: [200, 20]", "found `20`"),
        ("status: true", "found `true`"),
    ],
)
def test_a_ready_filter_says_what_it_takes(written, words):
    key = f"filters.{written.split(':')[0]}"
    assert words in mistakes(small(filters=f"{{{written}}}"))[key]


def test_dedupe_has_three_forms():
    read = job(DESIGN)
    assert read.dedupe["default"] == Dedupe(kind="exact")
    page, cart = read.dedupe["pageViewed"], read.dedupe["cartUpdated"]
    assert (page.kind, page.fields, page.window, page.keep) == ("window", ("location",), timedelta(minutes=30), "first")
    assert (cart.kind, cart.fields, cart.window, cart.keep) == ("key", ("recycleStateId",), None, "last")


@pytest.mark.parametrize("form", ["{key: location}", "{key: []}", "{window: 1h, by: []}"])
def test_dedupe_takes_one_field_or_many_or_none(form):
    assert job(small(dedupe=f"{{pageViewed: {form}}}")).dedupe["pageViewed"].fields in (
        ("location",),
        ("page.location",),
        (),
    )


@pytest.mark.parametrize(
    ("form", "key"),
    [
        ("exakt", "dedupe.pageViewed"),
        ("[a]", "dedupe.pageViewed"),
        ("{}", "dedupe.pageViewed"),
        ("{kind: window}", "dedupe.pageViewed"),
        ("{window: 1h, key: [location]}", "dedupe.pageViewed"),
        ("{window: 1h}", "dedupe.pageViewed.by"),
        ("{window: 0s, by: [location]}", "dedupe.pageViewed.window"),
        ("{key: [location], by: [location]}", "dedupe.pageViewed.by"),
        ("{key: [url]}", "dedupe.pageViewed.key[0]"),
        ("{key: url}", "dedupe.pageViewed.key"),
        ("{key: [location], keep: newest}", "dedupe.pageViewed.keep"),
        ("{kei: [location]}", "dedupe.pageViewed.kei"),
    ],
)
def test_what_is_no_dedupe_is_told_at_its_key(form, key):
    assert key in mistakes(small(dedupe=f"{{pageViewed: {form}}}"))


def test_dedupe_is_for_types_that_the_job_has():
    found = mistakes(small(dedupe="{pageVied: exact}"))
    assert found == {"dedupe.pageVied": "no event has this type; did you mean `pageViewed`?"}


def test_the_default_of_dedupe_needs_fields_that_every_other_type_has():
    assert (
        "no rule of couponSeen maps"
        in mistakes(changed("default: exact", "default: {key: [location]}"))["dedupe.default.key[0]"]
    )


def test_events_are_one_at_least():
    assert (
        "found an empty list"
        in mistakes(changed("events:\n  - type: pageViewed\n    page: {location: url}", "events: []", SMALL))["events"]
    )
    assert (
        "found a mapping"
        in mistakes(changed("- type: pageViewed\n    page: {location: url}", "type: x", SMALL))["events"]
    )
    assert "found `x`" in mistakes(changed("- type: pageViewed\n    page: {location: url}", "- x", SMALL))["events[0]"]


def test_a_field_of_products_names_an_event_only_where_it_has_one_product():
    rule = "type: productImpressions\nproducts: {productId: sku}\nrecomVariantId: variant"
    dedupe = "\ndedupe: {productImpressions: {window: 30m, by: [productId]}}"
    assert job(event(rule) + dedupe).dedupe["productImpressions"].fields == ("productId",)
    found = mistakes(event(f"{rule}\nlines: block") + dedupe)
    assert (
        found["dedupe.productImpressions.by[0]"]
        == "no rule of productImpressions maps a field `productId`; it has recomVariantId"
    )


def test_a_name_that_means_two_things_groups_nothing():
    rule = "type: productViewed\nproduct: {productId: a, price: 1, name: b}\nparams: {name: c}"
    found = mistakes(event(rule) + "\ndedupe: {productViewed: {key: [name]}}")
    assert "rename the parameter" in found["dedupe.productViewed.key[0]"]


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("location")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=4,
)


@given(st.data())
def test_a_value_of_any_shape_at_any_key_is_a_mistake_or_welcome_but_never_a_crash(data):
    values = read_document(DESIGN).values
    here: Any = values
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(here[key], dict | list) or not here[key] or data.draw(st.integers(0, 4)) == 0:
            break
        here = here[key]
    here[key] = data.draw(JUNK)
    try:
        Job.model_validate(values)
    except ValidationError as error:
        assert {e["type"] for e in error.errors()} == {"mistake"}, error  # noqa: PT017 - every one of them in our words


def test_past_events_needs_to_know_when_each_event_occurred():
    past = changed("api: sandbox", "api: sandbox, method: past_events", SMALL)
    assert "past_events says when each event occurred" in mistakes(past)["time"]
    assert job(past + "time: at\n").delivery.method == "past_events"
    one = changed("  - type: pageViewed\n", "  - type: pageViewed\n    time: at\n", past)
    two = changed("delivery:", "  - type: searchRequest\n    search: q\ndelivery:", one)
    assert job(one).delivery.method == "past_events"
    assert list(mistakes(two)) == ["events[1].time"]
