"""The outbox as delivery reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outboxes import START, body, keys, lane_of, write

from etl.delivery.outbox import Outbox

NAMES = keys(101, of=7)
NONE = np.array([], dtype=np.int64)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("outbox") / "outbox.parquet"
    write(made, NAMES, group=10)
    return made


def test_places_are_seq_and_lane_in_order(path: Path) -> None:
    with Outbox(path) as outbox:
        assert len(outbox) == 101
        assert list(outbox.places(NONE)) == [(n, lane_of(name)) for n, name in enumerate(NAMES)]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(settled=st.sets(st.integers(0, 100)))
def test_settled_events_are_left_out_and_no_other(path: Path, settled: set[int]) -> None:
    with Outbox(path) as outbox:
        found = [seq for seq, _ in outbox.places(np.array(sorted(settled), dtype=np.int64))]
    assert found == sorted(set(range(101)) - settled)


def test_row_groups_that_are_settled_are_not_read(path: Path) -> None:
    with Outbox(path) as outbox:
        read: list[int] = []
        real = outbox._read
        outbox._read = lambda group: (read.append(group), real(group))[1]  # type: ignore[method-assign]
        list(outbox.places(np.arange(95, dtype=np.int64)))
    assert read == [9, 10]


def test_any_event_can_be_had_at_any_time_and_few_row_groups_stay_in_memory(path: Path) -> None:
    with Outbox(path) as outbox:
        for seq in (100, 0, 55, 99, 3, 71, 28, 64, 12, 45, 80, 0, 100):
            assert outbox.event(seq) == (body(seq, NAMES[seq]), None)
            assert len(outbox._kept) <= 8


def test_the_instant_is_read_where_the_method_needs_it(path: Path) -> None:
    with Outbox(path, timed=True) as outbox:
        assert outbox.event(42)[1] == (int(START.timestamp()) + 42) * 1_000_000


def test_an_empty_outbox_has_no_places(tmp_path: Path) -> None:
    write(tmp_path / "none.parquet", [])
    with Outbox(tmp_path / "none.parquet") as outbox:
        assert list(outbox.places(NONE)) == []
