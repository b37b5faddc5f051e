"""Whatever is wrong with which rows: mended and replayed, they are the events that a clean input gives, each once."""

import csv
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from called import Shop
from circle import FORMS, Row, job_of, mended, spoilt, write
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from etl.sandbox.process import Child, start_child
from etl.sandbox.settings import Settings

CSV = FORMS["csv"]
ROW = st.fixed_dictionaries({
    "kind": st.sampled_from(["page", "search", "both", "cart", "cart", "other"]),
    "user": st.sampled_from(["u1", "u2", "u3"]),
    "time": st.sampled_from(["2026-11-20T10:00:00Z", "2026-11-20T10:00:01Z", "2026-11-20T11:00:00Z"]),
    "value": st.sampled_from(["a", "b", 'q";', "ж"]),
    "cart": st.sampled_from(["k1", "k2", "k3"]),
    "n": st.sampled_from(["1", "2.5"]),
})  # fmt: skip
#: Where several contacts have a cart of one number, a line without a contact keeps none back: what a clean input gives it cannot be then.
FAULT = st.sampled_from([("value", ""), ("n", "x"), ("time", "?"), ("user", "")])


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One sandbox for all examples: each has a job, a state and an outbox of its own."""
    asked = Settings(limit_event=None, depth_days=None)
    with start_child(tmp_path_factory.mktemp("sandbox") / "record.sqlite", asked) as started:
        yield started


def _outboxes(folder: Path) -> Counter[str]:
    files = folder.rglob("outbox.parquet")
    return Counter(body for file in files for body in pq.read_table(file, columns=["body"])["body"].to_pylist())


@given(
    rows=st.lists(ROW, min_size=1, max_size=25).filter(lambda rows: any(row["kind"] != "other" for row in rows)),
    faults=st.dictionaries(st.integers(0, 24), FAULT, max_size=8),
    data=st.data(),
)
@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_bad_rows_mended_are_the_clean_inputs_events(
    child: Child, rows: list[Row], faults: dict[int, tuple[str, str]], data: st.DataObject
) -> None:
    bad = {n: f for n, f in faults.items() if n < len(rows) and not (f[0] == "user" and rows[n]["kind"] == "cart")}
    job = job_of(CSV).replace("stale:", "late_carts: send, stale:")
    with tempfile.TemporaryDirectory() as name:
        shops = [Shop(Path(name) / part, child.url, job=job) for part in ("clean", "bad")]
        for shop, day in zip(shops, (rows, spoilt(rows, bad)), strict=True):
            shop.folder.mkdir()
            write(shop, CSV, day)
            assert shop.call("run").exit == 0
        clean, spoiled = shops
        file = spoiled.folder / "bad.csv"
        if spoiled.call("rejects", "--export", str(file)).json["exported"]:
            again = data.draw(st.permutations(mended(CSV, file, rows)))  # a spreadsheet sorts as it likes
            cut = data.draw(st.integers(0, len(again)))
            carts = {row["cart"] for row in again[:cut] if row["kind"] == "cart"}
            first = [row for n, row in enumerate(again) if n < cut or (row["kind"] == "cart" and row["cart"] in carts)]
            parts = [first, [row for row in again if row not in first]]
            for number, part in enumerate(parts):
                if part:
                    CSV.write(file.with_name(f"part{number}.csv"), part)
                    ended = spoiled.call("rejects", "--run", "1", "--replay", str(file.with_name(f"part{number}.csv")))
                    assert ended.exit == 0, ended.err
                    assert (ended.json["invalid"], ended.json["pending"]) == (0, 0)
        assert _outboxes(spoiled.folder) == _outboxes(clean.folder)


def test_the_examples_have_rows_to_mend(child: Child, tmp_path: Path) -> None:
    """The property would hold of rows that are never refused: these are."""
    shop = Shop(tmp_path, child.url, job=job_of(CSV))
    row = {"kind": "cart", "user": "u1", "time": "2026-11-20T10:00:00Z", "value": "a", "cart": "k1", "n": "1"}
    write(shop, CSV, spoilt([row, row | {"value": "b"}], {0: ("n", "x")}))
    shop.call("run")
    shop.call("rejects", "--export", str(tmp_path / "bad.csv"))
    with (tmp_path / "bad.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream, delimiter=";"))) == 2
