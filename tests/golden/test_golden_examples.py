"""The golden bodies are whole and keep the API's tables; that the job makes them is tested where the rooms meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from examples import CONTACT, EXAMPLES, Example, parsed

from schemas import TYPES

FOLDER = Path(__file__).parent
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.type)


def test_there_is_an_example_and_a_file_for_each_type() -> None:
    assert [example.type for example in EXAMPLES] == list(TYPES)
    assert {path.stem for path in FOLDER.glob("*.json")} == set(TYPES)


@each_example
def test_a_body_holds_what_the_table_requires_and_nothing_that_it_does_not_know(example: Example) -> None:
    spec = TYPES[example.type]
    params = {param["name"]: param["value"] for param in example.body["params"]}
    required = {f.name for f in spec.scalars if f.required} | ({spec.part} if spec.part else set())
    known = required | {f.name for f in spec.scalars} | set(CONTACT)
    assert required <= params.keys() <= known
    part = params.get(spec.part or "", [])
    for item in part if spec.many else [part] if spec.part else []:
        assert {f.name for f in spec.fields if f.required} <= item.keys()
        assert item.keys() <= {f.name for f in spec.fields} | {"someProductProperty"}


@each_example
def test_the_key_is_the_first_locator_in_the_api_s_order(example: Example) -> None:
    params = {param["name"]: param["value"] for param in example.body["params"]}
    assert example.body["keyValue"] == params.get("email", params["phone"])
    assert example.row["phone"] == params["phone"]


@each_example
def test_a_part_is_json_inside_a_string(example: Example) -> None:
    raw = json.loads((FOLDER / f"{example.type}.json").read_text(encoding="utf-8"))
    assert all(isinstance(param["value"], str) for param in raw["params"] if param["name"] != "isFound")
    assert parsed(json.dumps(raw)) == example.body


@each_example
def test_a_rule_names_columns_of_its_row_only(example: Example) -> None:
    values = {name: value for name, value in example.rule.items() if name != "type"}
    used = [v for value in values.values() for v in (value.values() if isinstance(value, dict) else [value])]
    flat = [name for value in used for name in (value if isinstance(value, list) else [value])]
    assert set(flat) | set(CONTACT) <= example.row.keys()
