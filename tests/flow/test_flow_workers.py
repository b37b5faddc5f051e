"""However many workers plan, the plan is the same: events, quarantine and books do not say who did what, nor when."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planned import HEAD, Planned, csv_text, plan

from etl.flow import plan as planning
from etl.flow import prepare
from etl.source.chunk import Limits, Unread

#: Times of every kind, a filter, a zone by row (an unknown one is an error that TRY misses, so batches are halved), a lookup as of the
#: event, lists of contacts, bots, a transform, carts of several lines and of none.
JOB = """
transform: clean.py:clean
let:
  local: timezone(zone, TIMESTAMP '2026-11-20 10:00:00')
lookups:
  prices: {path: prices.csv, key: sku, on: value, as_of: since}
  people: {path: people.csv, key: user, on: user}
filters:
  inside: people.role = 'staff'
  bots: true
  anonymous: true
contacts: {suppress: gone.csv}
events:
  - type: pageViewed
    where: kind in ('page', 'both')
    page: {location: value}
    params: {seen: cast(local as varchar)}
  - type: searchRequest
    where: kind in ('search', 'both')
    search: value
    params: {price: prices.price}
  - type: couponSeen
    custom: true
    where: kind = 'coupon'
    time: {column: other}
  - type: cartUpdated
    where: kind = 'cart'
    lines: [cart]
    products: {productId: value, quantity: n, price: n}
    recycleStateId: cart
"""
SEVERAL = HEAD.replace("*.csv", "a*.csv")
BESIDE = {
    "clean.py": "def clean(frame):\n    return frame[frame['kind'] != 'drop']\n",
    "prices.csv": "sku,price,since\na,1,2026-11-20T10:00:00Z\na,2,2026-11-20T10:30:00Z\nb,3,1700000000\n",
    "people.csv": "user,role\nu1,staff\nu2,\n",
    "gone.csv": "id\nu5\n",
}
TIMES = ["2026-11-20T10:00:00Z", "2026-11-20 11:00:00", "1763632800", "1763632800123", "20261120", "bad", ""]
ROW = st.fixed_dictionaries({
    "kind": st.sampled_from(["page", "search", "both", "coupon", "cart", "cart", "other", "drop"]),
    "user": st.sampled_from(["u1", "u2", "u3", "u4", "u5", ""]),
    "time": st.sampled_from(TIMES),
    "other": st.sampled_from(TIMES),
    "zone": st.sampled_from(["Europe/Kyiv", "UTC", "", "Mars/Olympus"]),
    "value": st.sampled_from(["a", "b", 'q"\n,', "ж", ""]),
    "cart": st.sampled_from(["k1", "k2", "k3", ""]),
    "n": st.sampled_from(["1", "2.5", "x"]),
    "user_agent": st.sampled_from(["Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Googlebot/2.1", ""]),
})  # fmt: skip
UNREAD = st.lists(st.sampled_from(["cut,short", ""]), max_size=3)


def planned(files: dict[str, str], limits: Limits, workers: int) -> Planned:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "worker_count", lambda: workers)
        return plan(Path(folder), JOB, BESIDE | files, head=SEVERAL, limits=limits)


@given(st.lists(st.tuples(ROW, UNREAD), min_size=1, max_size=40), st.integers(0, 40), st.integers(1, 400))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_plan_of_several_workers_is_that_of_one(
    rows: list[tuple[dict[str, str], list[str]]], cut: int, block: int
) -> None:
    header = csv_text([rows[0][0]]).splitlines()[0]
    texts = [csv_text([row]).partition("\n")[2] + "".join(f"{line}\n" for line in unread) for row, unread in rows]
    files = {f"a{n}.csv": f"{header}\n{''.join(part)}" for n, part in enumerate((texts[:cut], texts[cut:]))}
    alone, three = (planned(files, Limits(block=block), workers) for workers in (1, 3))
    assert three.outbox == alone.outbox
    assert three.quarantine == alone.quarantine
    assert three.books == alone.books


def test_a_worker_that_fails_lets_those_go_that_wait_for_its_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batches behind it have times, and ask the ones before what kind these are."""
    real, begun, failed = prepare.unread_rows, [0], Event()

    def failing(unread: Sequence[Unread], files: Sequence[str]) -> pa.Table:
        begun[0] += 1
        if begun[0] == 4:
            failed.wait(0.2)  # the others have come to their times meanwhile
            raise RuntimeError("a bug")
        return real(unread, files)

    monkeypatch.setattr(prepare, "unread_rows", failing)
    monkeypatch.setattr(planning, "worker_count", lambda: 3)
    rows = [
        {"user": "u", "time": "" if n < 60 else "2026-11-20T10:00:00Z", "value": str(n), "kind": "page"}
        for n in range(100)
    ]
    job = "events:\n  - {type: pageViewed, page: {location: value}}\n"
    with pytest.raises(RuntimeError, match="a bug"):
        plan(tmp_path, job, rows, limits=Limits(block=100))
