"""A file is known by what it holds: packed or not, under any name, and when it has grown."""

import gzip
import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from etl.source.digest import Digest, digested
from etl.source.inputs import find_inputs


def test_packing_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    plain, packed = (digested(find_inputs([name], tmp_path)[0], ()) for name in ("a.csv", "a.csv.gz"))
    assert plain == packed


def test_parquet_is_taken_as_it_is(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    (item,) = find_inputs(["a.parquet"], tmp_path)
    assert digested(item, ()).whole.size == item.size


@given(st.binary(max_size=40), st.sets(st.integers(0, 60)))
def test_every_beginning_is_known_by_its_own_hash(held: bytes, sizes: set[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x").write_bytes(b"text" + held)
        found = digested(find_inputs(["x"], Path(folder))[0], sizes)
    whole = b"text" + held
    assert found.whole == Digest(len(whole), hashlib.sha256(whole).hexdigest())
    assert found.beginnings == tuple(
        Digest(size, hashlib.sha256(whole[:size]).hexdigest()) for size in sorted(sizes) if size < len(whole)
    )
