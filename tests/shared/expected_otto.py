"""OTTO: a line is a session, an element of its list an event; the same thing put into the cart twice at once counts once."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared_exports import Event, Expected, epoch_ms


def expected(path: Path) -> Expected:
    books = Expected()
    events = []
    for line in path.read_text("utf-8").splitlines():
        session = json.loads(line)
        key = str(session["session"])
        for each in session["events"]:
            product = {"productId": str(each["aid"]), "price": Decimal(0)}
            params: dict[str, Any] = {"externalCustomerId": key}
            if each["type"] == "clicks":
                kind, params["product"] = "productViewed", product
            else:
                kind, params["recycleStateId"] = "cartUpdated", f"session-{key}"
                params["products"] = [product | {"quantity": Decimal(1)}] if each["type"] == "carts" else []
            place = (books.rows, 0)
            events.append(Event(epoch_ms(each["ts"]), place, kind, key, params))
            books.rows += 1
    books.take(events)
    return books
