"""Mended rejects whose contacts are others than those that were refused.

A spreadsheet takes the zeros off 00123, and writes 3.8E+11 for a phone. Such a file would reach other people. So a replay compares the
columns that the job's `contact` and `key_value` read with what the quarantine holds of the same rows, before anything is planned.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import GuardError
from etl.job.models import Job
from etl.mapping.expression import paths_in
from etl.mapping.names import Names
from etl.masking import masked_id
from etl.source.mended import MendedSource
from etl.sql import connect, folded, literal, quote
from etl.tables import FILE, ROW

_WRAPPED = re.compile(r"(?is)(?:lower|upper|trim|ltrim|rtrim)\(((?:[^()]|\([^()]*\))*)\)")
_NAME = re.compile(r"""[^()'+|*/,<>=-]+""")
_OWN_FAULT = "^(contact\\.|key\\.|no_contact)"
#: What a spreadsheet makes of a number that stands for a text: no zeros in front, an exponent, a point.
_BY_SPREADSHEET = (
    "(before <> after AND (ltrim(before, '0') = after OR before || '.0' = after "
    "OR (regexp_full_match(before, '[+]?[0-9]{6,}') AND regexp_full_match(after, '[0-9]([.,][0-9]+)?[eE][+]?[0-9]+'))))"
)


def refuse_changed_contacts(job: Job, source: MendedSource, quarantine: Path) -> None:
    """Raise GuardError (`contacts_changed`) where a column of contacts differs in all rows of a file, or as a spreadsheet changes it.

    Rows that were refused for their contact itself are left out: there the change is the mending. So are rows that had none.
    """
    columns = [found for path in sorted(_plain_paths(job)) if (found := _column(path, source.schema)) is not None]
    if not columns:
        return
    with connect(memory="300MB") as sql:
        sql.register("quarantine", pq.read_table(quarantine, columns=["file", "row", "reasons", "original"]))
        sql.execute("CREATE TABLE mended (file VARCHAR, row BIGINT, field VARCHAR, after VARCHAR)")
        for batch in source.batches(sorted({column for column, _ in columns})):
            _add(sql, batch.table, columns, source.files)
        before = " UNION ALL ".join(
            f"SELECT file, row, {literal('.'.join((column, *fields)))} AS field, "
            f"json_extract_string(j, {literal(_pointer(column, *fields))}) AS before FROM refused"
            for column, fields in columns
        )
        judged: list[tuple[Any, ...]] = sql.execute(
            "WITH refused AS (SELECT file, row, any_value(original) AS j "
            "FROM quarantine WHERE json_valid(original) GROUP BY file, row "
            f"HAVING NOT bool_or(len(list_filter(reasons, lambda r: regexp_matches(r, {literal(_OWN_FAULT)}))) > 0)), "
            f"held AS ({before}), "
            "pairs AS (SELECT field, trim(before) AS before, trim(coalesce(after, '')) AS after, row FROM held "
            "JOIN (SELECT DISTINCT * FROM mended) USING (file, row, field) WHERE trim(coalesce(before, '')) <> '') "
            "SELECT field, count(*), count(*) FILTER (ltrim(before, '+') <> ltrim(after, '+')), "
            f"count(*) FILTER ({_BY_SPREADSHEET}), arg_min({{'b': before, 'a': after, 'row': \"row\"}}, \"row\") "
            "FILTER (ltrim(before, '+') <> ltrim(after, '+')) FROM pairs GROUP BY field ORDER BY field"
        ).fetchall()
    for field, rows, changed, by_spreadsheet, example in judged:
        if changed and (changed == rows or by_spreadsheet):
            raise _refusal(field, (rows, changed, by_spreadsheet), example, source.inputs[0].shown)


def _refusal(field: str, counts: tuple[int, int, int], example: dict[str, Any], shown: str) -> GuardError:
    rows, changed, by_spreadsheet = counts
    how = " the way a spreadsheet changes numbers" if by_spreadsheet else ""
    return GuardError(
        "contacts_changed",
        f"{shown}: `{field}` is another one than what was refused in {changed:,} of {rows:,} rows{how}, in row {example['row']} "
        f"{masked_id(example['b'])} ({len(example['b'])} characters) became {masked_id(example['a'])} ({len(example['a'])} characters): "
        "the events would go to other contacts",
        hint=f"export the rejects anew, and mend them with `{field}` read as text (in a spreadsheet: import the column as text). "
        "Where the new values are meant, say --accept-changes",
    )


def _plain_paths(job: Job) -> set[tuple[str, ...]]:
    """The columns that are a contact as they stand, but for case and blanks: of a URL that holds one, other parts may be mended."""
    let = {folded(name): text for name, text in job.let.items()}
    given = [(job.contact, job.key_value), *((rule.contact or {}, rule.key_value) for rule in job.events)]
    texts = [text for contact, key in given for text in (*contact.values(), key) if text]
    found: set[tuple[str, ...]] = set()
    with duckdb.connect(":memory:") as sql:
        for text in texts:
            bare = _bare(text)
            bare = _bare(let.get(folded(bare), bare))
            if _NAME.fullmatch(bare):
                found |= set(paths_in(bare, sql))
    return found


def _bare(text: str) -> str:
    """Return an expression without the functions around it that change nothing but case and blanks."""
    while (found := _WRAPPED.fullmatch(text.strip())) is not None:
        text = found[1]
    return text.strip()


def _column(path: tuple[str, ...], schema: pa.Schema) -> tuple[str, tuple[str, ...]] | None:
    column = Names(schema.names).find(path[0])
    return None if column is None else (column, tuple(path[1:]))


def _pointer(*names: str) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def _add(
    sql: duckdb.DuckDBPyConnection, table: pa.Table, columns: list[tuple[str, tuple[str, ...]]], files: list[str]
) -> None:
    names = pa.table({"nth": pa.array(range(len(files)), pa.int32()), "name": pa.array(files, pa.string())})
    sql.register("batch", table.select([FILE, ROW, *sorted({column for column, _ in columns})]))
    sql.register("names", names)
    for column, fields in columns:
        value = quote(column)
        text = (
            f"json_extract_string(to_json({value}), {literal(_pointer(*fields))})"
            if fields
            else f"CAST({value} AS VARCHAR)"
        )
        sql.execute(
            f"INSERT INTO mended SELECT name, {ROW}, {literal('.'.join((column, *fields)))}, {text} "
            f"FROM batch JOIN names ON nth = {FILE}"
        )
    sql.unregister("batch")
    sql.unregister("names")
