"""An nginx log: pages of people whom the crm knows; bots, pictures, forms and errors fall out, each for its reason."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ready_jobs import SAMPLES, keep_first_in, keep_last_cart, page
from shared_exports import Event, Expected

FOLDER = SAMPLES / "nginx"
LINE = re.compile(r'\S+ - (\S+) \[(.+?)\] "(\S+) (\S+) \S+" (\d+) \d+ "(.*?)" "(.*?)" "(.*?)"')


def of_sample() -> Expected:
    lines = (FOLDER / "access.log").read_text("utf-8").splitlines()  # before access.log.1.gz, as their names stand
    lines += gzip.decompress((FOLDER / "access.log.1.gz").read_bytes()).decode().splitlines()
    crm, prices = _table(FOLDER / "crm.csv"), _table(FOLDER / "products.csv")
    books = Expected(rows=len(lines))
    events = []
    for number, line in enumerate(lines):
        hit = LINE.fullmatch(line)
        if hit is None:
            books.invalid_reasons["log_line"] += 1
            continue
        user, time, method, target, status, _, agent, cookie = hit.groups()
        if (why := _falls_out(method, target, status, agent)) is not None:
            books.filtered[why] += 1
            continue
        uid = re.search(r"\buid=(\w+)", cookie)
        visitor = uid[1] if uid else user
        matches = list(_matches(target, visitor, prices))
        books.extra += len(matches) - 1
        if visitor not in crm:
            books.filtered["anonymous"] += len(matches)
            continue
        who, email = crm[visitor]
        contact = {"externalCustomerId": who, "email": email.lower()}
        instant = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
        events += [
            Event(instant, (number, rule), kind, who, contact | params)
            for rule, (kind, params) in enumerate(matches)
        ]  # fmt: skip
    books.take(events)
    keep_last_cart(books)
    keep_first_in(books, "pageViewed", timedelta(minutes=30), lambda event: event.params["page"]["location"])
    keep_first_in(books, "searchRequest", timedelta(minutes=30), lambda event: event.params["search"])
    return books


def _falls_out(method: str, target: str, status: str, agent: str) -> str | None:
    if "Googlebot" in agent:
        return "bots"
    if target.endswith(".jpg"):
        return "static"
    if method != "GET":
        return "methods"
    return None if status in ("200", "304") else "status"


def _matches(target: str, visitor: str, prices: dict[str, tuple[str, str]]) -> Iterator[tuple[str, dict[str, Any]]]:
    url = urlsplit(target)
    parts = url.path.split("/")
    yield "pageViewed", {"page": page(f"https://shop.example{target}")}
    if parts[1] == "product" and parts[2] in prices:
        price, in_stock = prices[parts[2]]
        product = {"productId": parts[2], "price": Decimal(price), "isInStock": Decimal(in_stock)}
        yield "productViewed", {"product": product}
    if parts[1] == "category":
        yield "productCategoryViewed", {"category": {"productCategoryId": parts[2]}}
    if url.path == "/checkout/done":
        yield "cartUpdated", {"products": [], "recycleStateId": visitor}
    if url.path == "/search":
        yield "searchRequest", {"search": parse_qs(url.query)["q"][0], "isFound": Decimal(1)}


def _table(path: Path) -> dict[str, tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {key: (first, second) for key, first, second in csv.reader(file)}
