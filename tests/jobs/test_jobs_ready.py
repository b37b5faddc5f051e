"""The ready jobs, from their samples to the server: what they send is what plain Python makes of the same files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import expected_ga4
import expected_nginx
import expected_orders
import expected_segment
import expected_snowplow_shop
import pytest
from planned import plan
from ready_jobs import JOBS, ROOT, SAMPLES
from shared_exports import Expected, read_body
from shared_replay import Replay, Said, balances, replaying

from etl.job.models import Job
from etl.job.read import read_job

#: Job, input, and what is expected of them.
CASES: dict[str, tuple[str, Path, Callable[[], Expected]]] = {
    "ga4 parquet": ("ga4_bigquery", expected_ga4.PARQUET, expected_ga4.of_parquet),
    "ga4 ndjson": ("ga4_bigquery", expected_ga4.NDJSON, expected_ga4.of_ndjson),
    "snowplow": ("snowplow", SAMPLES / "snowplow" / "events.csv", expected_snowplow_shop.of_sample),
    "segment": ("segment", SAMPLES / "segment" / "calls.ndjson", expected_segment.of_sample),
    "orders": ("orders", SAMPLES / "orders" / "lines.csv", expected_orders.of_sample),
    "nginx": ("nginx_log", SAMPLES / "nginx" / "access.log*", expected_nginx.of_sample),
}
READY = sorted({name for name, _, _ in CASES.values()})

FAST = ("--set", "delivery.rate=5000/s")


@dataclass(frozen=True)
class Replayed:
    replay: Replay
    expected: Expected
    planned: Said
    sent_by_plan: int
    first: Said
    again: Said


@pytest.fixture(scope="module", params=CASES)
def replayed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    job, source, expected = CASES[request.param]
    with replaying(JOBS / f"{job}.yaml", source, tmp_path_factory.mktemp(job)) as replay:
        planned, sent = replay.call("plan", *FAST), replay.recorded.accepted()
        yield Replayed(replay, expected(), planned, sent, replay.call("run", *FAST), replay.call("run", *FAST))


def test_a_plan_says_what_a_run_will_send_and_sends_nothing(replayed: Replayed) -> None:
    planned = replayed.planned
    assert planned.code == 0, planned.words
    assert (planned.books["pending"], replayed.sent_by_plan) == (len(replayed.expected.events), 0)
    assert balances(planned.books)


def test_every_count_of_the_books_is_that_of_the_raw_file(replayed: Replayed) -> None:
    books, expected = replayed.first.books, replayed.expected
    assert replayed.first.code == 0, replayed.first.words
    names = ("rows", "extra", "filtered", "invalid_reasons", "duplicate", "folded", "by_type")
    assert {name: books[name] for name in names} == {name: getattr(expected, name) for name in names}
    assert books["invalid"] == expected.invalid_reasons.total()  # one fault each
    assert books["delivered"] == books["events"] == len(expected.events)
    assert balances(books)


def test_the_server_holds_each_event_of_the_raw_file_once_in_the_order_of_its_contact(replayed: Replayed) -> None:
    received: dict[str, list[object]] = {
        key: [read_body(event.body) for event in events]
        for key, events in replayed.replay.recorded.order_by_key().items()
    }
    expected: dict[str, list[object]] = {}
    for body in replayed.expected.bodies:
        expected.setdefault(body["key"], []).append(body)
    assert received == expected


def test_the_same_command_again_sends_nothing(replayed: Replayed) -> None:
    told = {"finished_before": True, "notes": ["finished before; its input holds nothing new"]}
    assert replayed.again.books == replayed.first.books | told
    assert replayed.replay.recorded.accepted() == replayed.first.books["events"]


def test_the_sample_shows_every_rule_of_its_job_at_work(replayed: Replayed) -> None:
    job = read_job(replayed.replay.job)
    assert set(replayed.first.books["by_type"]) == {rule.type for rule in job.events}
    assert replayed.first.books["filtered"]["anonymous"] > 0
    assert replayed.first.books["duplicate"]["key"] > 0
    carts = [
        json.loads(row["body"])
        for row in replayed.replay.outbox(replayed.first.books["run"])
        if row["type"] == "cartUpdated"
    ]
    products = Counter(
        param["value"] == "[]" for cart in carts for param in cart["params"] if param["name"] == "products"
    )
    assert products[True] > 0  # bought
    names_carts = any(rule.part_each is not None for rule in job.events if rule.type == "cartUpdated")
    assert (products[False] > 0) == names_carts


def test_both_forms_of_the_ga4_export_are_one_day() -> None:
    assert expected_ga4.of_parquet() == expected_ga4.of_ndjson()


def test_the_search_of_snowplow_that_the_document_adds(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "ready-jobs.md").read_text("utf-8").split("## Snowplow: searches")[1]
    job = text.split("```yaml\n")[1].split("```")[0]
    column = "unstruct_event_com_snowplowanalytics_snowplow_site_search_1_0_0"
    said = [
        '{"terms": ["red", "mug"], "totalResults": 0}',
        '{"terms": ["tea"], "total_results": 3, "page_results": 2}',
        '{"terms": ["bag"]}',
        "",
    ]
    rows = [{"user": "u", "time": f"2026-11-20T10:00:0{n}Z", column: found} for n, found in enumerate(said)]
    found = plan(tmp_path, job, rows)
    assert (found.params("search"), found.params("isFound")) == (["red mug", "tea", "bag"], [0, 1, 1])
    assert found.books.filtered == {"no_rule": 1}


@pytest.mark.parametrize("name", READY)
def test_every_ready_job_keeps_the_rules_of_the_house(name: str) -> None:
    job: Job = read_job(JOBS / f"{name}.yaml")
    assert job.job.replace("-", "_") == name
    assert job.delivery.api == "sandbox"
    assert job.filters["anonymous"] is True
    assert "productImpressions" not in {rule.type for rule in job.events}
    carts = [rule for rule in job.events if rule.type == "cartUpdated"]
    assert carts
    assert all(rule.cleared is not None for rule in carts)
    dedupe = job.dedupe["cartUpdated"]
    assert (dedupe.kind, dedupe.fields, dedupe.keep) == ("key", (), "last")
