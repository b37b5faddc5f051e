"""The job of `benchmarks.rows`: five event types, carts of several lines."""

from __future__ import annotations

from pathlib import Path

JOB = """\
job: bench
source: {path: "PATH", types: {hits: int}}
let: {mail: lower(trim(email))}
time: {column: event_time, zone: Europe/Kyiv}
contact: {externalCustomerId: customer_id, email: mail, phone: phone}
filters: {anonymous: true}
events:
  - {type: pageViewed, where: event = 'page', page: {location: url}}
  - type: productViewed
    where: event = 'view_item'
    product: {productId: sku, price: price, isInStock: in_stock, colour: colour}
    currencyCode: currency
  - {type: productCategoryViewed, where: event = 'category', category: {productCategoryId: category}}
  - type: cartUpdated
    where: event = 'cart'
    lines: [cart_id, event_time]
    products: {productId: sku, quantity: qty, price: price}
    recycleStateId: cart_id
  - {type: searchRequest, where: event = 'search', search: query, isFound: hits > 0}
delivery: {api: sandbox, stale: send, rate: 1000000/s, concurrency: 16}
max_invalid: 20%
"""


def write_job(folder: Path, source: Path) -> Path:
    """Write the job of a source into a folder; return its place."""
    path = folder / "job.yaml"
    path.write_text(JOB.replace("PATH", str(source)), "utf-8")
    return path
