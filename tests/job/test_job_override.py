"""`--set KEY=VALUE` changes one key for one call, and its mistakes are told as its own."""

import pytest
from job_example import DESIGN, PATH, SMALL, job, mistakes

from etl.job.read import JobMistakes, read_text


@pytest.mark.parametrize("key", ["events[0].where", "events.0.where"])
def test_a_list_is_counted_from_nought_in_either_spelling(key):
    assert job(DESIGN, f"{key}=event = 'x'").events[0].where == "event = 'x'"


def test_values_are_read_as_yaml():
    assert job(DESIGN, "delivery.batch=7").delivery.batch == 7
    assert job(DESIGN, "drop_bad_locators=true").drop_bad_locators
    assert job(DESIGN, "source.path=[a.csv, b.csv]").source.path == ("a.csv", "b.csv")
    assert job(DESIGN, "expect=null").expect.rows is None
    assert job(DESIGN, "delivery.bulk={size: 7, pause: 1s}").delivery.bulk.size == 7


def test_what_yaml_would_cut_or_swallow_is_text():
    assert job(SMALL, "let.a=coalesce(a, 'b: c')").let == {"a": "coalesce(a, 'b: c')"}
    assert job(SMALL, "source.delimiter=#").source.delimiter == "#"
    assert job(SMALL, "source.path={{ date }}/a.csv").source.path == ("{{ date }}/a.csv",)
    assert job(SMALL, "let.a=x = 'a #1'").let == {"a": "x = 'a #1'"}


def test_mappings_on_the_way_are_made():
    assert job(SMALL, "expect.rows=5", "filters.odd=id % 2 = 1").expect.rows == 5


def test_a_later_one_wins():
    assert job(SMALL, "delivery.rate=5/s", "delivery.rate=7/s").delivery.rate == 7


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("delivery.rate", "--set delivery.rate: expected KEY=VALUE, for example delivery.rate=100/s"),
        ("=5", "--set : expected KEY=VALUE"),
        ("delivery..rate=5/s", "--set delivery..rate: expected a key such as"),
        ("delivery.rate=", "--set delivery.rate: expected a value"),
        ("delivery.rate.x=5", "--set delivery.rate.x: `delivery.rate` is one value"),
        ("events[8].where=x", "--set events[8].where: `events` is a list of 8; expected a position from 0 to 7"),
        ("events.x.where=x", "--set events.x.where: `events` is a list of 8"),
        ("delivery.rat=5/s", "--set delivery.rat: unknown key; did you mean `rate`?"),
        ("delivery.rate=5", "--set delivery.rate: expected requests in a time"),
        ("events[0].page={loc: x}", "--set events[0].page.loc: `page` takes location only"),
    ],
)
def test_a_mistake_in_it_is_told_as_set(override, words):
    with pytest.raises(JobMistakes) as caught:
        read_text(DESIGN, PATH, [override])
    assert words in str(caught.value)
    assert "shop.yaml" not in str(caught.value)


def test_its_mistakes_come_with_those_of_the_file():
    assert set(mistakes(DESIGN.replace("batch: 500", "batch: 501"), "delivery.rate=5")) == {
        "delivery.batch",
        "delivery.rate",
    }


def test_it_mends_a_mistake_of_the_file():
    assert job(DESIGN.replace("batch: 500", "batch: 501"), "delivery.batch=5").delivery.batch == 5
