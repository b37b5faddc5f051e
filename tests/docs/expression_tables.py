"""The tables of docs/expressions.md: recipes with what they give, and mistakes with their messages; both evaluated for real.

A recipe's second column is a row as JSON; its keys are the columns: text as in a CSV, or nested. Mistakes are checked as the `where` of the
first rule of jobs/shop.yaml, against the columns of data/sample/shop/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from etl.flow.inputs import describe
from etl.job.read import JobMistakes, read_job, read_text
from etl.mapping.mapper import Mapper
from etl.mapping.program import check_against
from etl.tables import ELEMENT, FAULT, FILE, ORDINAL, PLACE, ROW

ROOT = Path(__file__).resolve().parents[2]
EXPRESSIONS = ROOT / "docs" / "expressions.md"


def table_rows(marker: str, text: str) -> Iterator[list[str]]:
    """Yield the cells of every table that stands behind `<!-- marker -->`, its heading left out; backquotes are taken off."""
    for table in re.findall(rf"<!-- {marker} -->\n((?:\|.*\n)+)", text):
        for line in table.splitlines()[2:]:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            yield [_plain(cell) for cell in cells]


def given(expression: str, row: str) -> str:
    """Return what an expression gives for a row of texts: a text as it is, anything else as JSON."""
    values: dict[str, object] = json.loads(row)
    rule = {"type": "tried", "custom": True, "params": {"v": expression}}
    job = {
        "job": "recipe",
        "source": {"path": "x.csv"},
        "key_value": "'k'",
        "events": [rule],
        "delivery": {"api": "sandbox"},
    }
    place = {FILE: [0], ROW: [2], ELEMENT: [None], ORDINAL: [0]}
    columns = {
        name: pa.array([value]) if isinstance(value, list | dict) else pa.array([value], pa.string())
        for name, value in values.items()
    }
    table = pa.table(columns | {name: pa.array(place[name], PLACE.field(name).type) for name in place})
    read = read_text(json.dumps(job), Path("recipe.yaml"))
    mapped = Mapper(read, pa.schema([(name, array.type) for name, array in columns.items()]), datetime.now(UTC)).map(
        table
    )
    (matches,) = mapped.by_rule
    if any(c.startswith(FAULT) and matches.table[c][0].as_py() for c in matches.table.column_names):
        return "invalid"
    found = matches.table["params.v"][0].as_py()
    value = None if found is None else json.loads(found)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def complaint_of(expression: str) -> str:
    """Return what `check` says of an expression as the `where` of the first rule of jobs/shop.yaml, without place and expression."""
    key = "events[0].where"
    try:
        job = read_job(ROOT / "jobs" / "shop.yaml", [f"{key}={expression}"])
        columns = describe(job, None).columns
        assert columns is not None
        check_against(job, columns)
    except JobMistakes as error:
        return str(error).removeprefix(f"--set {key}: ").removeprefix(f"`{expression}`: ")
    return "no mistake"


def refresh_mistakes() -> None:
    """Write into the document what is said today of each mistake."""
    text = EXPRESSIONS.read_text("utf-8")
    for expression, message in table_rows("mistakes", text):
        said = complaint_of(expression)
        text = text.replace(f"| `{expression}` | {message} |", f"| `{expression}` | {said} |")
    EXPRESSIONS.write_text(text, "utf-8")


def _plain(cell: str) -> str:
    match = re.fullmatch(r"(`+) ?(.*?) ?\1", cell)
    return (match[2] if match else cell).replace("\\|", "|")
