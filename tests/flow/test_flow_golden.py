"""The API text's seven examples come out of a real plan, equal as parsed JSON, inner JSON strings included."""

import json
from pathlib import Path

import pytest
from examples import CONTACT, EXAMPLES, Example, parsed
from planned import plan


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.type)
def test_the_bodies_are_those_of_the_api_text(example: Example, tmp_path: Path) -> None:
    job = {
        "job": "golden",
        "source": {"path": "a.csv"},
        "contact": CONTACT,
        "events": [example.rule],
        "delivery": {"api": "sandbox"},
    }
    found = plan(tmp_path, json.dumps(job), [example.row], head="")
    assert [parsed(row["body"]) for row in found.outbox] == [example.body]
