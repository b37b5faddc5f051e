"""An outbox of any size, made by columns: events of about 300 bytes, keys that come back as visitors do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.outbox.write import ROW_GROUP
from etl.tables import OUTBOX

_CHUNK = 250_000


def make_outbox(path: Path, events: int) -> None:
    """Write one in a process of its own: a child's peak of memory begins with its parent's."""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-m", "benchmarks.delivering.outbox", str(path), str(events)], check=True, cwd=root)


def write_outbox(path: Path, events: int, keys: int = 200_000, seed: int = 1) -> None:
    """Write `events` events of `keys` keyValues: a visitor comes for a handful of events and is back later."""
    rng = np.random.default_rng(seed)
    with pq.ParquetWriter(path, OUTBOX, compression="zstd", use_dictionary=["type"]) as writer:
        for start in range(0, events, _CHUNK):
            writer.write_table(_chunk(rng, start, min(_CHUNK, events - start), keys), row_group_size=ROW_GROUP)


def _chunk(rng: np.random.Generator, start: int, count: int, keys: int) -> pa.Table:
    seq = np.arange(start, start + count)
    visitor = rng.integers(0, keys, count)
    key = pc.binary_join_element_wise("visitor", pa.array(visitor).cast(pa.string()), "@example.com", "")
    sku = pa.array(rng.integers(0, 50_000, count)).cast(pa.string())
    number = pa.array(seq).cast(pa.string())
    body = pc.binary_join_element_wise(
        '{"eventTypeKey":"productViewed","keyValue":"', key, '","params":[{"name":"email","value":"', key,
        '"},{"name":"product","value":"{\\"productId\\":\\"', sku, '\\",\\"price\\":1234.5,\\"isInStock\\":1,\\"colour\\":[\\"red\\"]}"},'
        '{"name":"currencyCode","value":"UAH"},{"name":"n","value":"', number, '"}]}', "",
    )  # fmt: skip
    instant = (np.datetime64("2026-01-01T00:00:00", "us") + (seq // 20).astype("timedelta64[s]")).astype(
        "datetime64[us]"
    )
    ids = np.stack([seq.astype(">u8"), (seq * 2_654_435_761).astype(">u8")], axis=1)
    return pa.table({
        "seq": pa.array(seq, pa.int64()),
        "id": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(ids.tobytes())]),
        "twin": pa.array(seq, pa.uint64()),
        "lane": pa.array(visitor.astype(np.uint64) * np.uint64(11_400_714_819_323_198_485)),
        "type": pa.array(["productViewed"]).take(pa.array(np.zeros(count, np.int32))),
        "key": key,
        "instant": pa.array(instant, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")),
        "file": pa.array(np.zeros(count, np.int32)),
        "row": pa.array(seq, pa.int64()),
        "element": pa.nulls(count, pa.int32()),
        "item": pa.nulls(count, pa.int32()),
        "rule": pa.array(np.zeros(count, np.int16)),
        "content": pa.array(seq, pa.uint64()),
        "body": body,
    }).select(OUTBOX.names).cast(OUTBOX)  # fmt: skip


if __name__ == "__main__":
    write_outbox(Path(sys.argv[1]), int(sys.argv[2]))
