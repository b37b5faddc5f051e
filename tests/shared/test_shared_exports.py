"""Six real exports that nobody here made, from file to server: each count is recomputed from the raw file by plain Python."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import expected_aws
import expected_otto
import expected_retail
import expected_snowplow
import expected_ubi
import expected_zozotown
import pytest
from shared_exports import JOBS, Expected, export, read_body
from shared_replay import Replay, Said, balances, replaying

from etl.sandbox.contract import canonical

pytestmark = pytest.mark.shared

CASES: dict[str, tuple[str, Callable[[Path], Expected]]] = {
    "online_retail": ("online_retail_10k.csv", expected_retail.expected),
    "snowplow": ("snowplow_ecommerce_events.csv", expected_snowplow.expected),
    "zozotown": ("zozotown_obd_bts_men.csv", expected_zozotown.expected),
    "ubi": ("opensearch_ubi_queries_events.ndjson", expected_ubi.expected),
    "otto": ("otto_sessions_sample.jsonl", expected_otto.expected),
    "aws": ("aws_clickstream_test_app.parquet", expected_aws.expected),
}


@dataclass(frozen=True)
class Replayed:
    """An export sent: what was expected of it, what the first run said, and the run after it."""

    replay: Replay
    expected: Expected
    first: Said
    again: Said


@pytest.fixture(scope="module", params=CASES)
def replayed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    name, expected = CASES[request.param]
    source = export(name)
    with replaying(JOBS / f"{request.param}.yaml", source, tmp_path_factory.mktemp(request.param)) as replay:
        yield Replayed(replay, expected(source), replay.call("run"), replay.call("run"))


def test_every_event_is_delivered_and_both_equations_hold(replayed: Replayed) -> None:
    first = replayed.first
    assert first.code == 0, first.words
    assert balances(first.books)
    assert first.books["delivered"] == first.books["events"] == first.books["requests"] > 0
    assert (first.books["guard"], first.books["stopped"], first.books["exit"], first.books["resent"]) == (
        None,
        None,
        0,
        0,
    )


def test_every_count_of_the_books_is_that_of_the_raw_file(replayed: Replayed) -> None:
    books, expected = replayed.first.books, replayed.expected
    found = {
        name: books[name] for name in ("rows", "extra", "filtered", "invalid_reasons", "duplicate", "folded", "by_type")
    }
    assert found == {
        "rows": expected.rows,
        "extra": expected.extra,
        "filtered": expected.filtered,
        "invalid_reasons": expected.invalid_reasons,
        "duplicate": expected.duplicate,
        "folded": expected.folded,
        "by_type": expected.by_type,
    }
    assert books["invalid"] == expected.invalid_reasons.total()  # one fault each


def test_the_outbox_holds_the_events_of_the_raw_file_in_order_of_time_and_place(replayed: Replayed) -> None:
    rows = replayed.replay.outbox(replayed.first.books["run"])
    assert [read_body(row["body"]) for row in rows] == replayed.expected.bodies
    assert [row["instant"] for row in rows] == [event.instant for event in replayed.expected.events]


def test_the_server_holds_the_outbox_once_and_each_contact_in_order(replayed: Replayed) -> None:
    rows = replayed.replay.outbox(replayed.first.books["run"])
    recorded = replayed.replay.recorded
    assert recorded.bodies() == Counter(canonical(json.loads(row["body"])) for row in rows)
    by_key: dict[str, list[str]] = {}
    for row in rows:
        by_key.setdefault(row["key"], []).append(row["body"])
    assert {key: [event.body for event in events] for key, events in recorded.order_by_key().items()} == by_key


def test_the_same_command_again_sends_nothing_and_shows_the_same_books(replayed: Replayed) -> None:
    told = {"finished_before": True, "notes": []}
    assert replayed.again.books | {"notes": []} == replayed.first.books | told
    assert "finished before" in replayed.again.words
    assert replayed.replay.recorded.accepted() == replayed.first.books["events"]


def test_the_same_export_under_another_name_sends_nothing(replayed: Replayed, tmp_path: Path) -> None:
    renamed = tmp_path / f"renamed{replayed.replay.source.suffix}"
    shutil.copyfile(replayed.replay.source, renamed)
    said = replayed.replay.call("run", source=renamed)
    sent = replayed.first.books["events"]
    assert (said.code, said.books["events"], said.books["requests"]) == (0, 0, 0), said.words
    assert said.books["run"] != replayed.first.books["run"]
    assert Counter(said.books["duplicate"]) == replayed.expected.duplicate + Counter(sent_before=sent)
    assert balances(said.books)
    assert replayed.replay.recorded.accepted() == sent
