"""`rejects --export`: what an encoding lacks is escaped, and what a spreadsheet would run is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from called import Shop

from etl.sandbox.record import Record

JOB = """\
job: small
source: {path: "*.EXT", encoding: latin-1}
contact: {externalCustomerId: user}
time: {column: time}
max_invalid: 100%
events:
  - {type: pageViewed, page: {location: url}}
delivery: {api: API, stale: send}
"""
TIME = "2026-11-20T10:00:00Z"


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_file_whose_name_its_own_encoding_lacks_is_exported_and_replayed(
    shop: Shop, record: Callable[[], Record], form: str
) -> None:
    shop.job = JOB.replace("EXT", form)
    line = json.dumps({"user": "é", "url": "", "time": TIME}, ensure_ascii=False)
    text = f"user,url,time\né,,{TIME}\n" if form == "csv" else f"{line}\n"
    (shop.folder / f"вигрузка 😀.{form}").write_text(text, "latin-1")
    assert shop.call("run").exit == 0
    export = shop.folder / "bad" / f"bad.{form}"
    export.parent.mkdir()
    ended = shop.call("rejects", "--export", str(export))
    assert (ended.exit, ended.json["exported"]["rows"]) == (0, 1)
    said = export.read_text("latin-1")
    assert "é" in said
    export.write_text(said.replace("é,,", "é,/x,").replace('"url": ""', '"url": "/x"'), "latin-1")
    assert shop.call("rejects", "--replay", str(export)).exit == 0
    assert [json.loads(body)["eventTypeKey"] for body in record().bodies()] == ["pageViewed"]


def test_cells_that_a_spreadsheet_would_run_are_told_and_stay_as_they_are(shop: Shop) -> None:
    shop.job = JOB.replace("EXT", "csv")
    users = ["=HYPERLINK(1)", "@SUM(1)", "+1+cmd", "-2+3+cmd", "+380501112233", "-5", "a=b"]
    (shop.folder / "a.csv").write_text("user,url,time\n" + "".join(f"{user},,{TIME}\n" for user in users), "latin-1")
    assert shop.call("run").exit == 0
    ended = shop.call("rejects", "--export", str(shop.folder / "bad.txt"))
    assert any("4 cells begin with =" in note for note in ended.json["notes"])
    written = (shop.folder / "bad.txt").read_text("latin-1").splitlines()[1:]
    assert [line.partition(",")[0] for line in written] == users


def test_an_export_without_such_cells_says_nothing_of_them(shop: Shop) -> None:
    shop.job = JOB.replace("EXT", "csv")
    (shop.folder / "a.csv").write_text(f"user,url,time\n+380501112233,,{TIME}\n", "latin-1")
    assert shop.call("run").exit == 0
    assert shop.call("rejects", "--export", str(shop.folder / "bad.csv")).json["notes"] == []
