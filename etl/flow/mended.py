"""What of a run's rejects is still open: refused, and delivered by no replay since."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.errors import Exit
from etl.flow.origin import read_origin
from etl.flow.state import Place
from etl.report.rejects import Open
from etl.sql import connect, literal

#: A row that no rule has seen is mended by an event of any rule.
_SAME = (
    "r.file = p.file AND r.row = p.row "
    "AND (p.rule IS NULL OR (r.rule = p.rule AND r.element IS NOT DISTINCT FROM p.element))"
)


def still_open(place: Place, checkpoint: Checkpoint, run: RunRow) -> Open:
    """Return what of a run's rejects is still open. The contact data of the run must be there."""
    folder = place.run(run.name)
    replays = [one for one in _replays(checkpoint, run) if place.has_outbox(one.name)]
    with connect(memory="500MB", folder=folder, reads=[place.folder]) as sql:
        files = read_origin(folder).origin.files
        numbers = pa.array(range(len(files)), pa.int32())
        sql.register("files", pa.table({"name": pa.array(files, pa.string()), "nth": numbers}))
        _delivered_by(sql, place, checkpoint, replays)
        invalid = _count(
            sql,
            "SELECT nth AS file, row, element, rule FROM "
            f"read_parquet({literal(str(folder / 'quarantine.parquet'))}) q JOIN files ON q.file = files.name",
        )
        rejected = _count(
            sql, _events(sql, place, run, [event.seq for event in checkpoint.dead_letters(run.run)], "dead")
        )
        unknown = _count(sql, _events(sql, place, run, [event.seq for event in checkpoint.unknowns(run.run)], "doubts"))
        return Open(invalid, rejected, unknown)


def settle(place: Place, checkpoint: Checkpoint, replay: RunRow) -> None:
    """Give the runs whose events a replay has delivered the code of a run that has delivered all."""
    run = replay
    while run.of is not None:
        run = checkpoint.run(run.of)
        if run.state == "finished" and run.exit == Exit.PARTIAL and place.has_outbox(run.name):
            found = still_open(place, checkpoint, run)
            counts = checkpoint.counts(run.run)
            if counts.rejected + counts.unknown and not found.rejected + found.unknown:
                checkpoint.update_run(run.run, exit=int(Exit.OK))


def _replays(checkpoint: Checkpoint, run: RunRow) -> list[RunRow]:
    """The replays of a run, and theirs."""
    family = {run.run}
    found = []
    for one in checkpoint.runs():
        if one.of in family:
            family.add(one.run)
            found.append(one)
    return found


def _delivered_by(
    sql: duckdb.DuckDBPyConnection, place: Place, checkpoint: Checkpoint, replays: Sequence[RunRow]
) -> None:
    """Make the table `replayed`: the places whose events these runs have delivered; of a cart those of all its lines."""
    sql.execute("CREATE TEMP TABLE replayed (file INTEGER, row BIGINT, element INTEGER, rule SMALLINT)")
    for one in replays:
        folder = place.run(one.name)
        sql.register("seqs", pa.table({"seq": pa.array(checkpoint.delivered(one.run), pa.int64())}))
        outbox = f"read_parquet({literal(str(place.outbox(one.name)))})"
        sql.execute(f"INSERT INTO replayed SELECT file, row, element, rule FROM {outbox} SEMI JOIN seqs USING (seq)")
        sql.unregister("seqs")
        counts = checkpoint.counts(one.run)
        if one.state != "finished" or counts.rejected or counts.unknown:
            continue  # which lines are those of the carts that were delivered is not kept
        again = f"read_parquet({literal(str(folder / 'quarantine.parquet'))})"
        for lines in folder.glob("lines-*.parquet"):
            # A cart that was refused again has its lines in the quarantine of the replay.
            sql.execute(
                f"INSERT INTO replayed SELECT _file, _row, _element, {int(lines.stem.rpartition('-')[2])} "
                f"FROM read_parquet({literal(str(lines))}) WHERE (_file, _row) NOT IN "
                f"(SELECT (nth, q.row) FROM {again} q JOIN files ON q.file = files.name)"
            )


def _events(sql: duckdb.DuckDBPyConnection, place: Place, run: RunRow, seqs: Sequence[int], name: str) -> str:
    sql.register(name, pa.table({"seq": pa.array(seqs, pa.int64())}))
    outbox = f"read_parquet({literal(str(place.outbox(run.name)))})"
    return f"SELECT file, row, element, rule FROM {outbox} SEMI JOIN {name} USING (seq)"


def _count(sql: duckdb.DuckDBPyConnection, places: str) -> int:
    """Count the places that no replay has delivered."""
    statement = f"SELECT count(*) FROM ({places}) p WHERE NOT EXISTS (SELECT 1 FROM replayed r WHERE {_SAME})"
    return int(sql.execute(statement).fetchall()[0][0])
