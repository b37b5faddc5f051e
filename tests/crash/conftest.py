"""The scene of the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_shop import Shop

from benchmarks.crashing.proof import write_export
from benchmarks.crashing.setup import Scene, Setup


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """1,501 rows: more than any buffer on the way divides evenly."""
    setup, scene = Setup(rows=1501, kills=0, seed=5, timeout=5.0), Scene(tmp_path)
    return Shop(setup, scene, write_export(setup, scene))
