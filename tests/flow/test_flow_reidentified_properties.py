"""Whatever the history of runs and of changes to the job: no row's event leaves twice, and a job that was not changed never stops."""

import tempfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planned import csv_text

from etl.delivery.checkpoint import Checkpoint, Ruling, State
from etl.flow import ledger, state
from etl.flow.guards import guard_of
from etl.flow.inputs import open_inputs
from etl.flow.plan import Choice, make_plan
from etl.job.read import read_text
from etl.outbox.pending import Seqs
from etl.report.books import Books

KEYS = ("user", "lower(user)", "mail")
ZONES = ("UTC", "Europe/Kyiv")
IDS = ("null", "mid")
JOB = """
job: small
source: {{path: "*.csv"}}
key_value: {key}
contact: {{externalCustomerId: user, email: mail}}
time: {{column: time, zone: {zone}}}
id: {id}
changed: {changed}
events:
  - {{type: pageViewed, page: {{location: url}}}}
  - {{type: searchRequest, where: url = '/a', search: url}}
delivery: {{api: sandbox, stale: send}}
"""
STEP = st.fixed_dictionaries({
    "rows": st.integers(1, 4),  # what the file grows by
    "key": st.sampled_from(KEYS), "zone": st.sampled_from(ZONES), "id": st.sampled_from(IDS),
    "changed": st.sampled_from(["stop", "drop"]),
    "refused": st.sets(st.integers(0, 6), max_size=2),  # events that the API refuses
})  # fmt: skip


def row(n: int) -> dict[str, str]:
    return {"user": f"U{n % 3}", "mail": f"u{n % 3}@example.com", "url": "/b" if n % 2 else "/a",
            "time": f"2026-11-20 10:00:{n:02d}", "mid": f"m{n}"}  # fmt: skip


def send(checkpoint: Checkpoint, run: int, events: int, refused: set[int]) -> Seqs:
    """Deliver a run, but for what is refused."""
    checkpoint.update_run(run, state="open")
    for seq in range(events):
        verdict = (State.REJECTED, 400) if seq in refused else (State.DELIVERED, 200)
        checkpoint.record(run, intents=[seq])
        checkpoint.record(run, rulings=[Ruling([seq], *verdict)])
    checkpoint.update_run(run, state="finished", exit=0)
    return checkpoint.remembered(run)


@given(st.lists(STEP, min_size=2, max_size=5))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_rows_event_leaves_twice_and_an_unchanged_job_never_stops(steps: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sent: Counter[tuple[int, str]] = Counter()
        count = 0
        jobs: set[tuple[object, ...]] = set()
        for step in steps:
            count += int(str(step["rows"]))
            (folder / "a.csv").write_text(csv_text([row(n) for n in range(count)]), "utf-8")
            job = read_text(JOB.format(**step), folder / "job.yaml")
            jobs.add((step["key"], step["zone"], step["id"]))
            place = state.place_of(job, folder / "state")
            place.create()
            place.record()
            with Checkpoint.open(place.checkpoint, job.job, place.destination.address) as checkpoint:
                run = make_plan(job, place, checkpoint, Choice(), open_inputs(job, None), lambda *_: None)
                if guard_of(Books.from_json(run.books), job):
                    assert len(jobs) > 1
                    continue
                gone = send(checkpoint, run.run, run.events, step["refused"])  # type: ignore[arg-type]
                ledger.merge(place, checkpoint, checkpoint.run(run.run))
            outbox = pq.read_table(place.outbox(run.name)).to_pylist()
            sent.update((outbox[seq]["row"], outbox[seq]["type"]) for seq in gone.tolist())
            assert max(sent.values(), default=1) == 1
