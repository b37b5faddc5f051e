"""A flat key with dots and a field of the same spelling in one input are a mistake that shows both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from planned import plan

from etl.job.mistakes import JobMistakes

HEAD = """
job: small
source: {path: "*.ndjson"}
contact: {externalCustomerId: CONTACT}
time: {column: t}
delivery: {api: sandbox, stale: send}
"""
FLAT = {"user.id": "u1", "event.action": "page"}
NESTED = {"user": {"id": "u2"}, "event": {"action": "page"}}


def planned(folder: Path, rows: list[dict[str, Any]], contact: str, where: str) -> Any:
    job = f"events:\n  - {{type: pageViewed, where: {json.dumps(where)}, page: {{location: \"'/x'\"}}}}\n"
    lines = "".join(json.dumps({"t": "2026-11-20T10:00:00Z", **row}) + "\n" for row in rows)
    return plan(folder, job, {"a.ndjson": lines}, head=HEAD.replace("CONTACT", json.dumps(contact)))


def test_both_spellings_in_one_input_are_a_mistake_that_shows_them(tmp_path: Path) -> None:
    with pytest.raises(JobMistakes) as error:
        planned(
            tmp_path, [FLAT, NESTED, {"o": {"a.b": 1, "a": {"b": 2}}}], "user.id", "event.action = 'page' or o.a.b = 1"
        )
    said = str(error.value)
    assert "user['id'] and \"user.id\"" in said
    assert "event['action'] and \"event.action\"" in said


def test_a_flat_key_read_as_a_field_is_a_mistake_that_says_how_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(JobMistakes, match=r'the input has the key "event\.action": write that'):
        planned(tmp_path, [FLAT], "user.id", "event.action = 'page'")


def test_the_spellings_that_the_mistake_shows_are_read(tmp_path: Path) -> None:
    contact = "coalesce(\"user.id\", user['id'])"
    found = planned(tmp_path, [FLAT, NESTED], contact, "coalesce(\"event.action\", event['action']) = 'page'")
    assert [row["key"] for row in found.outbox] == ["u1", "u2"]


def test_a_flat_key_beside_an_object_without_that_field_is_no_mistake(tmp_path: Path) -> None:
    found = planned(tmp_path, [{**FLAT, "user": {"name": "petro"}}], "user.id", "\"event.action\" = 'page'")
    assert [row["key"] for row in found.outbox] == ["u1"]
