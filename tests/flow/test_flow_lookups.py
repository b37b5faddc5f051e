"""Lookups from files: any format, the job's own file too, counted in the books; what is wrong with a file is told with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planned import HEAD, Planned, csv_text, plan

from etl.errors import InputError, JobError
from etl.flow.inputs import fingerprint, lookup_columns_of, open_inputs
from etl.job.fingerprint import mapping_hash
from etl.job.read import read_text
from etl.job.template import uses_date
from etl.report.summary import Summary, to_text
from etl.source.chunk import Limits

HEAD = HEAD.replace('"*.csv"', "a.csv")
CRM = "lookups:\n  crm: {path: crm.csv, key: id, on: user}\n"
PAGE = "events:\n  - {type: pageViewed, page: {location: url}, params: {mail: crm.email}}\n"
ROWS = [{"user": f"u{n}", "time": "2026-11-20T10:00:00Z", "url": f"/{n}"} for n in range(3)]
PARTNERS = [{"id": "u0", "email": "ann@example.com"}, {"id": "u2", "email": "кот@example.com"}]
MAILS = ["ann@example.com", None, "кот@example.com"]


def planned(folder: Path, crm: str = "", text: str = CRM + PAGE, **files: str) -> Planned:
    (folder / "a.csv").write_text(csv_text(ROWS), "utf-8")
    given_files = {f"{name}.csv": content for name, content in files.items()}
    return plan(folder, text, {"crm.csv": crm or csv_text(PARTNERS), **given_files}, head=HEAD)


def test_the_books_count_the_rows_that_found_a_partner(tmp_path: Path) -> None:
    found = planned(tmp_path, text=CRM + "filters: {one: url = '/0'}\n" + PAGE)
    assert found.params("mail") == MAILS[1:]
    assert found.books.lookups == {"crm": {"rows": 3, "found": 2}}
    assert found.books.balance == 0
    summary = Summary("small", "1", None, "event", "sandbox", found.books)
    assert "    lookup crm: 2 of 3 rows found a partner" in to_text(summary)
    assert summary.to_json()["lookups"] == {"crm": {"rows": 3, "found": 2}}


@pytest.mark.parametrize("form", ["csv", "csv in a folder", "parquet", "ndjson"])
def test_a_lookup_has_any_format_of_a_source(form: str, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(PARTNERS)
    text = CRM
    if form == "csv":
        (tmp_path / "crm.csv").write_bytes("id;email\nu0;ann@example.com\nu2;кот@example.com\n".encode("cp1251"))
        text = CRM.replace("key: id", "key: id, delimiter: ';', encoding: cp1251")
    elif form == "csv in a folder":
        (tmp_path / "crm").mkdir()
        for n, row in enumerate(PARTNERS):
            (tmp_path / "crm" / f"{n}.txt").write_text(f"{row['id']},{row['email']}\n", "utf-8")
        text = CRM.replace("crm.csv", "crm, columns: [id, email]")
    elif form == "parquet":
        pq.write_table(table, tmp_path / "crm.pq")
        text = CRM.replace("crm.csv", "crm.pq")
    else:
        lines = [f'{{"id": "{row["id"]}", "email": "{row["email"]}"}}\n' for row in PARTNERS]
        (tmp_path / "crm.ndjson").write_text("".join(lines), "utf-8")
        text = CRM.replace("crm.csv", "crm.ndjson")
    found = plan(tmp_path, text + PAGE, {"a.csv": csv_text(ROWS)}, head=HEAD)
    assert found.params("mail") == MAILS


def test_a_lookup_may_be_the_jobs_own_file(tmp_path: Path) -> None:
    """Segment and its kin: who an anonymous visitor is stands in rows of the same file, before or after the visits."""
    tracks = [
        '{"type": "track", "anonymousId": "a1", "time": "2026-11-20T10:00:00Z", "url": "/1"}',
        '{"type": "identify", "anonymousId": "a1", "time": "2026-11-20T10:01:00Z", "userId": "old"}',
        '{"type": "identify", "anonymousId": "a1", "time": "2026-11-20T10:02:00Z", "userId": "007"}',
        '{"type": "track", "anonymousId": "a2", "time": "2026-11-20T10:03:00Z", "url": "/2"}',
    ]
    text = """
lookups:
  ids: {path: tracks.ndjson, key: anonymousId, where: type = 'identify', on: anonymousId, keep: last}
filters: {anonymous: true}
events:
  - {type: pageViewed, where: type = 'track', page: {location: url}}
"""
    head = HEAD.replace("a.csv", "tracks.ndjson").replace("externalCustomerId: user", "externalCustomerId: ids.userId")
    found = plan(tmp_path, text, {"tracks.ndjson": "\n".join(tracks)}, head=head)
    assert [row["key"] for row in found.outbox] == ["007"]
    assert found.books.filtered == {"anonymous": 1, "no_rule": 2}
    assert found.books.lookups == {"ids": {"rows": 4, "found": 3}}


def test_a_missing_file_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("not,a\nsound,csv,at,all\n")
    job = read_text(HEAD + CRM + PAGE, tmp_path / "job.yaml")
    with pytest.raises(InputError, match=r"lookup crm: no input: nothing found at crm\.csv"):
        open_inputs(job, None)


@pytest.mark.parametrize(
    ("crm", "words"),
    [
        ("id,email\nu0,a\nu1,b,c\n", "lookup crm: crm.csv:3: this row cannot be read (ragged)"),
        ("id,email\nu0,a\nu1,b\nu0,c\n", "lookup crm: the key `***` stands twice: crm.csv:2 and crm.csv:4"),
        ("\n", "lookup crm: crm.csv: empty, without even a header"),
    ],
)
def test_what_a_lookup_may_not_hold_is_an_error_of_the_input_with_its_place(
    crm: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        planned(tmp_path, crm)
    assert error.value.message == words


def test_what_the_source_room_says_of_a_lookup_names_the_lookup(tmp_path: Path) -> None:
    (tmp_path / "crm.dat").write_text("id,email\n")
    job = read_text(HEAD + CRM.replace("crm.csv", "crm.dat") + PAGE, tmp_path / "job.yaml")
    (tmp_path / "a.csv").write_text(csv_text(ROWS))
    with pytest.raises(JobError) as error:
        open_inputs(job, None)
    assert "lookup crm: lookups.crm.format: the name of crm.dat" in str(error.value)
    assert "under `lookups.crm:`" in str(error.value)


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from etl.flow import plan as plan_module

    real = plan_module._Planner.run

    def run(self: plan_module._Planner) -> object:
        books = real(self)
        (tmp_path / "crm.csv").write_text("id,email\n")
        return books

    monkeypatch.setattr(plan_module._Planner, "run", run)
    with pytest.raises(InputError, match=r"crm\.csv changed while it was read"):
        planned(tmp_path)


def test_the_files_of_lookups_are_in_the_fingerprint_of_a_plan_and_not_in_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text(ROWS))
    crm = tmp_path / "crm.csv"
    marks, mappings = set(), set()
    for content, time in (
        ("id,email\n1,a\n", 1),
        ("id,email\n1,b\n", 1),
        ("id,email\n1,bb\n", 1),
        ("id,email\n1,a\n", 2),
    ):
        crm.write_text(content)
        os.utime(crm, (time, time))
        job = read_text(HEAD + CRM + PAGE, tmp_path / "job.yaml")
        marks.add(fingerprint(job, "sandbox", None, open_inputs(job, None)))
        mappings.add(mapping_hash(job))
    assert (len(marks), len(mappings)) == (3, 1)  # size and time tell a file, as of sources


def test_the_date_of_a_call_fills_the_path_of_a_lookup(tmp_path: Path) -> None:
    job = read_text(HEAD + CRM.replace("crm.csv", "'crm-{{ date }}.csv'") + PAGE, tmp_path / "job.yaml")
    assert uses_date(job)
    with pytest.raises(JobError, match="needs a date"):
        lookup_columns_of(job, None)


ROW = st.tuples(st.sampled_from(["u1", "u2", "u3", ""]), st.sampled_from(["a", "b", ""]))


@given(rows=st.lists(ROW, max_size=30), partners=st.lists(ROW, max_size=8), block=st.integers(1, 200))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_books_balance_and_the_size_of_blocks_changes_nothing(
    rows: list[tuple[str, str]], partners: list[tuple[str, str]], block: int, tmp_path: Path
) -> None:
    visits = [{"user": u, "time": "2026-11-20T10:00:00Z", "url": f"/{n}{v}"} for n, (u, v) in enumerate(rows)]
    crm = [{"id": key, "email": mail} for key, mail in partners]
    (tmp_path / "a.csv").write_text("user,time,url\n" if not visits else csv_text(visits))
    text = CRM.replace("key: id", "key: id, keep: last") + "filters: {strangers: crm is null}\n" + PAGE
    files = {"crm.csv": csv_text(crm) if crm else "id,email\n"}
    whole, cut = (plan(tmp_path, text, files, head=HEAD, limits=limits) for limits in (None, Limits(block=block)))
    assert whole.books == cut.books
    assert [row["body"] for row in whole.outbox] == [row["body"] for row in cut.outbox]
    known = {key: mail for key, mail in partners if key}
    kept = [user for user, _ in rows if user in known]
    assert whole.books.balance == 0
    assert whole.params("mail") == [known[user] or None for user in kept]
    assert whole.books.lookups["crm"] == {"rows": len(rows), "found": len(kept)}


def test_a_row_that_cannot_be_read_of_the_jobs_own_file_is_invalid_once_and_stops_nothing(tmp_path: Path) -> None:
    """It is in the books as a row of the source; of another file, or of the same one read in another way, nobody would hear of it."""
    tracks = [
        '{"type": "identify", "anonymousId": "a1", "userId": "007"}',
        '{"type": "identify", "anonym',
        '{"type": "track", "anonymousId": "a1", "url": "/1"}',
    ]
    text = """
lookups:
  ids: {path: LOOKUP, key: anonymousId, where: type = 'identify', on: anonymousId}
filters: {other: type <> 'track'}
events: [{type: pageViewed, page: {location: url}}]
"""
    head = (
        "job: small\nsource: {path: tracks.ndjson}\n"
        "contact: {externalCustomerId: ids.userId}\ndelivery: {api: sandbox}\n"
    )
    lines = "\n".join(tracks) + "\n"
    named = f"../{tmp_path.name}/tracks.ndjson"  # the same file, however it is called
    found = plan(tmp_path, text.replace("LOOKUP", named), {"tracks.ndjson": lines}, head=head)
    assert found.params("externalCustomerId") == ["007"]
    assert (found.books.rows, found.books.invalid_reasons, found.books.events) == (3, {"json": 1}, 1)
    for again in ("copy.ndjson", "tracks.ndjson, encoding: latin-1"):
        with pytest.raises(InputError, match="ndjson:2: this row cannot be read"):
            plan(tmp_path, text.replace("LOOKUP", again), {"tracks.ndjson": lines, "copy.ndjson": lines}, head=head)
