"""Snowplow's flat table of events as CSV: what happened and with which products stands as JSON in cells.

Of the 130 columns of an atomic event those that a job needs, and those of Snowplow's e-commerce schemas
(iglu:com.snowplowanalytics.snowplow.ecommerce).
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from story import SHOP, Act, story

SEED = 25
_OF_SHOP = "com_snowplowanalytics_snowplow_ecommerce"
ACTION = f"unstruct_event_{_OF_SHOP}_snowplow_ecommerce_action_1_0_0"
COLUMNS = [
    "app_id", "platform", "collector_tstamp", "derived_tstamp", "event", "event_name", "event_id", "user_id", "domain_userid",
    "domain_sessionid", "page_url", "page_urlpath", ACTION, f"contexts_{_OF_SHOP}_product_1_0_0", f"contexts_{_OF_SHOP}_cart_1_0_0",
    f"contexts_{_OF_SHOP}_transaction_1_0_0", f"contexts_{_OF_SHOP}_user_1_0_0",
]  # fmt: skip
ACTIONS = {
    "view": "product_view", "list": "list_view", "add": "add_to_cart", "checkout": "checkout_step", "buy": "transaction",
}  # fmt: skip


def write(folder: Path) -> None:
    """Write the events; a few of them twice, as collectors do."""
    rng = random.Random(SEED)
    rows = list(_rows(rng))
    for at in sorted(rng.sample(range(len(rows)), 9), reverse=True):
        rows.insert(at + 1, rows[at])
    with (folder / "events.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _rows(rng: random.Random) -> Iterator[dict[str, str]]:
    filled: dict[int, float] = {}
    for act in story(SEED, 220):
        yield _row(rng, act, "page_view")
        if act.what not in ACTIONS:
            continue
        total = filled.get(act.visitor, 0.0) + sum(p.price * n for p, n in act.products)
        if act.what == "add":
            filled[act.visitor] = total
        yield _row(rng, act, ACTIONS[act.what], round(total, 2))
        if act.what == "add" and rng.random() < 0.2:  # and out again: with it the cart is empty, or not
            left = round(total - act.products[0][0].price * act.products[0][1], 2)
            filled[act.visitor] = left
            yield _row(rng, act, "remove_from_cart", left)
        if act.what == "buy":
            filled[act.visitor] = 0.0


def _row(rng: random.Random, act: Act, does: str, total: float = 0.0) -> dict[str, str]:
    of_page = does == "page_view"
    account = {"id": act.user, "email": f" {act.user.title()}@Example.com", "is_guest": None} if act.user else None
    named = act.visitor % 2 == 0  # half of the pages tell the tracker who it is, the others the e-commerce context
    cart = {"currency": "UAH", "total_value": str(total), "cart_id": None}
    bought = {"transaction_id": f"T{act.number}", "currency": "UAH", "revenue": str(total), "payment_method": "card"}
    products: list[dict[str, Any]] = [
        {
            "id": p.sku,
            "name": p.name,
            "category": p.category,
            "currency": "UAH",
            "price": str(p.price),
            "quantity": str(n),
        }
        for p, n in act.products
    ]
    return {
        "app_id": "shop",
        "platform": "web",
        "collector_tstamp": f"{act.time:%Y-%m-%d %H:%M:%S}.900000+00:00",
        "derived_tstamp": f"{act.time:%Y-%m-%d %H:%M:%S.%f}+00:00",
        "event": "page_view" if of_page else "unstruct",
        "event_name": "page_view" if of_page else "snowplow_ecommerce_action",
        "event_id": str(UUID(int=rng.getrandbits(128), version=4)),
        "user_id": act.user or "" if named else "",
        "domain_userid": f"d{act.visitor:03d}" if act.visitor % 13 else "",
        "domain_sessionid": f"s{act.visitor:03d}-{act.time:%H}",
        "page_url": f"{SHOP}{act.path}?token=s3cret",
        "page_urlpath": act.path,
        COLUMNS[12]: "" if of_page else json.dumps({"type": does, "name": _name_of(act) if does == "list_view" else None}),
        COLUMNS[13]: json.dumps([] if of_page else products, ensure_ascii=False),
        COLUMNS[14]: json.dumps([cart] if does in ("add_to_cart", "remove_from_cart") else []),
        COLUMNS[15]: json.dumps([bought] if does == "transaction" else []),
        COLUMNS[16]: json.dumps([account] if account and not named else []),
    }  # fmt: skip


def _name_of(act: Act) -> str:
    return "product list" if act.number % 2 else "recommended"
