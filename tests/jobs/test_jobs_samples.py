"""The samples are what their generator makes: the same seed, the same data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
from ready_jobs import SAMPLES


def test_the_generator_makes_the_samples_that_are_here(tmp_path: Path) -> None:
    made = tmp_path / "sample"
    shutil.copytree(SAMPLES, made, ignore=shutil.ignore_patterns("__pycache__"))
    files = [path.relative_to(SAMPLES) for path in SAMPLES.glob("*/*") if path.parent.name != "__pycache__"]
    for file in files:
        (made / file).unlink()
    subprocess.run([sys.executable, made / "generate.py"], check=True, timeout=60)
    assert files
    for file in files:
        if file.suffix == ".parquet":  # its bytes say by which version they were written
            assert pq.read_table(made / file).equals(pq.read_table(SAMPLES / file)), file
        else:
            assert (made / file).read_bytes() == (SAMPLES / file).read_bytes(), file
