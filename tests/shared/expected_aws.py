"""The test app: one user, an event_id for each row, views of pages and clicks on buttons."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from shared_exports import Event, Expected, epoch_ms


def expected(path: Path) -> Expected:
    rows = pq.read_table(path).to_pylist()
    books = Expected(rows=len(rows))
    events = []
    for number, row in enumerate(rows):
        name = row["event_name"]
        params: dict[str, Any] = {"externalCustomerId": row["user_id"]}
        if name.startswith("PageView"):
            kind, params["page"] = "pageViewed", {"location": f"app://{row['app_info']['id']}/{name}"}
        else:
            said = {param["key"]: param["value"] for param in row["event_params"]}
            kind, params["button"] = "buttonClicked", name
            params["session"] = said["_session_id"]["string_value"]
            params["width"] = Decimal(row["device"]["screen_width"])
        instant = epoch_ms(row["event_timestamp"])
        events.append(Event(instant, (number, 0), kind, row["user_id"], params, row["event_id"]))
    books.take(events)
    return books
