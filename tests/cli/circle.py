"""The whole circle: bad rows, their export, mended as an analyst would by a script, replayed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from called import Shop

Row = dict[str, Any]
#: The clean rows of a mixed day: pages, searches, carts of several lines in two files, two things in one second.
DAY: list[Row] = [
    {"kind": "page", "user": "u1", "time": "2026-11-20T10:00:00Z", "value": "/a", "cart": "", "n": "1"},
    {"kind": "both", "user": "u2", "time": "2026-11-20T10:00:01Z", "value": 'q "x", y', "cart": "", "n": "1"},
    {"kind": "cart", "user": "u1", "time": "2026-11-20T10:00:02Z", "value": "p1", "cart": "k1", "n": "1"},
    {"kind": "cart", "user": "u2", "time": "2026-11-20T10:00:02Z", "value": "p1", "cart": "k2", "n": "1"},
    {"kind": "cart", "user": "u1", "time": "2026-11-20T10:00:03Z", "value": "p2", "cart": "k1", "n": "2"},
    {"kind": "page", "user": "u1", "time": "2026-11-20T10:00:00Z", "value": "/b", "cart": "", "n": "1"},
    {"kind": "cart", "user": "u1", "time": "2026-11-20T10:00:04Z", "value": "p3", "cart": "k1", "n": "3"},
    {"kind": "search", "user": "u3", "time": "2026-11-20T10:00:05Z", "value": "сукня", "cart": "", "n": "1"},
    {"kind": "cart", "user": "u4", "time": "2026-11-20T10:00:06Z", "value": "p9", "cart": "k4", "n": "1"},
    {"kind": "page", "user": "u5", "time": "2026-11-20T10:00:07Z", "value": "/c", "cart": "", "n": "1"},
]
#: What is wrong with which row: its column and the bad value.
BAD: dict[int, tuple[str, str]] = {
    1: ("user", ""),  # both of its rules refuse it
    4: ("n", "many"),  # one line of a cart
    5: ("user", ""),  # in the same second as a good one
    7: ("time", "yesterday"),
    8: ("value", ""),
}
JOB = """\
job: small
source: {path: "a*.FORM"SOURCE}
contact: {externalCustomerId: user}
TIMEevents:
  - type: pageViewed
    where: kind in ('page', 'both')
    page: {location: value}
  - type: searchRequest
    where: kind in ('search', 'both')
    search: value
  - type: cartUpdated
    where: kind = 'cart'
    lines: [cart]
    products: {productId: value, quantity: n, price: n}
    recycleStateId: cart
max_invalid: 100%
delivery: {api: API, stale: send, rate: 1000/s}
"""


@dataclass(frozen=True)
class Form:
    """One format: how rows are written, and how the export is read and written back by a script."""

    name: str
    write: Callable[[Path, Sequence[Row]], None]
    read: Callable[[Path], list[Row]]
    again: Callable[[Path, Sequence[Row]], None]
    export: str


def _write_csv(file: Path, rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    file.write_bytes(out.getvalue().encode())


def _read_csv(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=";"))


def _write_ndjson(file: Path, rows: Sequence[Row]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def _read_ndjson(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def _write_parquet(file: Path, rows: Sequence[Row]) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), file)


def _read_parquet(file: Path) -> list[Row]:
    found: list[Row] = pq.read_table(file).to_pylist()
    return found


def _line(row: Row) -> str:
    target = "/" + "&".join(
        [f"?kind={row['kind']}", *(f"{k}={_escaped(row[k])}" for k in ("user", "value", "cart", "n", "time"))]
    )
    return f'10.0.0.1 - - [20/Nov/2026:10:00:00 +0000] "GET {target} HTTP/1.1" 200 5 "-" "Mozilla/5.0"'


def _escaped(text: str) -> str:
    from urllib.parse import quote

    return quote(str(text), safe="")


def _write_log(file: Path, rows: Sequence[Row]) -> None:
    file.write_text("".join(_line(row) + "\n" for row in rows), "utf-8")


def _read_log(file: Path) -> list[Row]:
    from urllib.parse import parse_qsl, urlsplit

    with file.open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    marks = [k for k in found[0] if k != "line"] if found else []
    rows = []
    for one in found:
        query = dict(parse_qsl(urlsplit(one["line"].split('"')[1].split()[1]).query, keep_blank_values=True))
        rows.append(query | {mark: one[mark] for mark in marks})
    return rows


def _again_log(file: Path, rows: Sequence[Row]) -> None:
    marks = [k for k in rows[0] if k.startswith("rejected_")]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["line", *marks])
        writer.writerows([_line(row), *(row[m] for m in marks)] for row in rows)


FORMS: Mapping[str, Form] = {
    "csv": Form("csv", _write_csv, _read_csv, _write_csv, "bad.csv"),
    "ndjson": Form("ndjson", _write_ndjson, _read_ndjson, _write_ndjson, "bad.ndjson"),
    "parquet": Form("parquet", _write_parquet, _read_parquet, _write_parquet, "bad.parquet"),
    "log": Form("log", _write_log, _read_log, _again_log, "bad.csv"),
}


def job_of(form: Form, *, timed: bool = True) -> str:
    """The job for a format."""
    source, columns = "", ""
    if form.name == "log":
        source = ", format: access_log"
        columns = "let:\n" + "".join(
            f"  {n}: query_param(query, '{n}')\n" for n in ("kind", "user", "value", "cart", "n", "time_")
        )
        columns = columns.replace("'time_'", "'time'").replace("time_:", "at:")
    time = f"time: {{column: {'at' if form.name == 'log' else 'time'}}}\n" if timed else ""
    return JOB.replace("FORM", form.name).replace("SOURCE", source).replace("TIME", columns + time)


def spoilt(rows: Sequence[Row], bad: Mapping[int, tuple[str, str]]) -> list[Row]:
    """The rows with what is wrong with some of them."""
    return [row | ({bad[n][0]: bad[n][1]} if n in bad else {}) for n, row in enumerate(rows)]


def write(shop: Shop, form: Form, rows: Sequence[Row], cut: int = 6) -> None:
    """Write the rows as two files, so that carts lie across them."""
    form.write(shop.folder / f"a1.{form.name}", rows[:cut])
    form.write(shop.folder / f"a2.{form.name}", rows[cut:])


def mended(form: Form, file: Path, rows: Sequence[Row], cut: int = 6) -> list[Row]:
    """The rows of an export with the clean values, found by their places."""
    found = form.read(file)
    for row in found:
        first = 1 if form.name in ("parquet", "ndjson", "log") else 2
        number = int(row["rejected_place"].split(" row ")[1]) - first
        clean = rows[number + (cut if f"a2.{form.name}" in row["rejected_file"] else 0)]
        row.pop("rejected_text", None)
        row |= clean
    return found
