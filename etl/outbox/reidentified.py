"""Events that went out already under another id: the same row of the same input, which a changed keyValue, time or id makes look new.

A plan asks the receipts of earlier runs in two ways. By place: same file (the same bytes, or the earlier file is the beginning of
this one), row, element and type. By content: another version of a file, where type, time and mapped values without keyValue are
equal. Either way only events count that were sent, under an id that this plan does not hold. An event whose keyValue and moment
the ledger knows is not asked about: it is `changed`, or new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from etl.sql import fetch, literal

#: How many events are shown as examples.
EXAMPLES = 3

#: Whether two rows of `place` columns are of one match; places are compared by type, or, where both are of one mapping, by rule and item.
_SAME_PLACE = (
    "a.file = g.now AND a.row = g.row AND a.type = g.type AND a.element IS NOT DISTINCT FROM g.element "
    "AND (NOT g.exact OR (a.rule = g.rule AND a.item IS NOT DISTINCT FROM g.item))"
)


@dataclass(frozen=True, slots=True)
class Sender:
    """An earlier run that may have sent events of this plan's rows, with its receipts.

    `proven` pairs its files with those of this plan that begin with the same bytes (index there, index here). `versions` are its files
    of which this plan may hold another version. `same`: it has this plan's mapping; `exact`: its rules are this plan's.
    """

    run: str
    receipts: Path
    same: bool
    exact: bool
    proven: tuple[tuple[int, int], ...]
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """An event of the plan, and where it stands in the run that has sent it."""

    run: str
    seq: int  # in that run's outbox
    type: str
    key: str
    instant: datetime | None
    id: bytes


@dataclass(frozen=True, slots=True)
class Reidentified:
    """Events of a plan that went out under other ids: how many of each run, and a few of them."""

    runs: dict[str, int]
    examples: tuple[Example, ...]

    @property
    def count(self) -> int:
        """How many events in all."""
        return sum(self.runs.values())


#: Gives the earlier runs that a plan has to ask; called where events are left that could have gone out.
Senders = Callable[[], Sequence[Sender]]


def find(staged: Path, types: Sequence[str], senders: Senders, sql: duckdb.DuckDBPyConnection) -> None:
    """Leave in the table `again` the events of `alive` that went out under another id: n, run, seq, same.

    `staged` is a Parquet file of STAGED rows; `known` holds the ledger's rows that concern the plan.
    """
    sql.execute("CREATE OR REPLACE TEMP TABLE again (n BIGINT, run VARCHAR, seq BIGINT, same BOOLEAN)")
    sql.execute(
        "CREATE OR REPLACE TEMP TABLE left_over AS SELECT n FROM alive ANTI JOIN (SELECT twin FROM known) USING (twin)"
    )
    if not sql.execute("SELECT 1 FROM left_over LIMIT 1").fetchall() or not (found := senders()):
        return
    sql.register(
        "types", pa.table({"rule": pa.array(range(len(types)), pa.int16()), "type": pa.array(types, pa.string())})
    )
    plan = f"read_parquet({literal(str(staged))}, file_row_number = true)"
    sql.execute(
        "CREATE OR REPLACE TEMP TABLE asked AS SELECT n, file, row, element, item, rule, type, instant, content "
        f"FROM {plan} s JOIN left_over l ON s.file_row_number = l.n JOIN types USING (rule)"
    )
    _by_place(found, plan, sql)
    _by_content(found, plan, sql)


def _by_place(senders: Sequence[Sender], plan: str, sql: duckdb.DuckDBPyConnection) -> None:
    rows = [(s, was, now) for s in senders for was, now in s.proven]
    if not rows:
        return
    _register(sql, "pairs", [(s, was) for s, was, _ in rows], now=pa.array([now for _, _, now in rows], pa.int32()))
    sql.execute(
        "INSERT INTO again SELECT a.n, max(g.run), arg_max(g.seq, g.run), bool_or(g.same) FROM asked a JOIN ("
        f"SELECT r.*, p.now, p.run, p.same, p.exact FROM {_sent(senders)} r JOIN pairs p ON r.filename = p.path AND r.file = p.was "
        f"WHERE r.row BETWEEN (SELECT min(row) FROM asked) AND (SELECT max(row) FROM asked)) g ON {_SAME_PLACE} "
        f"WHERE g.id NOT IN (SELECT id FROM {plan}) GROUP BY a.n"
    )


def _by_content(senders: Sequence[Sender], plan: str, sql: duckdb.DuckDBPyConnection) -> None:
    """Another version of a file is one that holds at least half of what was sent from the first: else it is another export."""
    rows = [(s, was) for s in senders for was in s.versions]
    if not rows:
        return
    _register(sql, "pairs", rows)
    proven = [(s.run, now) for s in senders for _, now in s.proven]
    sql.register("read_before", pa.table({
        "run": pa.array([run for run, _ in proven], pa.string()), "file": pa.array([now for _, now in proven], pa.int32()),
    }))  # fmt: skip
    sql.execute(
        "CREATE OR REPLACE TEMP TABLE gone_rows AS SELECT r.id, r.file, r.seq, r.type, r.instant, r.content, p.run, p.same FROM "
        f"{_sent(senders)} r JOIN pairs p ON r.filename = p.path AND r.file = p.was"
    )
    sql.execute(
        "CREATE OR REPLACE TEMP TABLE by_content AS SELECT a.n, g.run, g.file, g.seq, g.same FROM asked a "
        "JOIN gone_rows g ON a.type = g.type AND a.instant = g.instant AND a.content = g.content "
        f"WHERE g.id NOT IN (SELECT id FROM {plan}) AND NOT EXISTS "
        "(SELECT 1 FROM read_before b WHERE b.run = g.run AND b.file = a.file)"
    )
    if not sql.execute("SELECT 1 FROM by_content LIMIT 1").fetchall():
        return
    sql.execute(
        "CREATE OR REPLACE TEMP TABLE versions AS SELECT run, file FROM gone_rows g "
        "SEMI JOIN (SELECT DISTINCT run, file FROM by_content) c USING (run, file) "
        f"LEFT JOIN (SELECT DISTINCT id, true AS there FROM {plan}) i ON g.id = i.id "
        "LEFT JOIN (SELECT DISTINCT type, instant, content, true AS alike FROM "
        f"{plan} JOIN types USING (rule)) e ON g.type = e.type AND g.instant = e.instant AND g.content = e.content "
        "GROUP BY run, file HAVING 2 * count(*) FILTER (there OR alike) >= count(*)"
    )
    sql.execute(
        "INSERT INTO again SELECT n, max(run), arg_max(seq, run), bool_or(same) FROM by_content SEMI JOIN versions USING (run, file) "
        "WHERE n NOT IN (SELECT n FROM again) GROUP BY n"
    )


def described(staged: Path, types: Sequence[str], which: str, sql: duckdb.DuckDBPyConnection) -> Reidentified:
    """Say of the events of `again` that `which` (SQL) selects how many each run has sent, and show the first few by place."""
    counts = sql.execute(f"SELECT run, count(*) FROM again WHERE {which} GROUP BY run ORDER BY run").fetchall()
    shown = fetch(
        sql,
        "SELECT a.run, a.seq, s.rule, s.key, s.instant, s.id FROM "
        f"read_parquet({literal(str(staged))}, file_row_number = true) s JOIN (SELECT * FROM again WHERE {which} ORDER BY n "
        f"LIMIT {EXAMPLES}) a ON s.file_row_number = a.n ORDER BY s.ordinal, s.item NULLS FIRST, s.rule",
    ).to_pylist()
    examples = tuple(
        Example(row["run"], row["seq"], types[row["rule"]], row["key"], row["instant"], row["id"]) for row in shown
    )
    return Reidentified({str(run): int(count) for run, count in counts}, examples)


def _sent(senders: Sequence[Sender]) -> str:
    """SQL of the receipts of events that were sent, and the file that each stands in."""
    listed = ", ".join(literal(str(sender.receipts)) for sender in senders)
    return f"(SELECT * FROM read_parquet([{listed}], filename = true) WHERE verdict IN ('delivered', 'unknown'))"


def _register(sql: duckdb.DuckDBPyConnection, name: str, rows: Sequence[tuple[Sender, int]], **more: pa.Array) -> None:
    senders = [sender for sender, _ in rows]
    sql.register(name, pa.table({
        "path": pa.array([str(s.receipts) for s in senders], pa.string()),
        "run": pa.array([s.run for s in senders], pa.string()),
        "same": pa.array([s.same for s in senders], pa.bool_()),
        "exact": pa.array([s.exact for s in senders], pa.bool_()),
        "was": pa.array([was for _, was in rows], pa.int32()),
        **more,
    }))  # fmt: skip
