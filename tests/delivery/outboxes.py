"""Outboxes and checkpoints for tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.post import Patience, Settings
from etl.tables import OUTBOX

START = datetime(2026, 11, 20, tzinfo=UTC)
SECRET = "s3cret-key-of-the-shop"


def body(n: int, key: str) -> bytes:
    event = {"eventTypeKey": "pageViewed", "keyValue": key, "n": n, "params": [{"name": "email", "value": key}]}
    return json.dumps(event, separators=(",", ":")).encode()


def lane_of(key: str) -> int:
    return int.from_bytes(sha256(key.encode()).digest()[:8], "big")


def write(path: Path, keys: Sequence[str], group: int = 97) -> Counter[bytes]:
    """Write an outbox of one event for each key, in order; return its bodies."""
    bodies = [body(n, key) for n, key in enumerate(keys)]
    count = len(keys)
    columns = {
        "seq": pa.array(range(count), pa.int64()),
        "id": pa.array([sha256(b).digest()[:16] for b in bodies], pa.binary(16)),
        "twin": pa.array(range(count), pa.uint64()),
        "lane": pa.array([lane_of(key) for key in keys], pa.uint64()),
        "type": pa.array(["pageViewed"] * count),
        "key": pa.array(list(keys), pa.string()),
        "instant": pa.array([START + timedelta(seconds=n) for n in range(count)], pa.timestamp("us", tz="UTC")),
        "file": pa.array([0] * count, pa.int32()),
        "row": pa.array(range(count), pa.int64()),
        "element": pa.array([None] * count, pa.int32()),
        "item": pa.array([None] * count, pa.int32()),
        "rule": pa.array([0] * count, pa.int16()),
        "content": pa.array(range(count), pa.uint64()),
        "body": pa.array([b.decode() for b in bodies], pa.string()),
    }
    pq.write_table(pa.table(columns, OUTBOX), path, row_group_size=group, compression="zstd")
    return Counter(bodies)


def keys(count: int, of: int = 10**9) -> list[str]:
    """`count` keys, `of` different ones in turn."""
    return [f"visitor{n % of}@example.com" for n in range(count)]


@dataclass
class Bench:
    """An outbox and its checkpoint in a folder."""

    folder: Path
    events: int
    bodies: Counter[bytes]
    run: int = 1

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox.parquet"

    def open(self) -> Checkpoint:
        return Checkpoint.open(self.folder / "checkpoint.sqlite", "job", "sandbox")


def bench(folder: Path, keys: Sequence[str], group: int = 97) -> Bench:
    made = Bench(folder, len(keys), write(folder / "outbox.parquet", keys, group))
    with made.open() as checkpoint:
        made.run = plan(checkpoint, len(keys))
        checkpoint.update_run(made.run, state="open")
    return made


def plan(checkpoint: Checkpoint, events: int, **more: Any) -> int:
    given = {"name": "000001-ab12cd", "mapping": "m", "fingerprint": "f", "method": "event"} | more
    return checkpoint.add_run(events=events, **given)


def settings(url: str, **more: Any) -> Settings:
    """Settings for tests: no throttle, short waits."""
    patience = Patience(first=0.02, most=0.1)
    given = {
        "rate": 1e9,
        "concurrency": 8,
        "timeout": 5.0,
        "give_up": 30.0,
        "patience": patience,
        "max_rejected": 1.0,
    } | more
    return Settings(url, SECRET, **given)
